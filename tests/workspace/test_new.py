"""A folder of one's own: all of it or nothing, what it says is so, and what it says runs."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, text_of

import nrrsim as nr
from nrrsim.files import added_to, shared
from nrrsim.ledger.reading import OPTIONS, Reading
from nrrsim.months import Calendar, parse_month
from nrrsim.report.card import EACH, PART, READING, described, read_card
from nrrsim.workspace.cards import card_name, written
from nrrsim.workspace.new import readable
from nrrsim.yamlfile import read_yaml

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
KEY = re.compile(r"^(?:# )?(\w+):", re.MULTILINE)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with the example's ledger."""
    shutil.copy(MERIDIAN, tmp_path / "billing.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ledger_of(months: int, write, first: int = 2024 * 12, step: int = 1, **more: str) -> Path:
    """A small ledger of two customers a segment; the first one goes down, none leaves."""
    names = [f"{month // 12}-{month % 12 + 1:02d}" for month in range(first, first + months, step)]
    heads = ",".join(["customer,month,mrr,segment", *more])
    rows = [
        ",".join([f"{who}{n}", name, str(100 + 10 * n - (n == 0) * place % 7), who, *more.values()])
        for place, name in enumerate(names)
        for who in ("smb", "big")
        for n in range(2)
    ]
    return write("\n".join([heads, *rows]) + "\n")


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def values(path: Path) -> dict:
    return read_yaml(path, "file").values


# --- the whole way --------------------------------------------------------------------------------


@pytest.mark.slow
def test_from_a_ledger_to_a_report_and_to_the_next_quarter(here, run, monkeypatch):
    code, out, err = run("new", "acme", "--ledger", "billing.csv", "--target", "1.1")
    assert code == 0, err
    assert "next: nrrsim report acme/params/2026Q3.yaml" in err
    monkeypatch.chdir("/")
    card = here / "acme" / "params" / "2026Q3.yaml"
    code, out, err = run("report", card, "--engine", "embedded", "--to", "pdf")
    assert code == 0, err
    assert out == f"{here}/acme/reports/2026Q3/report.pdf\n"
    said = text_of(here / "acme" / "reports" / "2026Q3" / "report.pdf")
    assert "Acme" in said
    assert f"{100 * nr.nrr(nr.read_ledger(MERIDIAN).cohort(as_of='2026-09')):.1f}%" in said
    assert run("verify", here / "acme" / "reports" / "2026Q3")[0] == 0

    code, out, err = run("next", here / "acme")
    assert (code, out) == (0, f"{here}/acme/params/2026Q4.yaml\n")
    code, _, err = run("report", out.strip())
    assert code == 2
    assert "as_of: 2026-12 is not in the ledger" in err


@pytest.mark.slow
def test_the_plan_is_compared_with_the_past(here, run):
    assert run("new", "acme", "--ledger", "billing.csv")[0] == 0
    code, out, err = run(
        "report", "acme/params/past-vs-plan.yaml", "--engine", "embedded", "--to", "pdf"
    )
    assert code == 0, err
    assert "The plan of Acme" in text_of(Path(out.strip()))


def test_what_lies_in_it(here, run):
    assert run("new", "acme", "--ledger", "billing.csv", "--notebooks")[0] == 0
    home = here / "acme"
    assert files_in(home) == {
        ".gitignore",
        "README.md",
        "ledger/.gitkeep",
        "notebooks/quarterly_report.ipynb",
        "notebooks/scenario_comparison.ipynb",
        "params/2026Q3.yaml",
        "params/board-deck.yaml",
        "params/past-vs-plan.yaml",
        "params/scenarios/learnt.yaml",
        "params/scenarios/plan.yaml",
        "reports/.gitkeep",
    }
    card = read_card(home / "params" / "2026Q3.yaml")
    assert card.notebook.resolve() == home / "notebooks" / "quarterly_report.ipynb"
    assert card.parameters == {
        "company": "Acme",
        "ledger": "../../billing.csv",
        "as_of": "2026-09",
        "window": 12,
        "definition": "point_to_point",
        "grace_months": 0,
        READING: {"fiscal_year_end": 12},
    }
    past, plan = (nr.read_scenario(home / f"params/scenarios/{n}.yaml") for n in ("learnt", "plan"))
    assert nr.nrr(nr.expect(past)) == nr.nrr(nr.expect(plan))
    assert past.title != plan.title


@pytest.mark.parametrize("name", ["quarterly_report", "scenario_comparison"])
def test_every_key_of_the_notebook_stands_in_its_card_once(here, run, name):
    run("new", "acme", "--ledger", "billing.csv")
    path = here / "acme" / "params" / {"quarterly_report": "2026Q3"}.get(name, "past-vs-plan")
    text = path.with_suffix(".yaml").read_text()
    known = described(shared("notebooks") / f"{name}.ipynb")
    keys = {*known} - {READING} | {"notebook"} | ({*OPTIONS} if READING in known else set())
    keys |= {EACH} if PART in known else set()
    found = KEY.findall(text)
    assert sorted(found) == sorted(keys)
    for key, (_, help) in known.items():
        assert key == READING or help.partition(" (")[0] in " ".join(text.replace("#", "").split())


def test_what_is_commented_out_is_right_when_it_is_taken_in(here, run):
    """But for those that show what there is to choose: they are refused with the choices."""
    run("new", "acme", "--ledger", "billing.csv")
    path = here / "acme" / "params" / "2026Q3.yaml"
    for line in re.findall(r"^# (\w+: *[^#\n]*?)(?:  #.*)?$", path.read_text(), re.MULTILINE):
        key, value = line.split(":", 1)
        text = f"notebook: quarterly_report\ncompany: a\nledger: l\nas_of: '2026-09'\n{line}\n"
        (here / "one.yaml").write_text(text)
        if (
            " | " in value or "yes|no" in value or key == "wording"
        ):  # there is no such folder as yet
            with pytest.raises(nr.UsageError, match=f"{key}: "):
                read_card(here / "one.yaml")
        else:
            read_card(here / "one.yaml")


def test_the_plan_may_take_in_its_example(here, run):
    run("new", "acme", "--ledger", "billing.csv")
    path = here / "acme" / "params" / "scenarios" / "plan.yaml"
    text = path.read_text()
    before, _, example = text.partition("and it is moved.\n")
    path.write_text(before + "\n" + re.sub("^# ", "", example, flags=re.MULTILINE))
    past = nr.read_scenario(path.with_name("learnt.yaml"))
    assert nr.nrr(nr.expect(nr.read_scenario(path))) > nr.nrr(nr.expect(past))
    # and what is known of a customer
    known = f"book: {{decided: {{{json.dumps(past.opening.names[0])}: leaves}}}}"
    path.write_text(re.sub("^# book: .*", lambda _: known, text, flags=re.MULTILINE))
    assert nr.logo(nr.expect(nr.read_scenario(path))) < nr.logo(nr.expect(past))


def test_the_plan_may_be_a_workbook(here, run):
    code, out, err = run(
        "new", "acme", "--ledger", "billing.csv", "--plan", "xlsx", "--target", "1.1"
    )
    assert code == 0, err
    assert "your plan, a workbook that computes" in out
    scenarios = here / "acme" / "params" / "scenarios"
    assert files_in(scenarios) == {"learnt.yaml", "plan.xlsx"}
    plan, past = (nr.read_scenario(scenarios / name) for name in ("plan.xlsx", "learnt.yaml"))
    assert (plan.title, plan.target) == ("The plan of Acme", 1.1)
    assert plan.drivers == past.drivers
    assert nr.nrr(nr.expect(plan)) == nr.nrr(nr.expect(past))
    card = read_card(here / "acme" / "params" / "past-vs-plan.yaml")
    assert card.parameters["scenarios"] == ["scenarios/learnt.yaml", "scenarios/plan.xlsx"]
    page = (here / "acme" / "README.md").read_text()
    assert "nrrsim simulate params/scenarios/plan.xlsx" in page
    assert "scenarios/plan.yaml" not in page
    code, _, err = run("new", "two", "--ledger", "billing.csv", "--plan", "ods")
    assert (code, err) == (2, "--plan: must be yaml or xlsx, got ods\n")


# --- what a machine can know ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "months", "step", "words", "name", "as_of", "window"),
    [
        (2024 * 12, 30, 1, [], "2026Q2", "2026-06", 12),
        (2024 * 12, 29, 1, [], "2026Q1", "2026-03", 12),
        (2024 * 12, 29, 1, ["--fiscal-year-end", "01"], "FY2027Q1", "2026-04", 12),
        (2024 * 12, 6, 1, [], "2024Q2", "2024-06", 5),
        (2024 * 12, 2, 1, [], "2024-02", "2024-02", 1),
        (2024 * 12 + 2, 28, 3, [], "2026Q2", "2026-06", 12),
        (2024 * 12 + 4, 25, 12, [], "2026-05", "2026-05", 12),
    ],
)
def test_the_last_month_that_ends_a_quarter(
    here, run, write, first, months, step, words, name, as_of, window
):
    ledger = ledger_of(months, write, first, step)
    code, _, err = run("new", "acme", "--ledger", ledger, *words)
    assert code == 0, err
    card = read_card(here / "acme" / "params" / f"{name}.yaml").parameters
    assert (card["as_of"], card["window"]) == (as_of, window)
    assert nr.actuals(str(ledger), as_of, window).now.nrr > 0
    learns = (here / "acme" / "params" / "scenarios").exists()
    assert learns == (months > 12)
    assert ("note: no plan is written, and no card that compares it: the ledger spans" in err) == (
        not learns
    )


def test_one_month_is_refused_and_leaves_nothing(here, run, write):
    code, _, err = run("new", "acme", "--ledger", ledger_of(1, write))
    assert code == 2
    assert "the ledger has one month, 2024-01, and retention compares two" in err
    assert not (here / "acme").exists()


@pytest.mark.parametrize(
    ("year_end", "month", "name"),
    [(12, "2026-09", "2026Q3"), (1, "2026-10", "FY2027Q3"), (6, "2026-06", "FY2026Q4")],
)
def test_a_card_has_the_name_that_the_schedule_looks_for(year_end, month, name):
    """As .github/workflows/quarterly-report.yml works it out, of the month that has ended."""
    calendar, number = Calendar.of(year_end), parse_month(month, "month")
    at = int(month[:4]) * 12 + int(month[5:]) - 1 + 12 - year_end
    year = f"{'' if year_end == 12 else 'FY'}{at // 12}"
    assert card_name(number, calendar) == f"{year}Q{at % 12 // 3 + 1}" == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("acme-holdings", "Acme Holdings"),
        ("BMW_group", "BMW group"),
        ("acme.io", "Acme Io"),
        ("müller gmbh", "Müller Gmbh"),
        ("__", "__"),
    ],
)
def test_a_folders_name_made_readable(name, said):
    assert readable(name) == said


def test_the_currency_is_the_ledgers_or_is_told(here, run, write):
    told = "the ledger does not say its currency: amounts are printed without a sign"
    assert told in run("new", "one", "--ledger", "billing.csv")[2]
    euros = ledger_of(30, write, currency="EUR")
    assert told not in run("new", "two", "--ledger", euros)[2]
    assert told not in run("new", "three", "--ledger", "billing.csv", "--currency", "GBP")[2]
    for name, code in (("one", ""), ("two", "EUR"), ("three", "GBP")):
        params = here / name / "params"
        (card,) = params.glob("20*.yaml")
        assert read_card(card).parameters.get("currency", "") == code
        assert nr.read_scenario(params / "scenarios" / "plan.yaml").opening.currency == code


def test_a_late_renewal_changes_no_book_that_a_plan_begins_with(here, run, write):
    rows = ["customer,month,mrr,segment"]
    for n, gap in itertools.product(range(8), (2, 4)):
        there = [month for month in range(30) if not gap <= month % (9 + n) < gap + 1 + n % 3]
        rows += [f"c{n}-{gap},{2024 + m // 12}-{m % 12 + 1:02d},{10 + n},s" for m in there]
    run("new", "acme", "--ledger", write("\n".join(rows)), "--grace-months", "2")
    params = here / "acme" / "params"
    plan = nr.read_scenario(params / "scenarios" / "plan.yaml")
    as_of = read_card(params / "2026Q2.yaml").parameters["as_of"]
    late = nr.read_ledger(here / "ledger.csv", grace_months=2)
    assert plan.opening.total == pytest.approx(late.customers(as_of)["arr"].sum())
    assert nr.read_ledger(here / "ledger.csv").book("2024-01", "2026-06") != late


# --- what was said --------------------------------------------------------------------------------

SAID = [
    {"columns": {"customer": "customer", "mrr": "mrr"}},
    {"unit": "mrr"},
    {"minor_units": "yes"},
    {"minor_units": "no"},
    {"amount_is": "month"},
    {"amount_is": "a=month,b=year"},
    {"count": ["unpaid=no", "trialing"]},
    {"where": {"Metric": "MRR: net, of tax"}},
    {"decimal": ","},
    {"end": "none"},
    {"scale": 1000},
    {"transpose": True},
    {"timezone": "Europe/Berlin"},
    {"sheet": "Q3 'final' #2"},
    {"late_renewal": "runs-on"},
]


@pytest.mark.parametrize("said", SAID, ids=str)
def test_what_was_said_is_what_the_card_and_the_plan_say(here, said):
    """The file is read as it is here: what an option does is not what this is about."""
    from nrrsim.workspace.new import new_workspace

    how = Reading.of(said)
    ledger = nr.read_ledger("billing.csv")
    object.__setattr__(ledger, "reading", how)
    made = new_workspace("acme", ["billing.csv"], ledger)
    given = read_card(made.card).parameters[READING]
    assert Reading.of(given).said == {**how.said, "fiscal_year_end": 12}
    plan = values(here / "acme" / "params" / "scenarios" / "learnt.yaml")["book"]
    book = {key: plan[key] for key in plan if key in OPTIONS}
    assert Reading.of(book) == how


@pytest.mark.parametrize(
    "text", ["yes", "null", "a: b", "- a", "2026-09", "é 日本", "a # b", "", " a", "1e3"]
)
def test_text_is_written_as_text(tmp_path, text):
    (tmp_path / "a.yaml").write_text(f"key: {written({'x': [text, 1.5, True, None]})}\n")
    assert values(tmp_path / "a.yaml") == {"key": {"x": [text, 1.5, True, None]}}


def test_rates_and_a_database_have_a_card_and_no_plan(here, run, write, monkeypatch):
    import sqlite3

    ledger = ledger_of(30, write, currency="EUR")
    rates = here / "rates.csv"
    months = [f"{2024 + m // 12}-{m % 12 + 1:02d}" for m in range(30)]
    rates.write_text("month,currency,rate\n" + "".join(f"{m},EUR,1.1\n" for m in months))
    words = ["--rates", "rates.csv", "--currency", "USD"]
    code, _, err = run("new", "acme", "--ledger", ledger, *words)
    assert code == 0, err
    assert "no plan is written, and no card that compares it: a scenario's book is one file" in err
    card = read_card(here / "acme" / "params" / "2026Q2.yaml")
    assert card.parameters["rates"] == "../../rates.csv"
    assert not (here / "acme" / "params" / "past-vs-plan.yaml").exists()
    assert "past-vs-plan" not in (here / "acme" / "README.md").read_text()

    with sqlite3.connect(here / "l.db") as database:
        nr.read_ledger(ledger).entries.frame.assign(
            month=lambda frame: [f"{m // 12}-{m % 12 + 1:02d}" for m in frame["month"]]
        )[["customer", "month", "arr", "segment"]].astype({"segment": str, "customer": str}).to_sql(
            "l", database, index=False
        )
    database.close()
    monkeypatch.setenv("LEDGER_URL", f"sqlite:///{here / 'l.db'}")
    words = ["--ledger", "env:LEDGER_URL", "--query", "select * from l"]
    code, _, err = run("new", "base", *words)
    assert code == 0, err
    card = read_card(here / "base" / "params" / "2026Q2.yaml").parameters
    assert (card["ledger"], card[READING]["query"]) == ("env:LEDGER_URL", "select * from l")


# --- where the ledger lies ------------------------------------------------------------------------


def split(here: Path, *names: str) -> None:
    """The example's ledger as several files."""
    head, *rows = (here / "billing.csv").read_text().splitlines()
    for place, name in enumerate(names):
        path = here / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([head, *rows[place :: len(names)]]) + "\n")


@pytest.mark.parametrize(
    ("names", "more", "named"),
    [
        (["in/a.csv", "in/b.csv"], [], "../../in/*.csv"),
        (["in/q1.csv", "in/q2.csv", "in/q10.csv"], ["in/rates.csv"], "../../in/q*.csv"),
        (["in/2026-smb.csv", "in/2025-smb.csv"], ["in/2025-big.csv"], "../../in/202*-smb.csv"),
        (["in/a[1].csv", "in/a[2].csv"], ["in/b.csv"], "../../in/a[[]*].csv"),
    ],
)
def test_several_files_are_named_by_a_pattern_that_means_them_alone(here, run, names, more, named):
    split(here, *names)
    for name in more:
        (here / name).write_text("no ledger\n")
    code, _, err = run("new", "acme", "--ledger", *names)  # as a shell spells a pattern out
    assert code == 0, err
    card = here / "acme" / "params" / "2026Q3.yaml"
    assert read_card(card).parameters["ledger"] == named
    whole = nr.read_ledger("billing.csv").cohort("2026-09")
    assert nr.nrr(nr.read_ledger(str(card.parent / named)).cohort("2026-09")) == nr.nrr(whole)
    plan = nr.read_scenario(card.parent / "scenarios" / "plan.yaml")
    assert plan.opening.total == pytest.approx(
        float(nr.read_ledger("billing.csv").customers("2026-09")["arr"].sum())
    )


def test_files_that_no_pattern_means_are_named_one_by_one(here, run):
    split(here, "in/a.csv", "in/b.csv")
    (here / "in" / "c.csv").write_text("no ledger\n")
    code, _, err = run("new", "acme", "--ledger", "in/a.csv", "--ledger", "in/b.csv")
    assert code == 0, err
    assert "no plan is written, and no card that compares it: a scenario's book is one file" in err
    card = read_card(here / "acme" / "params" / "2026Q3.yaml")
    assert card.parameters["ledger"] == ["../../in/a.csv", "../../in/b.csv"]
    assert nr.read_ledger(*card.sources).months == nr.read_ledger("billing.csv").months
    assert run("next", "acme")[0] == 0


def test_a_copy_is_named_instead(here, run):
    split(here, "in/a.csv", "in/b.csv")
    run("new", "one", "--ledger", "billing.csv", "--copy")
    assert (
        read_card(here / "one/params/2026Q3.yaml").parameters["ledger"] == "../ledger/billing.csv"
    )
    assert (here / "one/ledger/billing.csv").read_bytes() == MERIDIAN.read_bytes()
    run("new", "two", "--ledger", "in/a.csv", "in/b.csv", "--copy")
    assert nr.read_scenario(here / "two/params/scenarios/plan.yaml").opening.total > 0
    assert read_card(here / "two/params/2026Q3.yaml").parameters["ledger"] == "../ledger/*.csv"


def test_git_leaves_ledgers_out(here, run):
    (here / "acme").mkdir()
    shutil.copy("billing.csv", "acme/our ledger.csv")
    subprocess.run(["git", "init", "-q", "acme"], check=True)
    assert run("new", "acme", "--ledger", "acme/our ledger.csv")[0] == 0
    (here / "acme" / "ledger" / "other.xlsx").write_text("x")
    status = ["git", "-C", "acme", "status", "--porcelain", "-uall"]
    seen = subprocess.run(status, check=True, capture_output=True, text=True).stdout
    assert "csv" not in seen
    assert "xlsx" not in seen
    assert "params/2026Q3.yaml" in seen
    assert "ledger/.gitkeep" in seen


# --- all of it or nothing -------------------------------------------------------------------------


def test_a_folder_that_holds_anything_is_refused_and_left_as_it_is(here, run):
    (here / "acme").mkdir()
    for number in range(7):
        (here / "acme" / f"note{number}.txt").write_text("mine")
    code, out, err = run("new", "acme", "--ledger", "billing.csv")
    assert (code, out) == (2, "")
    assert "holds note0.txt, note1.txt, note2.txt, note3.txt, note4.txt and 2 more" in err
    assert len(files_in(here / "acme")) == 7
    (here / "file").write_text("mine")
    assert "is a file" in run("new", "file", "--ledger", "billing.csv")[2]


def test_a_folder_is_refused_before_its_ledger_is_read(here, run, monkeypatch):
    monkeypatch.setattr("nrrsim.ledger.ledger.read_ledger", lambda *a, **k: 1 / 0)
    (here / "acme").mkdir()
    (here / "acme" / "note.txt").write_text("mine")
    assert run("new", "acme", "--ledger", "billing.csv")[0] == 2


@pytest.mark.parametrize("place", ["acme", "."])
def test_an_empty_folder_or_one_with_the_ledger_is_fine(tmp_path, run, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / place).mkdir(exist_ok=True)
    ledger = tmp_path / place / "billing.csv"
    shutil.copy(MERIDIAN, ledger)
    before = (tmp_path / place).stat().st_ino, ledger.stat().st_ino
    (tmp_path / place / "~$billing.xlsx").write_text("open in Excel")
    code, _, err = run("new", place, "--ledger", ledger)
    assert code == 0, err
    assert before == ((tmp_path / place).stat().st_ino, ledger.stat().st_ino)
    assert not [path for path in (tmp_path / place).iterdir() if path.name.startswith(".new")]


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
@pytest.mark.parametrize("at", ["plan", "readme", "read_card"])
def test_whatever_fails_leaves_nothing(here, run, monkeypatch, there, at):
    def full(*a, **k):
        raise OSError(28, "No space left on device")

    if there:
        (here / "acme").mkdir()
    monkeypatch.setattr(f"nrrsim.workspace.new.{at}", full)
    code, _, _ = run("new", "acme", "--ledger", "billing.csv")
    assert code == 1
    assert {path.name for path in here.iterdir()} == {"billing.csv", *(["acme"] if there else [])}
    assert not there or not list((here / "acme").iterdir())


def test_a_folder_that_is_filled_halfway_is_emptied_again(tmp_path, monkeypatch):
    import os

    (tmp_path / "b").write_text("before")
    (tmp_path / "mine").mkdir()
    real, moved = os.replace, []

    def stops(source, final):
        moved.append(final)
        if len(moved) == 3:
            raise OSError(28, "No space left on device")
        real(source, final)

    monkeypatch.setattr("nrrsim.files.os.replace", stops)

    def fill():
        with added_to(tmp_path) as work:
            (work / "new" / "deep").mkdir(parents=True)
            for name in ("b", "new/deep/a", "z"):
                (work / name).write_text("after")

    with pytest.raises(nr.NrrsimError, match="the disk is full"):
        fill()
    assert files_in(tmp_path) == {"b"}
    assert (tmp_path / "b").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["mine"]


def test_options_of_a_ledger_want_one(here, run):
    for words in (["--unit", "arr"], ["--company", "A"], ["--notebooks"], ["--copy"], ["x.csv"]):
        code, _, err = run("new", "acme", *words)
        assert code == 2
        assert "--ledger: say which ledger this is for" in err
    assert not (here / "acme").exists()


def test_the_readme_names_what_is_there(here, run, monkeypatch):
    run("new", "acme", "--ledger", "billing.csv")
    page = (here / "acme" / "README.md").read_text()
    assert max(map(len, page.splitlines())) <= 100
    assert len(page.splitlines()) <= 60
    for path in re.findall(r"`((?:params|reports|ledger|\.\.)/[^`]*)`", page):
        assert (here / "acme" / path).exists(), path
    monkeypatch.chdir(here / "acme")
    lines = re.findall(r"^nrrsim (.*?)(?:  #.*)?$", page, re.MULTILINE)
    assert len(lines) == 7
    for line in lines:
        if not line.startswith("report"):
            code, _, err = run(*line.split(), *(["--trials", "20"] if "simulate" in line else []))
            assert code == 0, err


def test_where_a_report_goes(here, run, monkeypatch):
    made = []

    def run_card(card, **how):
        from nrrsim.report.card import Card
        from nrrsim.report.run import folder_of_reports

        read = Card(Path(card), Path("x.ipynb"), {}, {})
        made.append(folder_of_reports(read) if how["out"] is None else how["out"])
        return Path("r")

    monkeypatch.setattr("nrrsim.report.run.run_card", run_card)
    (here / "acme" / "params").mkdir(parents=True)
    (here / "acme" / "reports").mkdir()
    (here / "plain").mkdir()
    for card in ("acme/params/a.yaml", "plain/a.yaml", here / "acme" / "params" / "a.yaml"):
        run("report", card)
    monkeypatch.chdir("acme/params")
    run("report", "a.yaml")
    run("report", "a.yaml", "--out", "there")
    assert list(map(str, made)) == [
        "acme/reports",
        "reports",
        str(here / "acme" / "reports"),
        "../reports",
        "there",
    ]
