"""The workbook: what stands in it, and formulas that a spreadsheet program recomputes to the same."""

import importlib.util
import json
import re
import shutil
import subprocess
import zipfile
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import HOSTILE, SHARED
from python_calamine import CalamineWorkbook

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.metrics import DEFINITIONS
from nrrsim.movements import MOVEMENTS
from nrrsim.report import charts, tables, workbook
from nrrsim.report.run import run_card
from nrrsim.report.workbook import checks as checks_sheet
from nrrsim.report.workbook import rows, sections
from nrrsim.report.workbook.customersheet import Amounts
from nrrsim.report.workbook.styles import number_code

AS_OF = "2025-09"
MONTHS = [str(month) for month in pd.period_range("2024-06", AS_OF, freq="M")]
CELL = re.compile(r'<c r="([A-Z]+)(\d+)"([^>]*?)(?:/>|>(.*?)</c>)', re.DOTALL)
LIVE = [name for name in DEFINITIONS if name != "trailing_average"]


def ledger_of(customers: int, seed: int = 7, currency: str = "EUR", **columns) -> pd.DataFrame:
    """Customers that grow, shrink, leave, come back and are new; a row a month, ARR to the cent."""
    rng = np.random.default_rng(seed)
    shape = customers, len(MONTHS)
    steps = rng.normal(0.0, 0.15, shape) * (rng.random(shape) < 0.3)
    amounts = rng.lognormal(9, 1, customers)[:, None] * np.exp(np.cumsum(steps, axis=1))
    for row in range(customers):
        at = int(rng.integers(1, len(MONTHS) - 3))
        if row % 5 == 1:
            amounts[row, at:] = 0  # left
        elif row % 5 == 2:
            amounts[row, at : at + 2] = 0  # came back
        elif row % 5 == 3:
            amounts[row, :at] = 0  # came
    segments = ("smb", "mid_market", "Enterprise")
    told = [
        (f"Customer {row + 1}", month, round(amount, 2), segments[row % 3], currency)
        for row, line in enumerate(amounts)
        for month, amount in zip(MONTHS, line, strict=True)
        if amount
    ]
    frame = pd.DataFrame(told, columns=["customer", "month", "arr", "segment", "currency"])
    return frame.assign(**columns) if currency else frame.drop(columns="currency")


def priced(frame: pd.DataFrame, seed: int = 3) -> pd.DataFrame:
    """The same with quantities and unit prices, so that the ledger says what a rise is."""
    rng = np.random.default_rng(seed)
    quantity = rng.integers(1, 50, len(frame))
    unit = (frame["arr"] / quantity).round(2)
    return frame.assign(quantity=quantity, unit_price=unit, arr=(unit * quantity).round(2))


def workbook_of(past: Actuals, path: Path, *shown, heading: str = "What happened", **said) -> Path:
    """The workbook of a notebook that holds what a report's cells leave; none is run."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_markdown_cell(f"# {heading}")]
    for printed in (tables.record(past.record()), *shown, workbook.customers(past)):
        cell = nbformat.v4.new_code_cell('#| tbl-cap: "In figures."')
        bundle = json.loads(json.dumps(printed._repr_mimebundle_()))
        cell.outputs = [nbformat.v4.new_output("display_data", data=bundle)]
        book.cells.append(cell)
    nbformat.write(book, path.with_suffix(".ipynb"))
    workbook.write_workbook(path.with_suffix(".ipynb"), path, said)
    return path


def actuals(frame: pd.DataFrame, **how) -> Actuals:
    return Actuals(nr.read_ledger(frame), AS_OF, **how)


# --- a spreadsheet program ------------------------------------------------------------------------


def changed(path: Path, cells: dict[str, float], bare: bool = True) -> Path:
    """The workbook with other numbers on Customers, and (bare) no formula's value."""
    number = sheet_files(path)["Customers"]
    out = path.with_name("changed.xlsx")

    def rewrite(found: re.Match[str], own: dict[str, float]) -> str:
        column, row, rest, inside = found.groups()
        if f"{column}{row}" in own:
            return f'<c r="{column}{row}"><v>{own[f"{column}{row}"]!r}</v></c>'
        if inside and "<f>" in inside:
            inside, rest = re.sub("<v>.*?</v>", "", inside), rest.replace(' t="str"', "")
            return f'<c r="{column}{row}"{rest}>{inside}</c>'
        return found[0]

    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.startswith("xl/worksheets/sheet"):
                own = cells if name == number else {}
                data = CELL.sub(lambda each, own=own: rewrite(each, own), data.decode()).encode()
            new.writestr(name, data)
    return out


def recomputed(path: Path, **cells: float) -> dict[str, list[list]]:
    """Every cell by sheet after a spreadsheet program has computed each formula anew.

    LibreOffice where there is one, else `formulas`, a library. Neither is a failure.
    """
    bare = changed(path, cells)
    if office := shutil.which("soffice") or shutil.which("libreoffice"):
        to = ["--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(path.parent / "out")]
        profile = f"-env:UserInstallation=file://{path.parent}/profile"
        words = [office, profile, "--headless", *to, str(bare)]
        for _ in range(2):  # a new profile makes it begin anew, which is 81
            done = subprocess.run(words, capture_output=True, timeout=300)
            if done.returncode != 81:
                break
        return sheets(path.parent / "out" / bare.name)
    if importlib.util.find_spec("formulas") is None:
        pytest.fail("nothing recomputes the workbook: install LibreOffice, or the dev extra")
    return by_formulas(bare)


def by_formulas(path: Path) -> dict[str, list[list]]:
    import formulas

    found = sheets(path)
    names = {name.upper(): name for name in found}
    for place, value in formulas.ExcelModel().loads(str(path)).finish().calculate().items():
        at = re.fullmatch(r"'\[.*\](.*)'!([A-Z]+)(\d+)", str(place))
        if at and not isinstance(cell(found, names[at[1]], at[2] + at[3]), str | float):
            continue  # a date is as it was
        if at:
            at_column = column_of(at[2])
            given = np.asarray(value.value).ravel()[0]
            is_number = isinstance(given, int | float | np.number)
            found[names[at[1]]][int(at[3]) - 1][at_column] = (
                float(given) if is_number else str(given)
            )
    return found


def sheets(path: Path) -> dict[str, list[list]]:
    book = CalamineWorkbook.from_path(path)
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def column_of(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def cell(book: dict[str, list[list]], sheet: str, place: str):
    letters, row = re.fullmatch(r"([A-Z]+)(\d+)", place).groups()
    return book[sheet][int(row) - 1][column_of(letters)]


def sheet_files(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as parts:
        names = re.findall(r'<sheet name="(.*?)"', parts.read("xl/workbook.xml").decode())
    return {unescape(name): f"xl/worksheets/sheet{n}.xml" for n, name in enumerate(names, 1)}


def formulas_of(path: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """By sheet and cell: the formula, and the value it was saved with."""
    found = {}
    with zipfile.ZipFile(path) as parts:
        for name, file in sheet_files(path).items():
            each = CELL.findall(parts.read(file).decode())
            found[name] = {
                column + row: tuple(re.search("<f>(.*?)</f>(?:<v>(.*?)</v>)?", inside).groups())
                for column, row, _, inside in each
                if "<f>" in inside
            }
    return found


def figures(book: dict[str, list[list]]) -> dict[str, float]:
    """What the Checks sheet's formulas come to, by name."""
    return {row[0]: row[1] for row in book["Checks"] if row[4] in ("OK", "differs", "value")}


def alike(one, other) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-9, abs=1e-6)
    return one == other


# --- formulas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: ledger_of(40), lambda: priced(ledger_of(15))])
def test_every_formula_is_saved_with_what_it_comes_to(tmp_path, make):
    path = workbook_of(actuals(make()), tmp_path / "report.xlsx")
    saved, again = sheets(path), recomputed(path)
    wrong = [
        (sheet, place, formula, cell(saved, sheet, place), cell(again, sheet, place))
        for sheet, own in formulas_of(path).items()
        for place, (formula, _) in own.items()
        if not alike(cell(saved, sheet, place), cell(again, sheet, place))
    ]
    assert not wrong
    assert saved["Checks"][1][0].startswith("All ")
    assert not [row for row in saved["Checks"] if "differs" in row]


def test_forty_customers_have_more_than_a_hundred_formulas(tmp_path):
    path = workbook_of(actuals(ledger_of(40)), tmp_path / "report.xlsx")
    own = formulas_of(path)
    assert len(own["Customers"]) >= 39 * 10
    assert sum(map(len, own.values())) > 500
    assert all(value is not None for each in own.values() for _, value in each.values())
    assert any(formula.startswith("MIN(") for formula, _ in own["Customers"].values())


CHANGES = {
    "at the end": {AS_OF: 99_999.99},
    "gone for good": dict.fromkeys(MONTHS[6:], 0.0),
    "away for a month, and larger after": {MONTHS[7]: 0.0, MONTHS[9]: 50_000.0},
}


def test_an_amount_changed_in_the_sheet_does_what_it_does_in_the_ledger(tmp_path):
    frame = ledger_of(20)
    path = workbook_of(actuals(frame), tmp_path / "report.xlsx")
    head = sheets(path)["Customers"][3]
    names = [row[0] for row in sheets(path)["Customers"]]
    cells, other = {}, frame.set_index(["customer", "month"])["arr"]
    for customer, change in zip(
        ("Customer 1", "Customer 5", "Customer 10"), CHANGES.values(), strict=True
    ):
        for month, amount in change.items():
            at = next(n for n, day in enumerate(head) if str(day).startswith(month))
            letter = chr(65 + at) if at < 26 else "A" + chr(65 + at - 26)
            cells[f"{letter}{names.index(customer) + 1}"] = amount
            other[customer, month] = amount
    rows_after = frame.drop(columns="arr").join(other.rename("arr"), on=["customer", "month"])
    after, again = actuals(rows_after[rows_after["arr"] > 0]), recomputed(path, **cells)
    found = figures(again)
    for name in LIVE:
        title = DEFINITIONS[name].title
        told = nr.measure(after.ledger, AS_OF, definition=name)
        for word, value in (("NRR", told.nrr), ("GRR", told.grr), ("Logo retention", told.logo)):
            assert found[f"{word}, {title}"] == pytest.approx(value, abs=1e-9), (word, title)
    moved = after.headline()["movements"]
    assert found["Churn, cohort"] == pytest.approx(-moved["churn"], abs=0.005)
    assert found["Reactivation, cohort"] == pytest.approx(moved["reactivation"], abs=0.005)
    assert cell(again, "Summary", nrr_cell(again)) == pytest.approx(after.now.nrr, abs=1e-9)
    assert "differ" in again["Checks"][1][0]


def nrr_cell(book: dict[str, list[list]]) -> str:
    row = next(n for n, each in enumerate(book["Summary"], 1) if str(each[0]).startswith("Net rev"))
    return f"B{row}"


HOW = [{"definition": name} for name in DEFINITIONS] + [
    {"definition": "flow", "ex_price": True},
    {"definition": "compounded", "ex_price": True},
]


@pytest.mark.parametrize("how", HOW, ids=str)
def test_the_summary_has_the_reports_figures_and_says_which_have_no_formula(tmp_path, how):
    frame = priced(ledger_of(20, seed=11))
    early = frame.assign(month=[str(pd.Period(m, "M") - 12) for m in frame["month"]])
    past = actuals(pd.concat([early[early["month"] < MONTHS[0]], frame]), **how)
    path = workbook_of(past, tmp_path / "report.xlsx")
    book, own = sheets(path), formulas_of(path)
    told = past.record()
    rows_ = {str(row[0]).split(" (")[0]: row for row in book["Summary"]}
    names = {
        "nrr": "Net revenue retention",
        "grr": "Gross revenue retention",
        "logo": "Logo retention",
    }
    for name, words in names.items():
        assert rows_[words][1] == pytest.approx(told[name], abs=1e-9)
    has_none = how["definition"] == "trailing_average" or how == HOW[-1]
    assert (nrr_cell(book) in own["Summary"]) is not has_none
    nrr = next(row for row in book["Checks"] if row[0] == "NRR")
    assert nrr[1] == pytest.approx(told["nrr"], abs=1e-9)
    assert (nrr[4], "no formula" in nrr[5]) == (("value", True) if has_none else ("OK", False))
    assert not [row for row in book["Checks"] if "differs" in row]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("grace", [0, 2])
def test_the_rows_add_up_to_the_movements(seed, grace):
    frame = ledger_of(25, seed)
    frame = priced(frame, seed) if seed % 2 else frame
    if seed % 3 == 0:
        frame = frame.assign(product=np.random.default_rng(seed).choice(["a", "b"], len(frame)))
    if seed % 4 == 1:
        frame = frame[frame["month"].isin(MONTHS[::-3])]
    past = Actuals(nr.read_ledger(frame, grace_months=grace), AS_OF)
    told = workbook.customers(past).bundle[rows.CUSTOMERS]
    amounts = Amounts.of(told)
    for who, movements, where in (
        ("cohort", past.cohort, amounts.cohort), ("company", past.book, None),
    ):  # fmt: skip
        for name in ("opening", "retained", *MOVEMENTS, "closing"):
            if name in amounts.columns and not (who == "company" and name == "retained"):
                mine = amounts.sum(name, where)
                assert mine == pytest.approx(float(movements.over(name).sum()), abs=1e-5), name


def test_above_the_limit_formulas_stand_on_the_summary_alone(tmp_path, monkeypatch):
    for module in (rows, checks_sheet):
        monkeypatch.setattr(module, "MOST_CUSTOMERS", 19)
    past = actuals(ledger_of(20))
    path = workbook_of(past, tmp_path / "report.xlsx")
    own = {name: each for name, each in formulas_of(path).items() if each}
    assert set(own) == {"Summary"}
    assert list(sheets(path)) == ["Summary", "Checks"]
    formulas = {formula for formula, _ in own["Summary"].values()}
    assert any(re.fullmatch(r"Summary!\$B\$\d+/Summary!\$B\$\d+", each) for each in formulas)
    checks = sheets(path)["Checks"]
    assert checks[1][0].startswith("Formulas are on Summary alone: more than 19")
    nrr = next(row for row in checks if row[0] == "NRR")
    assert (nrr[4], nrr[5].startswith("no formula")) == ("value", True)
    monkeypatch.setattr(rows, "MOST_CUSTOMERS", 20)
    assert "Customers" in sheets(workbook_of(past, tmp_path / "report.xlsx"))


# --- what stands in it ----------------------------------------------------------------------------


def test_nothing_of_a_ledger_or_a_card_becomes_a_formula_or_a_link(tmp_path):
    frame = ledger_of(len(HOSTILE))
    names = dict(zip(dict.fromkeys(frame["customer"]), HOSTILE, strict=True))
    frame = frame.assign(
        customer=frame["customer"].map(names), segment=frame["customer"].map(names)
    )
    table = tables.table(pd.DataFrame({"name": HOSTILE}), {"name": "text"})
    said = {"company": HOSTILE[1], "title": HOSTILE[0], "confidentiality": "&D&Z 100 %"}
    path = workbook_of(
        actuals(frame), tmp_path / "report.xlsx", table, heading="=1+1 [x]:*?/\\", **said
    )
    for own in formulas_of(path).values():
        for formula, _ in own.values():
            assert "calc" not in formula
            assert not re.search(r"HYPERLINK|WEBSERVICE|\|", formula)
    with zipfile.ZipFile(path) as parts:
        texts = {name: parts.read(name).decode() for name in parts.namelist() if "sheets/" in name}
    links = [link for text in texts.values() for link in re.findall("<hyperlink .*?>", text)]
    assert links
    assert all("location=" in link and "r:id" not in link for link in links)
    assert "&amp;&amp;D&amp;&amp;Z" in texts["xl/worksheets/sheet1.xml"]
    book = sheets(path)
    assert {row[0] for row in book["Customers"]} >= set(HOSTILE)
    assert "=1+1 x" in book
    assert not [row for row in book["Checks"] if "differs" in row]


@pytest.mark.parametrize(
    ("kind", "currency", "code"),
    [
        ("money", "EUR", '"€"#,##0.00;−"€"#,##0.00;"€"#,##0.00'),
        ("money", "JPY", '"¥"#,##0;−"¥"#,##0;"¥"#,##0'),
        ("money", "CHF", '"CHF "#,##0.00;−"CHF "#,##0.00;"CHF "#,##0.00'),
        ("money", "KWD", '"KWD "#,##0.000;−"KWD "#,##0.000;"KWD "#,##0.000'),
        ("money", "", "#,##0.00;−#,##0.00;#,##0.00"),
        ("signed_money", "USD", '+"$"#,##0.00;−"$"#,##0.00;"$"#,##0.00'),
        ("text", "EUR", ""),
    ],
)
def test_amounts_have_the_ledgers_sign_and_minor_unit(kind, currency, code):
    assert number_code(kind, currency) == code


def test_a_book_in_yen_has_no_decimals(tmp_path):
    frame = ledger_of(12, currency="JPY").round(0)
    path = workbook_of(actuals(frame), tmp_path / "report.xlsx")
    with zipfile.ZipFile(path) as parts:
        styles = unescape(parts.read("xl/styles.xml").decode())
    assert '"¥"#,##0;' in styles
    assert not re.search(r'"¥"#,##0\.|\$|USD', styles)
    assert ["Amounts", "ARR in JPY"] in [row[:2] for row in sheets(path)["Summary"]]


def test_without_rows_no_customer_is_in_the_notebook():
    told = workbook.customers(actuals(ledger_of(12)), has_rows=False).bundle
    assert "Customer" not in json.dumps(told)
    assert told[rows.CUSTOMERS]["cohort"]["opening"] > 0


@pytest.mark.shared
def test_a_real_ledger_ties(tmp_path):
    past = Actuals(nr.read_ledger(SHARED / "sf_retainers.csv"), "2016-12")
    book = sheets(workbook_of(past, tmp_path / "report.xlsx"))
    assert book["Checks"][1][0].startswith("All ")
    assert cell(book, "Summary", nrr_cell(book)) == pytest.approx(past.now.nrr, abs=1e-12)


def test_the_workbook_prints(tmp_path):
    said = {
        "company": "Acme",
        "title": "Retention",
        "subtitle": "Quarterly",
        "confidentiality": "Board",
    }
    path = workbook_of(actuals(ledger_of(12)), tmp_path / "report.xlsx", **said)
    with zipfile.ZipFile(path) as parts:
        for name, file in sheet_files(path).items():
            text = parts.read(file).decode()
            assert 'orientation="landscape"' in text, name
            assert '<pageSetUpPr fitToPage="1"/>' in text, name
            assert "Acme  ·  Retention  ·  Board" in text, name
        assert "Print_Titles" in parts.read("xl/workbook.xml").decode()
        drawn = [name for name in parts.namelist() if "charts/chart" in name]
        assert len(drawn) == 1
        assert "2000-01-01" in parts.read("docProps/core.xml").decode()
    told = dict(row[:2] for row in sheets(path)["Summary"][1:7])
    assert told["Company"] == "Acme"
    assert told["Period"] == "12 months ended 30 September 2025"
    assert told["Amounts"] == "ARR in EUR"
    one, other = path.read_bytes(), workbook_of(actuals(ledger_of(12)), path, **said).read_bytes()
    assert one == other


def test_each_figures_numbers_stand_on_its_sections_sheet(tmp_path):
    charts.enable()
    periods = pd.DataFrame(
        {"period": ["Q1 2025", "Q2 2025"], "nrr": [1.01, 1.02], "grr": [0.9, None]}
    )
    drawn = charts.trend(periods)
    cohorts = pd.DataFrame(
        {
            "cohort": ["2024", "2024", "2025"],
            "age": [0, 1, 0],
            "nrr": [1.0, 1.1, 1.0],
            "opening": [5.0, 4.0, 7.0],
            "complete": [1, 0, 1],
            "now": [1.1, 1.1, 1.0],
        }
    )
    shown = [drawn, charts.cohort_heatmap(cohorts), charts.tornado(
        pd.DataFrame({"name": ["Churn"], "low": [1.1], "high": [0.9]}), base=1.0)]  # fmt: skip
    path = workbook_of(actuals(ledger_of(12)), tmp_path / "report.xlsx", *shown, heading="Trend")
    told = [row[:5] for row in sheets(path)["Trend"]]
    assert ["Period", "NRR", "GRR", "", ""] in told
    assert ["Q1 2025", 1.01, 0.9, "", ""] in told
    assert ["Q2 2025", 1.02, "", "", ""] in told
    assert ["Cohort", "Opening ARR", "NRR now", "Age 0", "Age 1"] in told
    assert ["2024", 5.0, 1.1, 1.0, 1.1] in told
    assert ["Assumption", "Low end", "High end", "", ""] in told
    with zipfile.ZipFile(path) as parts:
        drawn = [parts.read(name).decode() for name in parts.namelist() if "charts/chart" in name]
    assert any("Trend!$B$" in text for text in drawn)


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("By segment", "By segment"),
        ("The same ledger under other definitions", "The same ledger under other"),
        ("What / why: [a] *?", "What why a"),
        ("x" * 40, "x" * 31),
        ("'", "Section"),
    ],
)
def test_a_heading_as_a_sheet_is_called(heading, name):
    assert sections.Section(heading).name == name


def test_two_sections_of_one_name_and_ours_stay_apart(tmp_path):
    book = nbformat.v4.new_notebook()
    for heading in ("Checks", "Limits", "limits"):
        book.cells.append(nbformat.v4.new_markdown_cell(f"# {heading}"))
        cell_ = nbformat.v4.new_code_cell("")
        table = tables.table(
            pd.DataFrame({"name": [heading], "n": [None]}), {"name": "text", "n": "count"}
        )
        cell_.outputs = [nbformat.v4.new_output("display_data", data=table._repr_mimebundle_())]
        book.cells.append(cell_)
    nbformat.write(book, tmp_path / "a.ipynb")
    workbook.write_workbook(tmp_path / "a.ipynb", tmp_path / "a.xlsx")
    found = sheets(tmp_path / "a.xlsx")
    assert list(found) == ["Summary", "Checks (2)", "Limits", "limits (2)"]
    assert found["Limits"][4] == ["Limits", "n/a"]


def test_an_empty_table_is_its_headings(tmp_path):
    empty = tables.table(pd.DataFrame({"name": [], "arr": []}), {"name": "text", "arr": "money"})
    path = workbook_of(actuals(ledger_of(12)), tmp_path / "report.xlsx", empty)
    assert sheets(path)["What happened"][3] == ["name", "arr"]


def test_a_notebook_holds_no_customers_where_no_workbook_is_asked_for(tmp_path):
    ledger_of(12, currency="").to_csv(tmp_path / "ledger.csv", index=False)
    (tmp_path / "card.yaml").write_text(
        f"notebook: quarterly_report\ncompany: Acme\nledger: ledger.csv\nas_of: {AS_OF}\ntrials: 0\nunit: arr\n"
    )
    kept = {}
    for to in ((), ("xlsx",)):
        folder = run_card(tmp_path / "card.yaml", out=tmp_path / "out", to=to, engine="embedded")
        kept[to] = rows.CUSTOMERS in (folder / "report.ipynb").read_text()
    assert kept == {(): False, ("xlsx",): True}
    told = json.loads((folder / "manifest.json").read_text())["numbers"]
    found = figures(sheets(folder / "report.xlsx"))
    assert found["NRR"] == pytest.approx(told["nrr"], abs=1e-9)
    assert found["Opening ARR, cohort"] == pytest.approx(told["opening"], abs=0.005)
