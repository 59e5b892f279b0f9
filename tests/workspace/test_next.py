"""Next quarter's card: the last one's bytes, with another month and an open question."""

import pytest

from nrrsim.report.card import read_card
from nrrsim.yamlfile import read_yaml

CARD = """\
# Our card: 2026-09 stands here as well.
notebook:   quarterly_report
company:    "2026-09 Ltd"
ledger:     ../ledger.csv   # 2026-09
as_of:      {as_of}   # the quarter's last month
target:     110 %
"""


@pytest.fixture
def card(tmp_path, write):
    """Write a card into params/, and a ledger up to September 2026 beside that folder."""
    months = [f"{2024 + m // 12}-{m % 12 + 1:02d}" for m in range(33)]
    write("customer,month,mrr\n" + "".join(f"A,{month},10\n" for month in months))
    (tmp_path / "params").mkdir()

    def _card(text: str | bytes, name: str = "2026Q3.yaml"):
        path = tmp_path / "params" / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _card


@pytest.mark.parametrize("as_of", ['"2026-09"', "'2026-09'", "2026-09", "2026-09-30", "2026Q3"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])
def test_all_but_the_month_is_as_it_stands(tmp_path, run, card, as_of, end, mark):
    before = (mark + CARD.format(as_of=as_of)).replace("\n", end).encode()
    card(before)
    code, out, err = run("next", tmp_path)
    assert code == 0, err
    assert out == f"{tmp_path}/params/2026Q4.yaml\n"
    quote = as_of[0] if as_of[0] in "\"'" else ""
    after = before.replace(
        f"as_of:      {as_of}".encode(), f"as_of:      {quote}2026-12{quote}".encode()
    )
    assert (tmp_path / "params" / "2026Q4.yaml").read_bytes() == after
    assert (tmp_path / "params" / "2026Q3.yaml").read_bytes() == before
    assert "note: the ledger reaches 2026-09: the report can be made once it has 2026-12" in err
    assert read_card(tmp_path / "params" / "2026Q4.yaml").parameters["as_of"] == "2026-12"


@pytest.mark.parametrize(
    ("name", "as_of", "more", "after", "month"),
    [
        ("2025Q4.yaml", "2025-12", "", "2026Q1.yaml", "2026-03"),
        ("FY2027Q2.yaml", "2026-07", "fiscal_year_end: 1\n", "FY2027Q3.yaml", "2026-10"),
        ("FY2026Q4.yaml", "2026-06", "fiscal_year_end: '06'\n", "FY2027Q1.yaml", "2026-09"),
        ("2026-08.yaml", "2026-08", "", "2026-11.yaml", "2026-11"),
        ("emea-2026Q2-board.yaml", "2026-06", "", "emea-2026Q3-board.yaml", "2026-09"),
    ],
)
def test_it_is_called_by_its_quarter(tmp_path, run, card, name, as_of, more, after, month):
    card(CARD.format(as_of=f'"{as_of}"') + more, name)
    code, out, err = run("next", tmp_path)
    assert (code, out) == (0, f"{tmp_path}/params/{after}\n"), err
    assert read_yaml(tmp_path / "params" / after, "card").values["as_of"] == month


def test_an_annual_ledger_goes_on_by_a_year(tmp_path, run, card, write):
    write("customer,month,mrr\nA,2024-12,1\nA,2025-12,1\n")
    card(CARD.format(as_of='"2025-12"'), "2025Q4.yaml")
    assert run("next", tmp_path)[1] == f"{tmp_path}/params/2026Q4.yaml\n"


def test_the_last_card_goes_on(tmp_path, run, card):
    for name, as_of in (("2025Q4", "2025-12"), ("2026Q1", "2026-03"), ("2025Q3", "2025-09")):
        card(CARD.format(as_of=as_of), f"{name}.yaml")
    card("notebook: backtest\nledger: ../ledger.csv\nas_of: '2026-09'\n", "backtest.yaml")
    card("notebook: scenario_comparison\nas_of: '2026-09'\n", "2026Q3.yaml")
    assert run("next", tmp_path)[1] == f"{tmp_path}/params/2026Q2.yaml\n"


def test_what_is_there_stays(tmp_path, run, card):
    card(CARD.format(as_of="2026-03"), "2026Q1.yaml")
    card("mine", "2026Q2.yaml")
    code, _, err = run("next", tmp_path / "params" / "2026Q1.yaml")
    assert code == 2
    assert "2026Q2.yaml: is there already; nothing is overwritten" in err
    assert (tmp_path / "params" / "2026Q2.yaml").read_text() == "mine"


def test_a_card_that_waits_for_its_ledger_is_not_followed_by_another(tmp_path, run, card):
    card(CARD.format(as_of="2026-09"))
    assert run("next", tmp_path)[0] == 0
    code, out, err = run("next", tmp_path)
    assert (code, out) == (2, "")
    assert "2026Q4.yaml: is there already, and its ledger reaches 2026-09 alone" in err
    assert len(list((tmp_path / "params").iterdir())) == 2


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        ("../2026Q3*.csv", "is not there yet"),
        ("../none.csv", "is not there yet"),
        ("../bad.csv", "the ledger cannot be read as it is now: "),
        ("env:NOWHERE", "the ledger cannot be read as it is now: "),
    ],
)
def test_a_ledger_may_still_come(tmp_path, run, card, write, monkeypatch, ledger, said):
    monkeypatch.delenv("NOWHERE", raising=False)
    write("no,ledger\n1,2\n", "bad.csv")
    card(CARD.format(as_of="2026-09").replace("../ledger.csv", f'"{ledger}"'))
    code, out, err = run("next", tmp_path)
    assert (code, out) == (0, f"{tmp_path}/params/2026Q4.yaml\n"), err
    assert "note: the ledger " in err
    assert said in err


def test_until_is_the_day_of_one_export(tmp_path, run, card, write):
    write("customer,start,end,mrr\nA,2024-01-01,,10\nB,2026-06-01,,10\n")
    text = CARD.format(as_of="2026-09") + "until: 2026-10-05   # the export\ntrials: 0\n"
    card(text)
    code, _, err = run("next", tmp_path)
    assert code == 0
    after = (tmp_path / "params" / "2026Q4.yaml").read_text()
    asked = (
        "# When was this quarter's export made? Say so here, if it was after its month. It was:\n"
    )
    assert after == text.replace("until:", asked + "# until:").replace(
        "as_of:      2026-09", "as_of:      2026-12"
    )
    assert "note: until is left open: it was the day of the last card's export" in err
    assert "reaches" not in err


def test_known_at_is_one_day_too(tmp_path, run, card, write):
    write("customer,month,mrr,booked\nA,2026-09,10,2026-10-01\n")
    text = CARD.format(as_of="2026-09") + "known_at: 2026-10-05\ntrials: 0\n"
    card(text)
    code, _, err = run("next", tmp_path)
    assert code == 0
    after = (tmp_path / "params" / "2026Q4.yaml").read_text()
    assert "Say so here. It was:\n# known_at: 2026-10-05\ntrials: 0\n" in after
    assert "note: known_at is left open" in err


@pytest.mark.parametrize("previous", ["../reports/2026Q2", "none"])
def test_the_report_before_is_another_one_each_quarter(tmp_path, run, card, write, previous):
    write("customer,month,mrr\nA,2026-09,10\n")
    text = CARD.format(as_of="2026-09") + f"previous: {previous}\ntrials: 0\n"
    card(text)
    code, _, err = run("next", tmp_path)
    assert code == 0
    after = (tmp_path / "params" / "2026Q4.yaml").read_text()
    left_open = "Say so here. It was:\n# previous: ../reports/2026Q2\ntrials: 0\n" in after
    assert left_open == (previous != "none")
    assert ("note: previous is left open" in err) == left_open
    assert "can be made once it has 2026-12" in err


@pytest.mark.parametrize(
    "words",
    [
        "commentary: {segments: Two contracts moved to Q4.}\n",
        "commentary:\n  segments: >\n    Two contracts\n\n    moved to Q4.\n\n  outlook: Up.  # ours\n",
    ],
)
def test_what_management_said_of_one_quarter_is_not_said_of_the_next(
    tmp_path, run, card, write, words
):
    write("customer,month,mrr\nA,2026-09,10\n")
    before = CARD.format(as_of="2026-09") + words + "\ntrials: 0\n"
    card(before)
    code, _, err = run("next", tmp_path)
    assert code == 0
    after = read_yaml(tmp_path / "params" / "2026Q4.yaml", "run card").values
    assert "commentary" not in after
    assert after["trials"] == 0
    assert "note: commentary is left open: it was said of the last card's quarter" in err
    assert "can be made once it has 2026-12" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{notebook: q, ledger: a.csv, as_of: 2026-09, until: 2026-10-05}\n",
            "a line of their own",
        ),
        ("notebook: q\nledger: a.csv\nas_of:\n  2026-09\n", "write the month on the line"),
        ("notebook: q\nledger: a.csv\nas_of: 2026-08\n", "there is no card that is called by"),
        ("notebook: q\nledger: a.csv\n", "there is no card that is called by"),
        (
            "notebook: q\nledger: a.csv\nas_of: 2026-09\nfiscal_year_end: x\n",
            "fiscal_year_end: must",
        ),
        ("notebook: [\n", "this is not YAML"),
    ],
)
def test_what_cannot_go_on_is_said_and_leaves_nothing(tmp_path, run, card, text, said):
    card(text)
    code, out, err = run("next", tmp_path)
    assert (code, out) == (2, "")
    assert said in err
    assert [path.name for path in (tmp_path / "params").iterdir()] == ["2026Q3.yaml"]


def test_two_of_a_month_want_one_to_be_named(tmp_path, run, card):
    card(CARD.format(as_of="2026-06"), "emea-2026Q2.yaml")
    card(CARD.format(as_of="2026-06"), "apac-2026Q2.yaml")
    code, _, err = run("next", tmp_path)
    assert code == 2
    named = err.strip().rpartition("nrrsim ")[2].split()
    assert run(*named)[1] == f"{tmp_path}/params/apac-2026Q3.yaml\n"


def test_a_place_without_cards(tmp_path, run):
    assert "there is no such folder" in run("next", tmp_path / "none")[2]
    assert "nrrsim new writes the first one" in run("next", tmp_path)[2]
    (tmp_path / "board.yaml").write_text(CARD.format(as_of="2026-09"))
    code, _, err = run("next", tmp_path / "board.yaml")
    assert code == 2
    assert "is not called by its as_of, such as 2026Q3.yaml" in err
