"""What a report publishes for the next one: found, taken over, kept, judged intact, and printed."""

import ast
import json
import re
import shutil
import subprocess
from contextlib import contextmanager
from unittest.mock import Mock

import nbformat
import pandas as pd
import pytest
from conftest import ROOT, squeezed, text_of

import nrrsim as nr
from nrrsim.analysis.since import FIGURES as JUDGED
from nrrsim.analysis.since import YEAR as FORECAST_YEAR
from nrrsim.analysis.since import key_of
from nrrsim.months import shift
from nrrsim.report.card import read_card
from nrrsim.report.manifest import verify
from nrrsim.report.published import BEFORE, BOOK, FIGURES, YEAR, published, report_before
from nrrsim.report.run import run_card

COMPANY = "Alder Holdings"
MONTHS = [shift("2024-01", number) for number in range(33)]
ROWS = [
    (name, month, amount, segment)
    for name, amount, segment, months in (
        ("Alder Ltd", 12_000, "smb", MONTHS),
        ("Birch GmbH", 24_000, "mid_market", MONTHS),
        ("Cedar Inc", 6_000, "smb", MONTHS[:28]),
        ("Douglas AG", 3_000, "smb", MONTHS[10:]),
        ("Elm KK", 9_000, "mid_market", MONTHS),
        ("Fir SA", 5_000, "smb", MONTHS),
    )
    for month in months
]
SAID = """
import nrrsim as nr
from nrrsim.report import tables
past = nr.actuals(ledger, as_of, definition=definition)
since = nr.since(past, nr.published(previous, past.as_of))
nr.publish(past, company)
tables.record(past.record() | since.record())
"""


@pytest.fixture
def place(tmp_path):
    """A folder with a ledger, and a notebook that does what the quarterly report does with it."""
    book = nbformat.v4.new_notebook()
    front = "---\ntitle: Tiny\nlang: en\nformat: {nrrsim-typst: {}}\nexecute: {echo: false}\n---"
    parameters = nbformat.v4.new_code_cell(
        'company = "x"  # whose\nledger = "l.csv"  # rows (path)\nas_of = "2026-09"  # when\n'
        'definition = "point_to_point"  # which (optional)\naudience = "board"  # for whom (optional)\n'
        "previous = None  # the report before (optional text)"
    )
    parameters.metadata["tags"] = ["parameters"]
    code = nbformat.v4.new_code_cell(SAID, metadata={"tags": ["investor"]})
    book.cells = [nbformat.v4.new_raw_cell(front), parameters, code]
    nbformat.write(book, tmp_path / "tiny.ipynb")
    write_ledger(tmp_path)
    return tmp_path


@pytest.fixture
def swift(monkeypatch):
    """Reports run in this process, as a kernel takes seconds to start: what is told it is told here."""

    @contextmanager
    def told(folder, home, said, cells):
        yield Mock(said=said)

    def execute(source, executed, parameters, cwd, km, **_):
        notebook = source
        here: dict[str, object] = {}
        with monkeypatch.context() as during:
            during.chdir(cwd)
            for name, value in km.said.items():
                during.setenv(name, value)
            exec(notebook.cells[1].source, here)
            here.update(parameters)
            *most, last = ast.parse(notebook.cells[2].source).body
            exec(compile(ast.Module(most, []), "cell", "exec"), here)
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), here)
        bundle = json.loads(json.dumps(value.bundle, allow_nan=False))
        notebook.cells[2].outputs = [nbformat.v4.new_output("display_data", bundle)]
        for cell in notebook.cells[1:]:
            cell.execution_count = 1
        nbformat.write(notebook, executed)

    monkeypatch.setattr("nrrsim.report.kernel.own_kernel", told)
    monkeypatch.setattr("nrrsim.report.charts.picture.Beside.begin", lambda _: None)
    monkeypatch.setattr("papermill.execute_notebook", execute)


def write_ledger(folder, rows=ROWS):
    frame = pd.DataFrame(rows, columns=["customer", "month", "arr", "segment"])
    frame.to_csv(folder / "l.csv", index=False)


def card(folder, name: str, as_of: str, notebook: str = "tiny", **more):
    said = {"notebook": notebook, "company": COMPANY, "ledger": "l.csv", "as_of": as_of, **more}
    path = folder / f"{name}.yaml"
    path.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in said.items()))
    return path


def run(folder, name: str, as_of: str, **more):
    """The report's folder and its manifest."""
    made = run_card(card(folder, name, as_of, **more), out=folder / "reports", to=())
    return made, json.loads((made / "manifest.json").read_text())


def test_what_is_kept_is_what_the_next_report_judges():
    assert (FIGURES, YEAR) == (JUDGED, FORECAST_YEAR)


def test_a_report_keeps_its_customer_months_by_key(place):
    made, manifest = run(place, "q2", "2026-06")
    assert BOOK in manifest["outputs"]
    book = published(made, "2026-09").book
    assert list(book) == ["customer", "month", "segment", "arr"]
    assert len(book) == sum(month <= "2026-06" for _, month, *_ in ROWS)
    assert set(book["customer"]) == {key_of(COMPANY, name) for name, *_ in ROWS}
    assert not any(name.encode() in (made / BOOK).read_bytes() for name, *_ in ROWS)
    assert verify(made)


def test_the_same_ledger_leaves_the_same_bytes_in_whatever_order(swift, place):
    first, _ = run(place, "q2", "2026-06")
    before = (first / BOOK).read_bytes()
    write_ledger(place, ROWS[::-1])
    again, _ = run(place, "q2", "2026-06")
    assert (again / BOOK).read_bytes() == before


def test_the_newest_report_before_it_is_found_whatever_the_files_times(swift, place, caplog):
    with caplog.at_level("INFO"):
        _, manifest = run(place, "2026Q1", "2026-03")
        assert f"no earlier report of {COMPANY}" in caplog.text
    assert manifest["numbers"]["before"] is None
    for name, as_of, company in (
        ("2026Q2", "2026-06", COMPANY),
        ("2025Q4", "2025-12", COMPANY),  # written later, and older
        ("other", "2026-06", "Another"),
        ("later", "2026-08", COMPANY),
    ):
        made, _ = run(place, name, as_of, company=company)
        assert verify(made)
    caplog.clear()
    with caplog.at_level("INFO"):
        made, manifest = run(place, "july", "2026-07")
    assert "compared with the report of June 2026 in" in caplog.text
    assert manifest["numbers"]["before"]["as_of"] == "2026-06"
    assert set(manifest["inputs"]) == {
        "../../l.csv",
        "../2026Q2/manifest.json",
        f"../2026Q2/{BOOK}",
    }
    assert list(manifest["published"]) == ["2026-03", "2026-06", "2026-07"]
    assert any("2026Q2/manifest.json: intact" in line for line in verify(made))


def test_what_one_folder_publishes_each_quarter_stays_known(swift, place):
    for as_of in ("2025-12", "2026-03", "2026-06", "2026-09"):
        made, manifest = run(place, "current", as_of)
        assert verify(made)
    assert list(manifest["published"]) == ["2025-12", "2026-03", "2026-06", "2026-09"]
    assert sorted(path.name for path in (made / BEFORE).iterdir()) == ["manifest.json", BOOK]
    assert set(manifest["inputs"]) == {"../../l.csv", "before/manifest.json", f"before/{BOOK}"}
    # made once more it is compared with the same, and is the same
    files = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    run(place, "current", "2026-09")
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == files
    (made / BEFORE / BOOK).write_bytes(b"other")
    with pytest.raises(nr.VerifyError, match=f"before/{BOOK}: was changed"):
        verify(made)


@pytest.mark.parametrize(
    ("previous", "found"),
    [("none", None), ("reports/q1", "2026-03"), ("reports/q2", "2026-06")],
)
def test_a_card_may_name_the_report_before_or_none(swift, place, caplog, previous, found):
    for name, as_of in (("q1", "2026-03"), ("q2", "2026-06")):
        run(place, name, as_of)
    caplog.clear()
    with caplog.at_level("INFO"):
        _, manifest = run(place, "q3", "2026-09", previous=previous)
    assert "no earlier report" not in caplog.text
    before = manifest["numbers"]["before"]
    assert (before and before["as_of"]) == found


@pytest.mark.parametrize("folder", ["current", "../reports/current", "current/before"])
def test_a_card_that_names_its_own_folder_keeps_what_it_replaces(swift, place, folder):
    for as_of in ("2026-03", "2026-06"):
        run(place, "current", as_of)
    for _ in range(2):  # and made once more
        made, manifest = run(place, "current", "2026-09", previous=f"reports/{folder}")
        assert set(manifest["inputs"]) == {
            "../../l.csv",
            "before/manifest.json",
            f"before/{BOOK}",
        }
        assert any("before/manifest.json: intact" in line for line in verify(made))


def test_what_the_notebook_compares_with_is_what_the_command_found(swift, place):
    """A place in which the company was called otherwise for a quarter."""
    run(place, "current", "2026-03")
    run(place, "current", "2026-06", company="Another", previous="reports/current")
    _, manifest = run(place, "current", "2026-09")
    assert manifest["numbers"]["before"] is None
    assert set(manifest["inputs"]) == {"../../l.csv"}


def test_beside_it_what_a_later_report_keeps_is_found(swift, place):
    for as_of in ("2026-06", "2026-09"):
        run(place, "current", as_of)
    made, manifest = run(place, "again", "2026-09")
    assert manifest["numbers"]["before"]["as_of"] == "2026-06"
    assert "../current/before/manifest.json" in manifest["inputs"]
    assert verify(made)


def spoil_manifest(folder):
    (folder / "manifest.json").write_text("{")


def change_manifest(folder):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"window": 12', '"window": 11'))


def change_book(folder):
    (folder / BOOK).write_bytes((folder / BOOK).read_bytes() + b" ")


def lose_book(folder):
    (folder / BOOK).unlink()


@pytest.mark.parametrize("previous", [None, "reports/q2"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_manifest, "q2/manifest.json: the report before this one cannot be read"),
        (change_manifest, "q2/manifest.json: the report before this one was changed"),
        (change_book, f"q2/{BOOK}: the report before this one was changed"),
        (lose_book, f"q2/{BOOK}: the report before this one is missing"),
    ],
)
def test_a_damaged_one_is_an_error_that_names_it(swift, place, spoil, said, previous):
    made, _ = run(place, "q2", "2026-06")
    spoil(made)
    more = {} if previous is None else {"previous": previous}
    with pytest.raises(nr.UsageError, match=re.escape(said)):
        run(place, "q3", "2026-09", **more)
    assert not (place / "reports" / "q3").exists()
    run(place, "q3", "2026-09", previous="none")


@pytest.mark.parametrize(
    ("previous", "said"),
    [("reports/nothing", "holds no report"), ("reports/q3", "name an earlier one, or none")],
)
def test_a_folder_that_holds_no_earlier_report_is_an_error(swift, place, previous, said):
    run(place, "q3", "2026-09")
    with pytest.raises(nr.UsageError, match=said):
        run(place, "again", "2026-09", previous=previous)


def test_a_report_made_before_there_was_any_of_this_gives_its_figures(swift, place):
    made, manifest = run(place, "q2", "2026-06")
    for name in ("terms", "rates", "before"):
        del manifest["numbers"][name]
    del manifest["published"], manifest["outputs"][BOOK]
    (made / BOOK).unlink()
    from nrrsim.report import manifest as manifests

    (made / "manifest.json").write_bytes(manifests._sealed(manifest))
    write_ledger(place, [row for row in ROWS if row[:2] != ("Alder Ltd", "2026-06")])
    _, told = run(place, "q3", "2026-09")
    assert told["numbers"]["before"]["restated"]["nrr"]["published"] == manifest["numbers"]["nrr"]
    assert told["published"]["2026-06"]["nrr"] == manifest["numbers"]["nrr"]


def test_an_investors_report_leaves_no_customer_month_behind(swift, place):
    made, manifest = run(place, "q2", "2026-06", audience="investor")
    assert BOOK not in manifest["outputs"]
    made, manifest = run(place, "q2", "2026-09", audience="investor")
    assert not list(made.rglob(BOOK))
    assert manifest["numbers"]["before"]["as_of"] == "2026-06"
    # in the place of a board's, it keeps nothing of that
    run(place, "board", "2026-06")
    made, manifest = run(place, "board", "2026-09", audience="investor")
    assert not (made / BEFORE).exists()
    assert verify(made)


def test_a_notebook_of_ones_own_may_be_for_investors_where_the_card_is_silent(swift, place):
    text = (place / "tiny.ipynb").read_text()
    (place / "tiny.ipynb").write_text(
        text.replace('audience = \\"board\\"', 'audience = \\"investor\\"')
    )
    made, manifest = run(place, "q2", "2026-06")
    assert BOOK not in manifest["outputs"]
    assert not list(made.rglob(BOOK))


def test_of_several_the_one_of_the_same_ledger_and_terms(swift, place):
    (place / "other.csv").write_bytes((place / "l.csv").read_bytes())
    run(place, "a", "2026-06")
    run(place, "z", "2026-06", ledger="other.csv")
    run(place, "y", "2026-06", definition="flow")
    run(place, "x", "2026-06", audience="investor")
    for more, name in (
        ({}, "a"),
        ({"ledger": "other.csv"}, "z"),
        ({"definition": "flow"}, "y"),
    ):
        path = card(place, "q3", "2026-09", **more)
        found = report_before(read_card(path), place / "reports" / "q3")
        assert found.folder.name == name


def test_a_notebook_of_ones_own_without_the_key_is_compared_with_none(place, caplog):
    notebook = nbformat.read(place / "tiny.ipynb", as_version=4)
    source = notebook.cells[1].source.splitlines()[:-1]
    notebook.cells[1].source = "\n".join(source)
    notebook.cells[2].source = "answer = 42"
    nbformat.write(notebook, place / "own.ipynb")
    with caplog.at_level("INFO"):
        made, manifest = run(place, "own", "2026-06", notebook="own")
    assert "earlier report" not in caplog.text
    assert "published" not in manifest
    assert not (made / BOOK).exists()


def test_the_command_warns_where_a_published_figure_moved(swift, place, caplog):
    run(place, "q2", "2026-06")
    rows = [
        row if row[:2] != ("Alder Ltd", "2026-06") else (*row[:2], 6_000, row[3]) for row in ROWS
    ]
    write_ledger(place, rows)
    caplog.clear()
    run(place, "q3", "2026-09")
    warned = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert any("restated: NRR of June 2026 was published as 89.8%" in line for line in warned)
    # what does not change a figure is no warning
    write_ledger(place, [(name.replace("Fir SA", "Fir Inc"), *rest) for name, *rest in ROWS])
    caplog.clear()
    run(place, "q3", "2026-09")
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


def test_git_keeps_what_the_next_report_needs(tmp_path):
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    wanted = {
        "reports/2026Q3/manifest.json",
        f"reports/2026Q3/{BOOK}",
        f"reports/2026Q3/{BEFORE}/{BOOK}",
        "reports/_quarto.yml",
        "reports/_extensions/nrrsim/page.typ",
    }
    unwanted = {
        "reports/2026Q3/report.pdf",
        "reports/2026Q3/report.ipynb",
        "reports/notes.txt",
        "reports/_extensions/nrrsim/fonts/Inter.otf",
    }
    for name in wanted | unwanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=tmp_path, capture_output=True, text=True)
        return done.stdout

    git("init", "-q")
    git("add", "-A")
    assert set(git("ls-files").split()) - {".gitignore"} == wanted


# --- on the page ----------------------------------------------------------------------------------


def test_the_pdf_says_what_was_restated_and_what_changed(place):
    shutil.copy(ROOT / "notebooks" / "quarterly_report.ipynb", place / "report.ipynb")
    more = {"notebook": "report", "trials": 0, "currency": "EUR"}
    run(place, "q2", "2026-06", **more)

    def today(name, month, arr, segment):
        late = (
            [("Cedar Inc", "2026-05", 6_000, "smb")]
            if month == MONTHS[0] and name == "Cedar Inc"
            else []
        )
        if (name, month) == ("Alder Ltd", "2026-06"):
            return [(name, month, 15_000, segment)]
        if (name, month) == ("Douglas AG", "2026-02"):
            return []
        if name == "Birch GmbH":
            return [(name, month, arr, "smb")]
        if name == "Elm KK":
            return []
        return [(name.replace("Fir SA", "Fir Holding"), month, arr, segment), *late]

    write_ledger(place, [row for each in ROWS for row in today(*each)])
    path = card(place, "q3", "2026-09", **more)
    made = run_card(path, out=place / "reports", to=("pdf",), engine="embedded")
    told = squeezed(text_of(made / "report.pdf"))
    for words in (
        "Restated. Q2 2026 now has NRR of",
        "Changes since Q2 2026",
        "Q2 2026 Alder Ltd June 2026 +€3.00K",
        "Amounts changed",
        "Q2 2026 Cedar Inc May 2026 +€6.00K 0.0 pts",
        "Q2 2026 Douglas AG February 2026",
        "one Mid-market customer, €9.00K, no longer in the ledger",
        "Fir Holding",
        "Renamed",
        "Segment changed (Mid-market to SMB)",
        "Total",
    ):
        assert squeezed(words) in told, words
    assert verify(made)


def test_the_pdf_says_of_other_rates(place):
    """One more kind: the published window's rates are others today."""
    shutil.copy(ROOT / "notebooks" / "quarterly_report.ipynb", place / "report.ipynb")
    rows = [(*each, "EUR" if each[0] < "C" else "USD") for each in ROWS]
    frame = pd.DataFrame(rows, columns=["customer", "month", "arr", "segment", "currency"])
    # one euro customer grows, so that the euro's rate weighs in NRR
    grows = (frame["customer"] == "Alder Ltd") & (frame["month"] > "2026-01")
    frame.loc[grows, "arr"] = 30_000
    frame.to_csv(place / "l.csv", index=False)

    def at(rate: float) -> None:
        lines = [f"{month},EUR,{rate}" for month in MONTHS]
        (place / "rates.csv").write_text("\n".join(["month,currency,rate", *lines]))

    more = {"notebook": "report", "trials": 0, "currency": "USD", "rates": "rates.csv"}
    at(1.1)
    run(place, "q2", "2026-06", **more)
    at(1.3)
    made = run_card(
        card(place, "q3", "2026-09", **more), out=place / "reports", to=("pdf",), engine="embedded"
    )
    told = squeezed(text_of(made / "report.pdf"))
    for words in ("Restated. Q2 2026 now has", "2 customers in EUR", "Other exchange rates"):
        assert squeezed(words) in told, words


@pytest.mark.slow  # by day test_since.py says which terms are others, and test_wording.py the sentence
def test_the_pdf_says_which_terms_are_others(place):
    shutil.copy(ROOT / "notebooks" / "quarterly_report.ipynb", place / "report.ipynb")
    more = {"notebook": "report", "trials": 0, "currency": "EUR"}
    run(place, "q2", "2026-06", **more)
    flow = card(place, "q3-flow", "2026-09", **more, definition="flow", previous="reports/q2")
    made = run_card(flow, out=place / "reports", to=("pdf",), engine="embedded")
    told = squeezed(text_of(made / "report.pdf"))
    for words in (
        "Not compared with the report of Q2 2026",
        "definition point to point then, flow now",
    ):
        assert squeezed(words) in told, words
    assert "Restated" not in told
