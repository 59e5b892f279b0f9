"""Cells whose value is lost: each is named as what it is, and no cell with a value is."""

import io
import zipfile

import pandas as pd
import pytest
import xlsxwriter
from conftest import rejected

import nrrsim as nr
from nrrsim.ledger.lostcells import NO_VALUE, Lost, lost_cells
from nrrsim.ledger.sources import read_rows

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TEXT = '<c r="{}" t="inlineStr"><is><t>{}</t></is></c>'


def row(number: int, *cells: str) -> str:
    """A row of text, or of XML where a cell begins with <."""
    written = [
        cell if cell.startswith("<") else TEXT.format(f"{'ABCDEFG'[at]}{number}", cell)
        for at, cell in enumerate(cells)
    ]
    return f'<row r="{number}">{"".join(written)}</row>'


def workbook(path, *rows: str, name: str = "Ledger", calculate: str = "", prefix: str = ""):
    """A workbook with one sheet of this XML."""
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(rows)}</sheetData></worksheet>'
    if prefix:
        sheet = sheet.replace("</", f"</{prefix}:").replace("<", f"<{prefix}:")
        sheet = sheet.replace(f"<{prefix}:/{prefix}:", f"</{prefix}:").replace(
            "xmlns=", f"xmlns:{prefix}="
        )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1"'
        f' Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="{name}"'
        f' sheetId="1" r:id="rId1"/></sheets>{calculate}</workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship'
        f' Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for part, content in parts.items():
            packed.writestr(part, content)
    return path


HEAD = row(1, "customer", "month", "mrr", "segment")
AGAIN = '<calcPr fullCalcOnLoad="1"/>'
CELLS = {
    '<c r="C2" t="e"><v>#REF!</v></c>': "#REF!",
    '<c r="C2" t="e"><f>A1/0</f><v>#DIV/0!</v></c>': "#DIV/0!",
    '<c r="C2" t="e"><v>#N/A</v></c>': "#N/A",
    '<c r="C2" t="e"/>': "#N/A",
    '<c r="C2"><f>B2*2</f></c>': NO_VALUE,
    '<c r="C2"><f>B2*2</f><v/></c>': NO_VALUE,
    '<c r="C2"><f>B2*2</f><v></v></c>': NO_VALUE,
    '<c r="C2"><f t="shared" si="0"/></c>': NO_VALUE,
    '<c r="C2"><f>B2*2</f><v>10</v></c>': None,
    '<c r="C2"><f>B2*2</f><v>0</v></c>': None,
    '<c r="C2" t="str"><f>IF(1,"","")</f><v></v></c>': None,
    '<c r="C2"><v>5</v></c>': None,
    '<c r="C2"/>': None,
}


@pytest.mark.parametrize("prefix", ["", "x"])
@pytest.mark.parametrize("cell", CELLS)
def test_each_kind_of_lost_cell_is_named(tmp_path, cell, prefix):
    path = workbook(
        tmp_path / "a.xlsx", HEAD, row(2, "Alder", "2025-01", cell, "smb"), prefix=prefix
    )
    told = CELLS[cell]
    assert lost_cells(str(path), "Ledger") == ({2: {3: told}} if told else {})
    if prefix:
        return
    [rows] = read_rows(path)
    found = rows.frame.iloc[0, 2]
    assert isinstance(found, Lost) == bool(told)
    assert not told or found == told


def test_cells_without_a_place_follow_each_other(tmp_path):
    rows = "<row><c t='inlineStr'><is><t>customer</t></is></c><c t='e'><v>#REF!</v></c></row>"
    path = workbook(tmp_path / "a.xlsx", rows, rows)
    assert lost_cells(str(path), "Ledger") == {1: {2: "#REF!"}, 2: {2: "#REF!"}}


@pytest.mark.parametrize(
    ("values", "calculate", "lost"),
    [
        (["0", "0"], AGAIN, 2),
        (["0", "0"], "", 0),
        (["0", "7"], AGAIN, 0),
        (["", "7"], AGAIN, 1),
    ],
)
def test_a_zero_that_nobody_calculated_is_no_value(tmp_path, values, calculate, lost):
    """So writes XlsxWriter: each formula is 0 until Excel opens the file."""
    cells = [f'<c r="C{n}"><f>1+1</f><v>{value}</v></c>' for n, value in enumerate(values, start=2)]
    rows = [row(n, "Alder", f"2025-0{n}", cell, "smb") for n, cell in enumerate(cells, start=2)]
    path = workbook(tmp_path / "a.xlsx", HEAD, *rows, calculate=calculate)
    assert sum(map(len, lost_cells(str(path), "Ledger").values())) == lost


def test_a_look_up_that_was_lost_is_an_error_and_says_so(tmp_path):
    book = xlsxwriter.Workbook(tmp_path / "ledger.xlsx")
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["customer", "month", "mrr"])
    sheet.write_row(1, 0, ["Alder", "2025-01", 10])
    sheet.write_row(2, 0, ["Birch", "2025-01"])
    sheet.write_formula(2, 2, "=VLOOKUP(A3,Z:Z,1)", value="#N/A")
    sheet.write_row(3, 0, ["Cedar", "2025-01"])
    sheet.write_formula(3, 2, "=C2*2", value="")
    book.close()
    first, second = rejected(tmp_path / "ledger.xlsx")
    assert first.startswith("ledger.xlsx:3: mrr: #N/A is an error of the spreadsheet")
    assert second.startswith("ledger.xlsx:4: mrr: is a formula without a saved value")


def test_lost_cells_beside_and_below_all_others_are_there(tmp_path):
    """A reader of workbooks does not count what is lost as a part of the sheet."""
    error = '<c r="{}" t="e"><v>#REF!</v></c>'
    rows = [
        row(1, "customer", "mrr"),
        row(2, "Alder", error.format("D2")),
        f'<row r="5">{error.format("B5")}</row>',
    ]
    [found] = read_rows(workbook(tmp_path / "a.xlsx", *rows))
    assert found.lines().tolist() == [2, 5]
    assert found.frame.iloc[0].tolist() == ["Alder", None, "#REF!"]
    assert found.frame.iloc[1].tolist() == [None, "#REF!", None]


def test_no_sheet_without_formulas_is_looked_through(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    pd.DataFrame({"customer": ["f"], "mrr": [1]}).to_excel(buffer, index=False, engine="xlsxwriter")
    path = tmp_path / "a.xlsx"
    path.write_bytes(buffer.getvalue())
    monkeypatch.setattr("nrrsim.ledger.lostcells._Excel.read", None)
    assert lost_cells(str(path), "Sheet1") == {}


OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
ODS = {
    '<table:table-cell table:formula="of:=[.A1]" office:value-type="float" office:value="5"><text:p>5</text:p></table:table-cell>': {},
    '<table:table-cell table:formula="of:=[.A1]"/>': {2: {2: NO_VALUE}},
    '<table:table-cell table:formula="of:=[.A1]" office:value-type="string" office:string-value="" calcext:value-type="error"><text:p>#REF!</text:p></table:table-cell>': {
        2: {2: "#REF!"}
    },
    '<table:table-cell table:formula="of:=NA()" office:value-type="float" office:value="0"><text:p>#N/A</text:p></table:table-cell>': {
        2: {2: "#N/A"}
    },
    '<table:table-cell office:value-type="string"><text:p>#5 Main St</text:p></table:table-cell>': {},
    '<table:table-cell table:number-columns-repeated="2"/><table:table-cell table:formula="of:=[.A1]"/>': {
        2: {4: NO_VALUE}
    },
}


@pytest.mark.parametrize("cell", ODS)
def test_lost_cells_of_libreoffice(tmp_path, cell):
    namespaces = (
        "".join(
            f' xmlns:{short}="{OFFICE}:{name}:1.0"'
            for short, name in {"office": "office", "table": "table", "text": "text"}.items()
        )
        + ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    )
    text = (
        '<table:table-cell office:value-type="string"><text:p>customer</text:p></table:table-cell>'
    )
    sheet = (
        f"<table:table-row>{text}</table:table-row><table:table-row>{text}{cell}</table:table-row>"
    )
    content = (
        f"<office:document-content{namespaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="Other"><table:table-row><table:table-cell table:formula="of:=[.A1]"/>'
        f'</table:table-row></table:table><table:table table:name="Ledger">{sheet}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    path = tmp_path / "a.ods"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        packed.writestr("content.xml", content)
    assert lost_cells(str(path), "Ledger") == ODS[cell]


def test_a_lost_cell_is_quoted_as_itself():
    assert repr(Lost("#REF!")) == f"{Lost('#REF!')}" == "#REF!"
    with pytest.raises(ValueError):
        float(Lost("#REF!"))
    assert nr is not None
