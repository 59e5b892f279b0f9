"""Run cards, runs, folders and manifests: nothing half done, nothing that cannot be traced."""

import json
import os
import random
import re
import shutil
import signal
from pathlib import Path

import nbformat
import pytest
from conftest import (
    HOSTILE,
    ROOT,
    SHARED,
    page_fill,
    squeezed,
    started,
    text_of,
    unmet_rules,
    until,
)
from english import text_of_page, unlike_a_board

import nrrsim as nr
from nrrsim.report.card import read_card
from nrrsim.report.manifest import verify
from nrrsim.report.pages.markdown import font_folders
from nrrsim.report.run import run_card

CARD = ROOT / "params" / "2026Q3.yaml"
FEW = "trials: 200\n"  # of the forecast, in a report that is not about it


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The example's report, made once."""
    return run_card(
        CARD, out=tmp_path_factory.mktemp("reports"), to=("pdf", "html", "xlsx"), engine="embedded"
    )


@pytest.fixture
def card(tmp_path):
    """Write a card, and a tiny notebook beside it."""

    def _card(text: str, code: str = "answer = 42") -> Path:
        book = nbformat.v4.new_notebook()
        front = (
            "---\ntitle: Tiny\nlang: en\nformat: {nrrsim-typst: {}}\nexecute: {echo: false}\n---"
        )
        parameters = nbformat.v4.new_code_cell(
            'name = "x"  # whose\nsize = 1  # how many (optional)\nplain = None  # (optional)\nlimit = None  # (optional number)\nhead = None  # (optional mapping)\nstages = {}  # (optional mapping)\nfile = None  # an input (optional text) (path)\nscenarios = None  # several (optional) (path)\nrates = None  # (optional text)'
        )
        parameters.metadata["tags"] = ["parameters"]
        book.cells = [nbformat.v4.new_raw_cell(front), parameters, nbformat.v4.new_code_cell(code)]
        nbformat.write(book, tmp_path / "tiny.ipynb")
        (tmp_path / "card.yaml").write_text(text)
        return tmp_path / "card.yaml"

    return _card


# --- cards ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "notebook: tiny.ipynb\nname: a\nsise: 3\n",
            "card.yaml:3: sise: is not a parameter of the notebook; did you mean size?",
        ),
        ("notebook: tiny.ipynb\n", "card.yaml: name: is missing; whose"),
        (
            "notebook: tiny.ipynb\nname: a\nsize: big\n",
            "card.yaml:3: size: must be a number, got 'big'",
        ),
        ("notebook: tiny.ipynb\nname: 3\n", "name: must be text, got 3; put it in double quotes"),
        ("notebook: tiny.ipynb\nname: [a]\n", "name: must be one value, not a list or a mapping"),
        ("notebook: tiny.ipynb\nname:\n", "name: is empty"),
        ("notebook: tiny.ipynb\nname: a\nname: b\n", "card.yaml:3:1: name: stands twice"),
        ("notebook: tiny.ipynb\n\tname: a\n", "card.yaml:2:1: this is not YAML that can be read"),
        ("name: a\n", "a run card names its notebook"),
        ("notebook: quaterly_report\n", "did you mean quarterly_report?"),
        ("- a\n", "this file holds no settings"),
        ("notebook: tiny.ipynb\nname: a\nlimit: high\n", "limit: must be a number, got 'high'"),
        ("notebook: tiny.ipynb\nname: a\nhead: customer\n", "head: must be a mapping"),
        ("notebook: tiny.ipynb\nname: a\nhead: [a, b]\n", "head: must be a mapping"),
        ("notebook: tiny.ipynb\nname: a\nhead: {1: 2}\n", "head: must be a mapping"),
        (
            "notebook: tiny.ipynb\nname: a\nstages: {Proposal: 40}\n",
            "card.yaml:3: stages: Proposal: 40 is not a probability; write 40% or 0.4",
        ),
        ("notebook: tiny.ipynb\nname: a\nstages: 40%\n", "stages: must be a mapping such as"),
    ],
)
def test_wrong_cards(card, text, said):
    with pytest.raises(nr.UsageError) as caught:
        read_card(card(text))
    assert said in str(caught.value)


def test_how_likely_a_stage_is_may_be_a_number_or_a_percentage(card):
    stages = "{Proposal: 0.4, Trial: 40%}"
    said = read_card(card(f"notebook: tiny.ipynb\nname: a\nstages: {stages}\n")).parameters
    assert said["stages"] == {"Proposal": 0.4, "Trial": "40%"}


def test_everything_wrong_with_a_card_is_said_at_once(card):
    with pytest.raises(nr.UsageError) as caught:
        read_card(card("notebook: tiny.ipynb\nsize: big\nother: 1\n"))
    assert len(str(caught.value).splitlines()) == 3


def test_yaml_is_read_as_1_2(card):
    found = read_card(card("notebook: tiny.ipynb\nname: NO\nplain: 12:30\nsize: 1.5\n"))
    assert found.parameters == {"name": "NO", "plain": "12:30", "size": 1.5}


@pytest.mark.parametrize("name", ["quarterly_report", "quarterly_report.ipynb", "own"])
def test_a_notebook_is_looked_for_beside_the_card_then_in_notebooks_then_in_nrrsim(
    card, tmp_path, name
):
    (tmp_path / "params" / "notebooks").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    path = card(f"notebook: {name}\nname: a\n").rename(tmp_path / "params" / "card.yaml")
    tiny = (tmp_path / "tiny.ipynb").read_bytes()
    file = f"{name.removesuffix('.ipynb')}.ipynb"
    for place in ("notebooks", "params/notebooks", "params"):  # the last one first
        (tmp_path / place / file).write_bytes(tiny)
        assert read_card(path).notebook.resolve() == (tmp_path / place / file).resolve()
    (tmp_path / "params" / file).unlink()
    path.write_text(f"notebook: ../notebooks/{file}\nname: a\n")
    assert read_card(path).notebook.resolve() == tmp_path / "notebooks" / file
    path.write_text(f"notebook: ./{file}\nname: a\n")  # a path is one, and is not looked for
    with pytest.raises(nr.UsageError, match=r"there is no notebook \./"):
        read_card(path)


def test_which_notebook_runs_is_said_where_it_is_not_nrrsims(card, tmp_path, monkeypatch, caplog):
    path = card("notebook: tiny\nname: a\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "tiny.ipynb").rename(tmp_path / "notebooks" / "tiny.ipynb")
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        run_card(path, out="reports", to=())
    assert "running notebooks/tiny.ipynb" in caplog.text


def test_the_shipped_cards_are_right():
    for path in (ROOT / "params").glob("*.yaml"):
        assert read_card(path).notebook.exists()


# --- runs that fail -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("1 / 0", nr.NotebookError, "failed in cell 3: ZeroDivisionError"),
        ("import nrrsim as nr; raise nr.UsageError('as_of: wrong')", nr.UsageError, "as_of: wrong"),
        (  # with the card's line, where a key or the file of one is what is wrong
            "import nrrsim as nr; raise nr.UsageError('name: no such column\\nlost.csv: no file')",
            nr.UsageError,
            "card.yaml:2: name: no such column\n{0}card.yaml:3: file: lost.csv: no file",
        ),
        (
            "import nrrsim as nr; raise nr.DataError([nr.Finding('a.csv', 2, 'wrong', 'mend it')])",
            nr.DataError,
            "a.csv:2: wrong",
        ),
    ],
)
def test_a_failing_notebook_leaves_the_previous_report(card, tmp_path, code, error, said):
    out = tmp_path / "reports"
    (out / "card").mkdir(parents=True)
    (out / "card" / "report.pdf").write_text("previous")
    (out / "card" / "manifest.json").write_text("{}")
    written = card("notebook: tiny.ipynb\nname: a\nfile: lost.csv\n", code)
    with pytest.raises(error, match=re.escape(said.format(f"{tmp_path}/"))):
        run_card(written, out=out)
    assert [path.name for path in out.iterdir()] == ["card"]
    assert (out / "card" / "report.pdf").read_text() == "previous"


@pytest.mark.parametrize(
    "there",
    [
        ".2026Q3-*",
        *(
            pytest.param(f".2026Q3-*/report.{form}", marks=pytest.mark.slow)
            for form in ("ipynb", "pdf", "html")
        ),
    ],
)
def test_a_killed_run_leaves_the_previous_report_whole(there, finished, tmp_path):
    """Killed as soon as its folder is there, or, in it, the notebook or a page."""
    out = tmp_path / "reports"
    shutil.copytree(finished, out / "2026Q3")
    with started("report", str(CARD), "--out", str(out), "-q") as process:
        until(lambda: any(out.glob(there)), 60)
        os.killpg(process.pid, signal.SIGKILL)
    assert (out / "2026Q3" / "report.pdf").read_bytes() == (finished / "report.pdf").read_bytes()
    assert verify(out / "2026Q3")
    present = {path.name for path in (out / "2026Q3").iterdir()}
    assert present == {path.name for path in finished.iterdir()}


def test_only_a_report_is_replaced(card, tmp_path):
    (tmp_path / "reports" / "card").mkdir(parents=True)
    (tmp_path / "reports" / "card" / "notes.txt").write_text("precious")
    with pytest.raises(nr.UsageError, match="holds something that is not a report"):
        run_card(card("notebook: tiny.ipynb\nname: a\n"), out=tmp_path / "reports")
    assert (tmp_path / "reports" / "card" / "notes.txt").read_text() == "precious"
    with pytest.raises(nr.UsageError, match="cannot be written"):
        run_card(
            card("notebook: tiny.ipynb\nname: a\n"), out=card("notebook: tiny.ipynb\nname: a\n")
        )


def test_what_killed_runs_left_is_cleared(card, tmp_path):
    left = tmp_path / "reports" / ".card-99999999-abcd_123"
    left.mkdir(parents=True)
    run_card(card("notebook: tiny.ipynb\nname: a\n"), out=tmp_path / "reports")
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["card"]


# --- the report -----------------------------------------------------------------------------------


def test_the_example_report(finished):
    text = text_of(finished / "report.pdf")
    for words in (
        "Net Revenue Retention",
        "Meridian Cloud",
        "107.5%",
        "88.9%",
        "The books close",
        "Q3 2026",
    ):
        assert words in text
    assert not re.search(r"\?@|\[@|nan\b|None|<NA>|#kpi|report-table|:::", text)
    html = (finished / "report.html").read_text()
    assert "107.5%" in html
    assert "<table" in html
    for page in (text, text_of_page(html)):
        assert unlike_a_board(page) == []
        flat = " ".join(page.split())
        for form in (
            "for the twelve months ended 30 September 2026: up 1.4 points on Q2 2026",
            "+1.4 pts vs Q2 2026",
            "The 391 customers of September 2025 had",
            "Churn and contraction cost $7.05M (18.0%)",
            "alone cost 1.5 points",
            "The largest losses were Veskysse Mutual, Ltd. (left by",
            "the largest gain was Heskysse Works (+1.0 pts)",
            "NRR is 107.5%; by other usual definitions it would be 103.0% (without price)",
            "segment’s own history decides, at least 16% (reactivation, Enterprise)",
            "inside the usual 85% to 90%",
            "Enterprise retains best (115.5%), SMB worst",
            "NRR is above GRR by what expansion adds.",
            "chance alone puts NRR anywhere from 102.0% to 113.3% (90%)",
            "(90% range 99.0% to 112.6%)",
            "The 10 largest customers are 21.7% of ARR",
            "Year-to-year swings in adoption matter most: they are 62% of the uncertainty.",
            "contracts look annual (customers leave at the anniversary)",
            "too little to judge",
            "0.37 a year",
        ):
            assert form in flat, form


def test_the_model_as_a_report(tmp_path):
    """Its formulas have their alternative text, or there would be no PDF; the hand's figures are on the page."""
    folder = run_card(ROOT / "params" / "the-model.yaml", out=tmp_path, engine="embedded")
    text, html = text_of(folder / "report.pdf"), (folder / "report.html").read_text()
    for words in ("$11,065.46", "$5,873.66", "$590.17", "The books close in 3 of 3", "107.5%"):
        assert words in text, words
        assert words in html, words
    assert not re.search(r"\?@|\[@|\bnan\b|None|<NA>|report-table|:::", text)
    assert unlike_a_board(text) == unlike_a_board(text_of_page(html)) == []
    assert json.loads((folder / "manifest.json").read_text())["numbers"]["books_close"] is True


def test_no_page_of_it_is_nearly_empty(finished):
    filled = page_fill(finished / "report.pdf")
    assert len(filled) > 1
    assert min(filled[:-1]) >= 1 / 3, filled


def test_it_can_be_read_aloud(finished):
    """By the rules of PDF/UA-1, as another program reads them."""
    assert unmet_rules(finished / "report.pdf") == []


def test_the_manifest_ties_to_the_command(finished):
    told = json.loads((finished / "manifest.json").read_text())
    ledger = nr.read_ledger(ROOT / "nrrsim" / "data" / "meridian.csv")
    found = nr.measure(ledger, "2026-09")
    assert told["numbers"]["nrr"] == pytest.approx(found.nrr)
    assert told["numbers"]["definition"] == "point_to_point"
    assert told["numbers"]["ledger"] == ledger.fingerprint
    assert told["numbers"]["books_close"] is True
    assert set(told["outputs"]) == {
        "report.pdf",
        "report.html",
        "report.ipynb",
        "report.xlsx",
        "published.parquet",
    }
    assert len(told["inputs"]) == 5  # ledger, signals, reasons, actions, pipeline
    assert told["rendered_by"]["engine"] == "embedded"
    # no path of the machine it was made on
    assert '"/' not in (finished / "manifest.json").read_text()


@pytest.mark.slow  # by day test_wheel.py has it, of another place and installation
def test_the_same_inputs_give_the_same_bytes(finished, tmp_path):
    again = run_card(
        CARD, out=tmp_path / "elsewhere", to=("pdf", "html", "xlsx"), engine="embedded"
    )
    for name in ("report.pdf", "report.html", "report.ipynb", "report.xlsx"):
        assert (again / name).read_bytes() == (finished / name).read_bytes(), name


def test_a_report_takes_the_place_of_the_one_before(card, tmp_path):
    path = card("notebook: tiny.ipynb\nname: a\n", "#| output: asis\nprint('Hello.')")
    out = tmp_path / "reports"
    first = run_card(path, out=out)
    (first / "old.txt").write_text("of the previous report")
    again = run_card(path, out=out)
    assert sorted(file.name for file in again.iterdir()) == [
        "manifest.json",
        "report.html",
        "report.ipynb",
        "report.pdf",
    ]
    assert [folder.name for folder in out.iterdir()] == ["card"]


def test_verify_sees_every_flipped_byte(finished, tmp_path):
    assert any("numbers: as the notebook computed them" in line for line in verify(finished))
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    random.seed(20260930)
    for path in sorted(copy.iterdir()):
        whole = path.read_bytes()
        for _ in range(12):
            place = random.randrange(len(whole))
            flipped = bytearray(whole)
            flipped[place] ^= 1 << random.randrange(8)
            path.write_bytes(flipped)
            with pytest.raises(nr.VerifyError):
                verify(copy)
        path.write_bytes(whole)
    verify(copy)


def test_verify_sees_missing_added_and_changed_inputs(card, tmp_path):
    (tmp_path / "input.csv").write_text("one")
    path = card("notebook: tiny.ipynb\nname: a\nfile: input.csv\n")
    folder = run_card(path, out=tmp_path / "reports")
    assert any("input.csv: intact" in line for line in verify(folder))
    (tmp_path / "input.csv").write_text("two")
    with pytest.raises(nr.VerifyError, match=r"input\.csv: was changed"):
        verify(folder)
    (tmp_path / "input.csv").unlink()
    assert any("input.csv: not here, not compared" in line for line in verify(folder))
    (folder / "extra.txt").write_text("")
    with pytest.raises(nr.VerifyError, match="is not part of the report"):
        verify(folder)
    (folder / "extra.txt").unlink()
    (folder / "report.pdf").unlink()
    with pytest.raises(nr.VerifyError, match="is missing"):
        verify(folder)


def inputs_of(folder: Path) -> set[str]:
    return {
        Path(name).name for name in json.loads((folder / "manifest.json").read_text())["inputs"]
    }


def test_only_a_parameter_that_says_path_names_files(card, tmp_path):
    for name in ("one.csv", "q1.csv", "q2.csv", "eur.csv", "secret.csv", "un[1].csv"):
        (tmp_path / name).write_text(name)
    said = 'notebook: tiny.ipynb\nname: "*.csv"\nplain: secret.csv\nhead: {a: secret.csv}\n'
    told = "file: one.csv\nscenarios: ['q*.csv', 'un[1].csv', absent.csv, '']\nrates: eur.csv\n"
    assert inputs_of(run_card(card(said), out=tmp_path / "reports", to=())) == set()
    found = inputs_of(run_card(card(said + told), out=tmp_path / "reports", to=()))
    assert found == {"one.csv", "q1.csv", "q2.csv", "un[1].csv", "eur.csv"}


FILES = {"ledger", "plan", "prior", "rates", "wording", "scenarios", "scenario"}
FILES |= {"reports", "companies", "signals", "signals_card", "reasons", "actions", "pipeline"}
FILES |= {"reference_doc", "peers"}  # companies that are known, or files; any other text is refused
LOOKING = (
    "../../**/*.py",
    "/etc/passwd",
    "**/*",
    "card.yaml",
    "~/.ssh/*",
    "file:///etc/hosts",
    ".",
)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda at: at.stem
)
def test_no_other_text_of_a_card_is_looked_for(path, tmp_path, monkeypatch):
    """Whatever text every other parameter of a shipped notebook is: it is not looked for on disk."""
    cells = json.loads(path.read_text())["cells"]
    source = next(
        cell["source"] for cell in cells if "parameters" in cell["metadata"].get("tags", [])
    )
    names = [line.split(" = ")[0] for line in source]
    kept = [f"{name}: x" for name in ("ledger", "scenario") if name in names]
    kept += ["scenarios: [x]"] if "scenarios" in names else []
    looked = []
    for number, text in enumerate(LOOKING):
        given = []
        for name in sorted(set(names) - FILES):
            line = f"{name}: {json.dumps(text)}"
            (tmp_path / "card.yaml").write_text("\n".join([f"notebook: {path.stem}", *kept, line]))
            try:
                read_card(tmp_path / "card.yaml")
            except nr.UsageError as error:
                if f" {name}: must" in str(error):
                    continue  # it takes no text
            given.append(line)
        assert len(given) >= (0 if path.stem == "what_if" else 4), given
        needed = [
            f"{name}: x"
            for name in ("company", "as_of")
            if name in names and not any(line.startswith(name) for line in given)
        ]
        (tmp_path / "card.yaml").write_text(
            "\n".join([f"notebook: {path.stem}", *kept, *needed, *given])
        )
        found = read_card(tmp_path / "card.yaml")
        assert text not in found.named
        assert set(found.named) <= {"x", "wording"}
        looked.append(number)
    assert len(looked) == len(LOOKING)


@pytest.mark.slow
def test_a_company_that_is_called_like_a_pattern(tmp_path, run):
    """The report is made, says the name as it is written, and holds hashes of card, notebook and ledger alone."""
    (tmp_path / "beside.py").write_text("secret = 1")
    (tmp_path / "card.yaml").write_text(
        'notebook: quarterly_report\ncompany: "**/*.py"\nledger: ledger.csv\nas_of: "2026-01"\ntarget: 1.0\ntrials: 0\n'
    )
    words = ("report", tmp_path / "card.yaml", "--to", "html", "--out", tmp_path / "out", "-q")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "ledger.csv: there is no such file" in err
    assert not list(tmp_path.glob("out/*"))
    rows = [
        f"A,{year}-{month:02d},{100 + month}" for year in (2024, 2025) for month in range(1, 13)
    ]
    (tmp_path / "ledger.csv").write_text("\n".join(["customer,month,mrr", *rows, "A,2026-01,120"]))
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert inputs_of(tmp_path / "out" / "card") == {"ledger.csv"}
    assert "**/*.py" in (tmp_path / "out" / "card" / "report.html").read_text()
    assert "beside" not in (tmp_path / "out" / "card" / "manifest.json").read_text()


def test_a_notebook_that_marks_no_path_says_so(card, tmp_path, caplog):
    caplog.set_level("INFO", "nrrsim")
    path = card("notebook: tiny.ipynb\nname: a\n")
    book = tmp_path / "tiny.ipynb"
    run_card(path, out=tmp_path / "reports", to=())
    assert not [each for each in caplog.messages if "(path)" in each]
    # `rates` always names a file, and says nothing of the others
    book.write_text(book.read_text().replace("(path)", ""))
    (tmp_path / "input.csv").write_text("one")
    path.write_text("notebook: tiny.ipynb\nname: input.csv\nfile: input.csv\n")
    folder = run_card(path, out=tmp_path / "reports", to=())
    assert inputs_of(folder) == set()
    assert [each for each in caplog.messages if "no parameter of tiny says (path)" in each]


def test_fonts_come_to_where_quarto_may_be_called_by_hand(card, tmp_path):
    fonts = tmp_path / "reports" / "_extensions" / "nrrsim" / "fonts"
    fonts.parent.mkdir(parents=True)
    run_card(card("notebook: tiny.ipynb\nname: a\n"), out=tmp_path / "reports", to=())
    assert {file.name for file in fonts.iterdir()} == {file.name for file in font_folders()}


def test_hostile_names_are_text(tmp_path):
    months = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)]
    rows = ["customer,month,mrr,segment"]
    for number, name in enumerate(HOSTILE):
        quoted = '"' + name.replace('"', '""') + '"'
        for place, month in enumerate(months):
            rows.append(
                f"{quoted},{month},{100 * (number + 1) + (number % 2 * 2 - 1) * place},{quoted}"
            )
    (tmp_path / "ledger.csv").write_text("\n".join(rows))
    quoted = json.dumps(HOSTILE[3] + HOSTILE[4])
    (tmp_path / "card.yaml").write_text(
        f"notebook: quarterly_report\ncompany: {quoted}\ntitle: {json.dumps(HOSTILE[2])}\nledger: ledger.csv\nas_of: 2025-12\n{FEW}"
    )
    folder = run_card(tmp_path / "card.yaml", out=tmp_path / "out", to=("pdf", "html", "xlsx"))
    text, html = squeezed(text_of(folder / "report.pdf")), (folder / "report.html").read_text()
    for name in HOSTILE:
        assert squeezed(name) in text, name
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "root:" not in text + html
    assert "{{&lt; env HOME &gt;}}" in html
    import zipfile

    sheets = zipfile.ZipFile(folder / "report.xlsx")
    assert not any(
        b"calc" in sheets.read(name) and b"<f>" in sheets.read(name)
        for name in sheets.namelist()
        if "strings" in name
    )


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "as_of", "currency", "nrr"),
    [
        ("sf_retainers.csv", "2016-12", "USD", "66.5%"),
        pytest.param("finland_journals.csv", "2015-12", "EUR", "104.9%", marks=pytest.mark.slow),
    ],
)
def test_real_ledgers_give_reports(tmp_path, name, as_of, currency, nrr):
    (tmp_path / "card.yaml").write_text(
        f"notebook: quarterly_report\ncompany: Real\nledger: {SHARED / name}\nas_of: {as_of}\ncurrency: {currency}\n{FEW}"
    )
    folder = run_card(tmp_path / "card.yaml", out=tmp_path / "out", to=("pdf",))
    text = text_of(folder / "report.pdf")
    assert nrr in text
    assert "The books close" in text
    assert ("quarters" in text) == (name == "sf_retainers.csv")
    assert not re.search(r"\bnan\b|None", text)


def test_the_workbook_ties(finished):
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(finished / "report.xlsx")
    told = json.loads((finished / "manifest.json").read_text())["numbers"]
    checks = book.get_sheet_by_name("Checks").to_python()
    assert re.fullmatch(r"All \d+ figures tie to the report", checks[1][0])
    found = {row[0]: row[1] for row in checks}
    for name, value in (
        ("NRR", told["nrr"]),
        ("Opening ARR, cohort", told["opening"]),
        ("Price, cohort", told["movements"]["price"]),
        ("Churn, cohort", -told["movements"]["churn"]),
        ("Closing ARR, whole company", told["company_closing"]),
    ):
        assert found[name] == pytest.approx(value, abs=0.005), name
    # a sheet a section, between what is looked at first and what it stands on
    names = book.sheet_names
    assert (names[0], names[-3:]) == ("Summary", ["Customers", "Roll-forward", "Checks"])
    assert len(names) > 10
    nbook = nbformat.read(finished / "report.ipynb", as_version=4)
    captions = {
        row[0]
        for name in names[1:-3]
        for row in book.get_sheet_by_name(name).to_python()
        if isinstance(row[0], str)
    }
    drawn = re.findall(r'#\| (?:fig|tbl)-cap: "(.*)"', "\n".join(c.source for c in nbook.cells))
    assert len(drawn) > 15
    assert set(drawn) <= captions
