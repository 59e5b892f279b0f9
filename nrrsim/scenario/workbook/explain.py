EXPLAIN = "Explain"


def write_explain(*parts): pass
