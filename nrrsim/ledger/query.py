"""The text of a query in, the same text out if all it can do is read; never runs one.

A second fence, not the only one: `database` opens a session that cannot write, by the database's
own means. What such a session lets through is refused here: a file of the server read or written by
a function, another session ended, a second statement that ends the transaction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

SWITCH, OFF = "NRRSIM_DATABASES", "off"  # in the environment: that no database is read
REMEDY = (
    "a ledger is read by one SELECT, or WITH ... SELECT, that changes nothing;"
    " what this cannot say, a view in the database can"
)
# The functions, of every database that is read, which do more than compute from rows: they change
# or hang a server that a read-only session may still change, read or write its files, reach other
# servers, or run a text that stands in quotes, and so was not looked at.
FORBIDDEN = re.compile(
    r"pg_(?!typeof$).*|lo_.*|dblink.*|set_config|nextval|setval|binary_upgrade_.*|postgres_fdw_.*"
    r"|(query|cursor|table|schema|database)_to_xml.*|ts_stat|ts_rewrite|crosstab\w*|connectby"
    r"|xpath_table|http|http_.*|query_export_to_s3|table_import_from_s3"
    r"|load_extension|readfile|writefile|edit|lsdir|fsdir|fts3_tokenizer|pragma_.*"
    r"|read_.*|parquet_.*|.*_scan|glob|sniff_csv|getenv|query|query_table|(enable|disable)_.*"
    r"|write_log|(force_)?checkpoint|duckdb_secrets|which_secret|st_read\w*|(sqlite|postgres|mysql)_.*"
    r"|system\$.*|external_query"
)


def only_reads(query: str, dialect: str) -> str:
    """The statement as it is written, without the semicolon and the comments around it.

    `dialect` is sqlglot's name of the database.

    Raises ValueError, saying why, for what is not exactly one SELECT that changes nothing.
    """
    import sqlglot
    from sqlglot import exp

    # at such a one a database may end a comment, or the text, where a parser reads on
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)", query):
        raise ValueError("it holds a control character")
    try:
        parsed = sqlglot.parse(query, dialect=dialect)
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"it cannot be read as {dialect}'s SQL{_where(error)}") from None
    except RecursionError:
        raise ValueError("its brackets stand too deep") from None

    # comments after the last semicolon are a statement to the parser
    statements = [each for each in parsed if not (each is None or isinstance(each, exp.Semicolon))]
    if len(statements) != 1:
        raise ValueError(f"it holds {len(statements)} statements")
    if why := _does_more(statements[0]):
        raise ValueError(why)
    words = sqlglot.tokenize(query, dialect=dialect)
    inner = [word for word in words if word.token_type != sqlglot.TokenType.SEMICOLON]
    return query[inner[0].start : inner[-1].end + 1]


def calls_forbidden(function: str) -> bool:
    """Whether a function of this name does more than compute from rows."""
    # a name with other characters hides one: U&"pg\\005fread_file"
    return not re.fullmatch(r"\w[\w$]*", function) or bool(FORBIDDEN.fullmatch(function.lower()))


def _does_more(statement: exp.Expr) -> str:
    """What a statement does besides reading; empty if nothing."""
    from sqlglot import exp

    if not isinstance(statement.unnest(), exp.Select | exp.SetOperation):
        return f"it is {_verb(statement)}, not SELECT"
    for node in statement.walk():
        if isinstance(node, exp.Into):
            return "it writes a table (INTO)"
        if isinstance(node, exp.Lock):
            return "it locks rows (FOR UPDATE, FOR SHARE)"
        if isinstance(node, exp.DML | exp.DDL | exp.Command):
            return f"it changes data ({_verb(node)})"
        if isinstance(node, exp.CTE) and not isinstance(node.this, exp.Query | exp.Values):
            return f"it runs {_verb(node.this)} inside WITH"
        if isinstance(node, exp.Func):
            unknown = isinstance(node, exp.Anonymous | exp.AnonymousAggFunc)
            for name in [node.name] if unknown else node.sql_names():
                if calls_forbidden(name):
                    return f"it calls {name.lower()}, which does more than read the ledger"
    return ""


def _verb(statement: exp.Expr) -> str:
    """`DELETE` of a statement that deletes."""
    word = statement.name if statement.key == "command" else statement.key
    return word.upper()


def _where(error: Exception) -> str:
    """Line and column of what a parser did not understand, where it says so."""
    first: dict[str, object] = next(iter(getattr(error, "errors", [])), {})
    place = f" at line {first.get('line')}, column {first.get('col')}"
    return place if first.get("line") else ""
