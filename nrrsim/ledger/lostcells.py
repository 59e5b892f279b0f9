"""A workbook's XML in, its cells whose value is lost out; never a cell that has one.

A reader of workbooks gives a blank for an error and for a formula that nobody calculated, and in a
sheet of months a blank is no amount: a look-up that was lost would be a customer who left.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

BLOCK = 2**20  # bytes
NO_VALUE = "a formula without a saved value"
ERRORS = frozenset(
    ("#REF!", "#N/A", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")
)
# As bytes, of a tag with or without a prefix: where a formula ends, and what stands after it.
FORMULA = re.compile(rb"</(?:\w+:)?f>|<(?:\w+:)?f(?:\s[^>]{0,400})?/>")
SUSPECT = re.compile(
    rb"\st=[\"']e[\"']|(?:" + FORMULA.pattern + rb")\s*(?:</|<(?:\w+:)?v(?:\s[^>]*)?(?:/>|>\s*</))"
)
CALCULATED = re.compile(
    rb"(?:" + FORMULA.pattern + rb")\s*<(?:\w+:)?v(?:\s[^>]*)?>\s*(?!0\s*<)[^<\s]"
)
Places = dict[int, dict[int, "Lost"]]  # row -> column -> what stands there, both from 1


class Lost(str):
    """What stands in a cell in place of its value: `#REF!`, or `a formula without a saved value`.

    It is text, and so no amount, no date and no number; quoted it is itself.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def is_lost(cell: object) -> bool:
    """Whether a cell holds what stands in place of a value, as text too: `#N/A` in a CSV file."""
    return isinstance(cell, Lost) or (isinstance(cell, str) and cell.strip() in ERRORS)


def lost_cells(path: str, sheet: str, last_row: int | None = None) -> Places:
    """The cells of a sheet (down to a row) whose value is lost; none of a file of another kind."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as packed:
        names = set(packed.namelist())
        if "xl/workbook.xml" in names:
            part, recalculates = _part_of(packed, sheet)
            if part in names and _may_hold_lost(packed, part, recalculates):
                return _Excel(recalculates, last_row).read(packed, part)
        elif "content.xml" in names:
            return _OpenDocument(sheet, last_row).read(packed, "content.xml")
    return {}


def can_tell(path: Path) -> bool:
    """Whether a workbook is of XML: of another kind nobody sees what is lost."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as packed:
        return not {"xl/workbook.xml", "content.xml"}.isdisjoint(packed.namelist())


def _part_of(packed: zipfile.ZipFile, sheet: str) -> tuple[str, bool]:
    """The part of an archive that holds a sheet, and whether formulas are calculated on opening."""
    book = ElementTree.fromstring(packed.read("xl/workbook.xml"))
    number, recalculates = "", False
    for element in book.iter():
        name = _local(element.tag)
        if name == "sheet" and element.get("name") == sheet:
            number = next((v for k, v in element.attrib.items() if _local(k) == "id"), "")
        elif name == "calcPr":
            recalculates = element.get("fullCalcOnLoad") in ("1", "true")
    relations = ElementTree.fromstring(packed.read("xl/_rels/workbook.xml.rels"))
    for element in relations:
        if element.get("Id") == number:
            target = element.get("Target", "")
            return (target[1:] if target.startswith("/") else f"xl/{target}"), recalculates
    return "", recalculates


def _local(name: str) -> str:
    return re.split("[}:]", name)[-1]


def _may_hold_lost(packed: zipfile.ZipFile, part: str, recalculates: bool) -> bool:
    """Whether a sheet has an error, or a formula without a value: most have none.

    To look through every cell takes longer than to read the sheet.
    """
    before, has_formula, calculated = b"", False, False
    with packed.open(part) as raw:
        for block in iter(lambda: raw.read(BLOCK), b""):
            text = before + block
            if SUSPECT.search(text):
                return True
            has_formula = has_formula or bool(FORMULA.search(text))
            calculated = calculated or bool(CALCULATED.search(text))
            before = block[-512:]
    return recalculates and has_formula and not calculated


class _Sheet:
    """What an XML parser tells of a sheet, cell by cell."""

    def __init__(self, last_row: int | None) -> None:
        self.lost: Places = {}
        self.last_row = last_row
        self.row = self.column = 0
        self.text: list[str] | None = None

    def read(self, packed: zipfile.ZipFile, part: str) -> Places:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        with packed.open(part) as raw:
            for block in iter(lambda: raw.read(BLOCK), b""):
                parser.Parse(block)
                if self.last_row is not None and self.row > self.last_row:
                    break
        return self.lost

    def start(self, name: str, told: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, name: str) -> None:
        raise NotImplementedError

    def characters(self, text: str) -> None:
        if self.text is not None:
            self.text.append(text)

    def lose(self, row: int, column: int, what: str) -> None:
        self.lost.setdefault(row, {})[column] = Lost(what)


class _Excel(_Sheet):
    """`recalculates` : Excel is to calculate every formula on opening.

    So say those who write formulas that they cannot calculate. Some write 0 as the value of each:
    where all are 0, nobody calculated them.
    """

    def __init__(self, recalculates: bool, last_row: int | None) -> None:
        super().__init__(last_row)
        self.recalculates = recalculates
        self.zeros: list[tuple[int, int]] = []
        self.calculated = False
        self.kind, self.has_formula, self.value = "", False, None

    value: str | None

    def read(self, packed: zipfile.ZipFile, part: str) -> Places:
        super().read(packed, part)
        if self.recalculates and not self.calculated:
            for row, column in self.zeros:
                self.lose(row, column, NO_VALUE)
        return self.lost

    def start(self, name: str, told: dict[str, str]) -> None:
        name = _local(name)
        if name == "c":
            self.column += 1
            if place := re.fullmatch(r"([A-Z]{1,3})(\d+)", told.get("r", "")):
                self.column, self.row = _number(place[1]), int(place[2])
            self.kind, self.has_formula, self.value = told.get("t", "n"), False, None
        elif name == "row":
            self.row = int(told["r"]) if told.get("r", "").isdecimal() else self.row + 1
            self.column = 0
        elif name == "f":
            self.has_formula = True
        elif name == "v":
            self.text = []

    def end(self, name: str) -> None:
        name = _local(name)
        if name == "v" and self.text is not None:
            self.value, self.text = "".join(self.text), None
        elif name == "c":
            self._judge()

    def _judge(self) -> None:
        value = (self.value or "").strip()
        if self.kind == "e":
            self.lose(self.row, self.column, value or "#N/A")
        elif not self.has_formula:
            return
        elif not value and not (self.kind == "str" and self.value is not None):
            self.lose(self.row, self.column, NO_VALUE)  # a text's saved value may be empty
        elif self.kind == "n" and value == "0":
            self.zeros.append((self.row, self.column))
        else:
            self.calculated = True


class _OpenDocument(_Sheet):
    """A sheet of LibreOffice: its cells and rows may be repeated."""

    def __init__(self, sheet: str, last_row: int | None) -> None:
        super().__init__(last_row)
        self.sheet, self.inside = sheet, False
        self.rows = self.columns = 1
        self.formula, self.kind, self.error = "", "", False

    def start(self, name: str, told: dict[str, str]) -> None:
        name = _local(name)
        if name == "table":
            self.inside = told.get("table:name") == self.sheet
        elif not self.inside:
            return
        elif name == "table-row":
            self.row, self.rows = self.row + 1, _times(told.get("table:number-rows-repeated"))
            self.column = 0
        elif name in ("table-cell", "covered-table-cell"):
            self.column += 1
            self.columns = _times(told.get("table:number-columns-repeated"))
            self.formula = told.get("table:formula", "")
            self.kind = told.get("office:value-type", "")
            self.error = told.get("calcext:value-type") == "error"
            self.text = []

    def end(self, name: str) -> None:
        name = _local(name)
        if not self.inside:
            return
        if name == "table":
            self.inside = False
        elif name == "table-row":
            self.row += self.rows - 1
        elif name in ("table-cell", "covered-table-cell") and self.text is not None:
            said, self.text = "".join(self.text).strip(), None
            if self.error or (self.formula and re.match(r"#\w+[!?/]|Err:\d", said)):
                self._lose(said or "#N/A")
            elif self.formula and not self.kind:
                self._lose(NO_VALUE)
            self.column += self.columns - 1

    def _lose(self, what: str) -> None:
        for row in range(self.row, self.row + self.rows):
            for column in range(self.column, self.column + self.columns):
                self.lose(row, column, what)


def _times(text: str | None) -> int:
    return min(int(text), 2**20) if text and text.isdecimal() else 1


def _number(letters: str) -> int:
    """A column's number: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number
