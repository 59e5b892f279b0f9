"""A ledger to fill in: empty it says so, filled in it is read, and it holds what is typed to form."""

import datetime
import re
import zipfile

import pytest
from python_calamine import CalamineWorkbook

import nrrsim as nr
from nrrsim.workspace.template import COLUMNS, SEGMENTS, write_template

ROWS = [
    (f"C{number}", datetime.date(2025 + month // 12, 1 + month % 12, 1), 100.5 + number, segment)
    for number, segment in enumerate(SEGMENTS)
    for month in range(18)
]


def sheets(path) -> dict[str, list[list[object]]]:
    book = CalamineWorkbook.from_path(str(path))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def test_an_empty_one_has_headings_and_an_explanation(tmp_path):
    write_template(tmp_path / "ledger.xlsx")
    found = sheets(tmp_path / "ledger.xlsx")
    assert found["ledger"] == [[*COLUMNS]]
    how = found["how to"]
    assert list(found) == ["ledger", "how to"]
    names = [row[0] for row in how]
    assert names.index("mrr") == names.index("customer") + 2
    example = [row[2:5] for row in how if row[0] in COLUMNS]
    assert all(all(cells) for cells in example)
    assert len(example) == len(COLUMNS)


def test_check_says_that_nothing_is_filled_in_yet(tmp_path, run):
    assert run("new", tmp_path / "acme")[0] == 0
    code, out, err = run("check", tmp_path / "acme" / "ledger.xlsx")
    assert code == 3
    assert "ledger.xlsx: there are no rows" in out
    assert "1 finding" in err


def test_a_filled_one_is_read(tmp_path):
    write_template(tmp_path / "ledger.xlsx", ROWS)
    ledger = nr.read_ledger(tmp_path / "ledger.xlsx")
    assert (ledger.months[0], ledger.months[-1]) == ("2025-01", "2026-06")
    there = ledger.customers("2026-06")
    assert there["arr"].tolist() == [12 * (100.5 + number) for number in range(3)]
    assert there["segment"].astype(str).tolist() == list(SEGMENTS)


def test_what_is_typed_is_held_to_what_a_column_takes(tmp_path):
    write_template(tmp_path / "ledger.xlsx")
    with zipfile.ZipFile(tmp_path / "ledger.xlsx") as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
    checks = dict(re.findall(r'<dataValidation type="(\w+)".*?sqref="(\w+):', sheet))
    assert checks == {"date": "B2", "decimal": "C2", "list": "D2"}
    (listed,) = re.findall(r"<formula1>'how to'!([^<]*)</formula1>", sheet)
    first, last = map(int, re.findall(r"\$A\$(\d+)", listed))
    how = sheets(tmp_path / "ledger.xlsx")["how to"]
    assert [row[0] for row in how[first - 1 : last]] == list(SEGMENTS)
    assert last - first + 1 > len(SEGMENTS)
    assert "<pane " in sheet  # the headings stay in view


def test_the_same_template_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        write_template(tmp_path / f"{name}.xlsx", ROWS)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_from_the_template_to_the_workspace(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("new", "acme")
    assert code == 0
    assert "acme/ledger.xlsx" in out
    assert "next: fill it in, then: nrrsim new acme --ledger acme/ledger.xlsx" in err
    code, out, err = run("new", "acme", "--ledger", "acme/ledger.xlsx")
    assert (code, "there are no rows" in out, "nothing is written" in err) == (3, True, True)

    write_template(tmp_path / "acme" / "ledger.xlsx", ROWS)  # as who fills it in
    before = (tmp_path / "acme" / "ledger.xlsx").read_bytes()
    monkeypatch.chdir("acme")  # as the page in it says
    code, _, err = run("new", ".", "--ledger", "ledger.xlsx")
    assert code == 0, err
    assert (tmp_path / "acme" / "ledger.xlsx").read_bytes() == before
    assert "../ledger.xlsx" in (tmp_path / "acme" / "params" / "2026Q2.yaml").read_text()
    assert "# Acme: net revenue retention" in (tmp_path / "acme" / "README.md").read_text()
    assert "/ledger.xlsx" in (tmp_path / "acme" / ".gitignore").read_text()


@pytest.mark.parametrize("name", ["README.md", ".gitignore", "notes.txt"])
def test_what_somebody_wrote_beside_the_template_is_not_overwritten(tmp_path, run, name):
    run("new", tmp_path / "acme")
    write_template(tmp_path / "acme" / "ledger.xlsx", ROWS)
    (tmp_path / "acme" / name).write_text("mine")
    code, _, err = run("new", tmp_path / "acme", "--ledger", tmp_path / "acme" / "ledger.xlsx")
    assert code == 2
    assert f"it holds {name};" in err
    assert (tmp_path / "acme" / name).read_text() == "mine"
