"""A plain ledger in, the same with a fault of a kind out, and what it means; never asks nrrsim."""

import calendar
import csv
import io
import itertools
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd

MERIDIAN = Path(__file__).parents[2] / "nrrsim" / "data" / "meridian.csv"
SEED = 21
MONTHS = [f"{2024 + n // 12}-{n % 12 + 1:02d}" for n in range(15)]
JUDGED = ("customer", "month", "mrr", "arr", "segment")  # what retention is made of


# --- the ledgers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Book:
    """A plain ledger as cells: `rows[0]` are its headings."""

    name: str
    rows: tuple[tuple[str, ...], ...]
    separator: str = ","
    quoted: bool = False
    as_of: str = MONTHS[-1]

    @property
    def headings(self) -> tuple[str, ...]:
        return self.rows[0]

    def cell(self, text: str) -> str:
        """As it is written in the file; a quote in it stays as it is."""
        return f'"{text}"' if self.quoted or self.separator in text else text

    def lines(self) -> list[str]:
        return [self.separator.join(map(self.cell, row)) for row in self.rows]

    def bytes(self) -> bytes:
        return written(self.lines())

    def column(self, name: str) -> int:
        return self.headings.index(name)

    @property
    def unit(self) -> str:
        return "arr" if "arr" in self.headings else "mrr"

    def with_cell(self, row: int, column: int, text: str) -> "Book":
        cells = [list(each) for each in self.rows]
        cells[row][column] = text
        return replace(self, rows=tuple(map(tuple, cells)))

    def with_rows(self, rows: Sequence[Sequence[str]]) -> "Book":
        return replace(self, rows=(self.headings, *map(tuple, rows)))


def written(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def made_up(
    seed: int, unit: str, further: int, ending: str = "", day: str = ""
) -> list[tuple[str, ...]]:
    """Customers who come, change, leave and return; the first two are there all the time.

    `ending` is that of each name, `day` of each month, as it is written in the file.
    """
    random_ = random.Random(seed)
    words = ["Alder", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Hazel", "Juniper"]
    forms = ["Ltd", "GmbH", "& Sons", "S.A.", "Öl AG", "東京"]
    names = [f"{word} {form}" for word, form in itertools.product(words, forms)]
    rows = [("customer", "month", unit, "segment", *[f"note {n}" for n in range(further)])]
    for number, name in enumerate(random_.sample(names, 20)):
        amount, segment = random_.randint(10_000, 900_000), random_.choice(["smb", "mid", "large"])
        for month in MONTHS:
            amount = max(100, amount + random_.choice([0, 0, 0, 2_500, -1_700]))
            if number < 2 or random_.random() < 0.9:
                notes = [random_.choice(["north", "south", "west"]) for _ in range(further)]
                cells = (name + ending, month + day, f"{amount / 100:.2f}", segment, *notes)
                rows.append(cells)
    return rows


@cache
def books() -> tuple[Book, ...]:
    """Four ledgers of a few hundred rows, each written in another way."""
    with MERIDIAN.open(encoding="utf-8", newline="") as text:
        headings, *rows = list(csv.reader(text))
    recent = sorted({row[1] for row in rows})[-15:]
    customers = random.Random(SEED).sample(sorted({row[0] for row in rows}), 25)
    cut = [row for row in rows if row[1] in recent and row[0] in customers]
    return (
        Book("meridian", tuple(map(tuple, [headings, *cut])), as_of=recent[-1]),
        Book("quoted", tuple(made_up(1, "mrr", 2, ending=', ""The"" Co')), quoted=True),
        Book("semicolon", tuple(made_up(2, "mrr", 0)), separator=";"),
        Book("arr", tuple(made_up(3, "arr", 1, day="-28"))),
    )


# --- the faults -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A file with a fault: `means` are the plain ledgers that it can be taken for.

    `line` is that of the cell at fault, `says` is what must be said beside a number, and `must` is
    false where a plain ledger may be refused all the same.
    """

    data: bytes
    means: tuple[bytes, ...] = ()
    line: int = 0
    says: str = ""
    must: bool = True
    other: bytes = b""  # what the file is replaced with while it is read
    ending: str = "csv"


Cells = Callable[[str, random.Random], str | tuple[str, str]]


def put(letters: str) -> Cells:
    """One of these letters somewhere inside the cell."""

    def fault(cell: str, random_: random.Random) -> str:
        at = random_.randint(1, max(1, len(cell) - 1))
        return cell[:at] + random_.choice(letters) + cell[at:]

    return fault


def one_of(*texts: str) -> Cells:
    """One of these texts instead of the cell; {} is the cell."""
    return lambda cell, random_: random_.choice(texts).format(cell)


def meant(*texts: str) -> Cells:
    """The same, where the cell is still meant."""
    return lambda cell, random_: (random_.choice(texts).format(cell), cell)


def alike(cell: str, random_: random.Random) -> str:
    """A Latin letter by one that looks like it, from another script."""
    return cell.translate(str.maketrans("aeopcxAEOPCX", "аеорсхАЕОРСХ")) if cell.isascii() else cell


def thousands(cell: str, random_: random.Random) -> tuple[str, str]:
    whole, _, cents = cell.partition(".")
    sign = random_.choice([",", "'", " ", "\u202f"])
    return f"{int(whole) + 1000:,}".replace(",", sign) + f".{cents}", f"{int(whole) + 1000}.{cents}"


ANYWHERE: dict[str, Cells] = {
    "empty": one_of(""),
    "blank": one_of(" ", "   ", "\u00a0", "\u3000"),
    "NUL": put("\0"),
    "other Cc": put("\x01\x07\x08\x0b\x1b\x7f\x85\x9b\t"),
    "Cf": put("\u200b\u2060\u00ad\ufeff\u202e\u2066\u061c"),
    "quote inside": put('"'),
    "quote at end": one_of('{}"'),
    "delimiter inside": put(",;"),
    "newline inside": put("\n"),
    "131,073 characters": lambda cell, random_: (cell or "x") + "x" * 131_073,
    "emoji": one_of("{}🚀", "🚀{}", "🎉"),
    "right-to-left": one_of("{}שלום", "مرحبا", "مرحبا {}"),
    "look-alike letters": alike,
    "leading zeros": one_of("0{}", "000{}"),
    "number as text": meant("'{}"),
    "formula": one_of("=1+1", "={}", "=A1*2", '=HYPERLINK(""x"")'),
    "#REF!": one_of("#REF!", "#N/A", "#VALUE!", "#DIV/0!"),
}  # fmt: skip
AMOUNT: dict[str, Cells] = {
    "negative": one_of("-{}", "({})", "{}-", "\u2212{}"),
    "zero": one_of("0", "0.00", "0.0004"),
    "1e25": one_of("1e25", "9" * 26, "1E+25"),
    "1e308": one_of("1e308", "1.7e308", "1e309", "9" * 309),
    "inf": one_of("inf", "-inf", "Infinity", "∞"),
    "nan": one_of("nan", "NaN", "NULL", "None", "N/A"),
    "hex": one_of("0x1F4", "0X1f4", "1p4", "0b101"),
    "two decimal signs": one_of("1.234.5", "12..5", "1,23.4,5"),
    "thousands sign": thousands,
    "currency sign": meant("${}", "{} €", "USD {}", "£{}"),
    "percent": one_of("{}%", "12 %"),
    "30 decimals": one_of("{}" + "123456789" * 3 + "1", "0." + "3" * 30),
}
MONTH: dict[str, Cells] = {
    "impossible": one_of("2025-13", "2025-00", "2025-02-30", "0000-01", "2025-00-10"),
    "two-digit year": lambda cell, _: (f"{cell[2:4]}-{cell[5:7]}", cell),
    "time of day": meant("{}T13:45:00", "{} 23:59:59", "{} 00:00"),
    "impossible time": one_of("{} 25:99", "{}T10:61:00", "{} ::", "{}T24:30"),
    "zone": meant("{}T10:00:00Z", "{}T23:30:00-05:00", "{} 10:00+02:00"),
    "1899": one_of("1899-12", "1899-12-30", "1900-01"),
    "2205": one_of("2205-01", "2205-06-30", "9999-12"),
}
# A plain ledger with these may be refused: too long for a cell, or more likely a mistake.
MAY_BE_REFUSED = ("131,073 characters", "look-alike letters", "leading zeros", "formula", "#REF!")


def in_a_cell(kind: str, book: Book, random_: random.Random) -> Fault:
    column = random_.randrange(len(book.headings))
    if kind in AMOUNT:
        column = book.column(book.unit)
    elif kind in MONTH:
        column = book.column("month")
    row = random_.randrange(1, len(book.rows))
    cell = book.rows[row][column]
    # a time belongs to a day
    if kind in ("time of day", "impossible time", "zone") and len(cell) == 7:
        cell += "-15"

    found = (ANYWHERE | AMOUNT | MONTH)[kind](cell, random_)
    text, cell_meant = found if isinstance(found, tuple) else (found, None)
    means = [] if cell_meant is None else [book.with_cell(row, column, cell_meant).bytes()]
    if book.headings[column] not in JUDGED:
        means.append(book.bytes())
    # an id, and the same with zeros before it
    if kind == "leading zeros" and book.headings[column] == "customer":
        book = with_ids(book)
        text = f"00{book.rows[row][column]}"

    must = kind not in MAY_BE_REFUSED and book.headings[column] in JUDGED
    return Fault(book.with_cell(row, column, text).bytes(), tuple(means), row + 1, must=must)


def with_ids(book: Book) -> Book:
    """The ledger with numbers for names."""
    names = sorted({name for name, *_ in book.rows[1:]})
    return book.with_rows([(str(names.index(name) + 1), *rest) for name, *rest in book.rows[1:]])


def mixed_forms(book: Book, random_: random.Random) -> list[Fault]:
    column = book.column("month")
    plain = [lambda y, m: f"{y}-{m}", lambda y, m: f"{y}-{m}-01", lambda y, m: f"{y}-{m}-28"]
    further = [
        lambda y, m: f"{calendar.month_abbr[int(m)]} {y}",
        lambda y, m: f"{y}{m}",
        lambda y, m: f"{y}/{m}",
    ]

    def written_in(forms: list[Callable[[str, str], str]]) -> bytes:
        rows = [list(row) for row in book.rows[1:]]
        for row in rows:
            row[column] = random_.choice(forms)(row[column][:4], row[column][5:7])
        return book.with_rows(rows).bytes()

    return [Fault(written_in(plain)), Fault(written_in(plain + further), (book.bytes(),))]


def cut(book: Book, random_: random.Random) -> list[Fault]:
    data = book.bytes()
    faults = []
    for end in range(97, len(data), 97):
        start, closed = data[:end], data[end - 1 : end] == b"\n"
        # what is there is read, and it is said that the last line does not end
        means = () if closed else (start + b"\n", start + b"0\n")
        says = "" if closed else r"(?i)line end|end of (the )?line|newline|cut|breaks off"
        faults.append(Fault(start, means, says=says))
    return faults


def without(row: Sequence[str], column: int) -> list[str]:
    return [cell for number, cell in enumerate(row) if number != column]


def columns_missing(book: Book, random_: random.Random) -> list[Fault]:
    return [
        Fault(replace(book, rows=tuple(tuple(without(row, n)) for row in book.rows)).bytes())
        for n in range(len(book.headings))
    ]


def columns_doubled(book: Book, random_: random.Random) -> list[Fault]:
    doubled = []
    for n, name in enumerate(book.headings):
        rows = tuple((*row, row[n]) for row in book.rows)
        means = () if name in JUDGED else (book.bytes(),)
        doubled.append(Fault(replace(book, rows=rows).bytes(), means))
    return doubled


def columns_shuffled(book: Book, random_: random.Random) -> list[Fault]:
    order = random_.sample(range(len(book.headings)), len(book.headings))
    return [
        Fault(replace(book, rows=tuple(tuple(row[n] for n in order) for row in book.rows)).bytes())
    ]


def many_columns(book: Book, random_: random.Random) -> list[Fault]:
    few = sorted({name for name, *_ in book.rows[1:]})[:3]
    further = 10_000 - len(book.headings)
    names = (*book.headings, *[f"further {n}" for n in range(further)])
    rows = [(*row, *["x"] * further) for row in book.rows if row[0] in few]
    return [Fault(replace(book, rows=(names, *rows)).bytes(), must=False)]


def replaced(book: Book, random_: random.Random) -> list[Fault]:
    """By the same ledger with a column of list prices, and amounts and prices exchanged.

    Several times: what is read when is a matter of luck.
    """
    at = book.column(book.unit)
    priced = [
        (*row[:at], "list price" if n == 0 else f"{2 * float(row[at]):.2f}", *row[at:])
        for n, row in enumerate(book.rows)
    ]
    swapped = [(*row[:at], row[at + 1], row[at], *row[at + 2 :]) for row in priced]
    first, second = (replace(book, rows=tuple(rows)).bytes() for rows in (priced, swapped))
    return [Fault(first, (first, second), other=second, must=False)] * 8


def empty(book: Book, random_: random.Random) -> list[Fault]:
    return [Fault(data) for data in (b"", b"\n", b"\xef\xbb\xbf", b" \n \n", b"\0" * 512)]


def utf16(book: Book, random_: random.Random) -> list[Fault]:
    text = book.bytes().decode()
    return [
        Fault(text.encode(code), (book.bytes(),)) for code in ("utf-16", "utf-16-le", "utf-16-be")
    ]


def mixed_line_ends(book: Book, random_: random.Random) -> list[Fault]:
    ends = [random_.choice(["\n", "\r\n"]) for _ in book.rows]
    mixed = "".join(line + end for line, end in zip(book.lines(), ends, strict=True))
    return [Fault(mixed.encode()), Fault("".join(f"{line}\r\n" for line in book.lines()).encode())]


def same_rows_twice(book: Book, random_: random.Random) -> list[Fault]:
    heading, *rows = book.rows
    one = random_.choice(rows)
    return [
        Fault(book.with_rows([*rows, *rows]).bytes()),
        Fault(book.with_rows([*rows, one]).bytes(), line=len(book.rows) + 1),
        Fault(book.with_rows([*rows, heading, *rows]).bytes()),
    ]


def shuffled(book: Book, random_: random.Random) -> list[Fault]:
    return [Fault(book.with_rows(random_.sample(book.rows[1:], len(book.rows) - 1)).bytes())]


def flipped(data: bytes, random_: random.Random) -> list[bytes]:
    """The same 40 times, one bit of it the other way round."""
    flips = []
    for _ in range(40):
        bits = bytearray(data)
        bits[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        flips.append(bytes(bits))
    return flips


def typed(book: Book) -> pd.DataFrame:
    frame = pd.DataFrame(book.rows[1:], columns=list(book.headings)).replace("", None)
    return frame.astype({book.unit: float})


def workbook(book: Book) -> bytes:
    buffer = io.BytesIO()
    typed(book).to_excel(buffer, index=False, engine="xlsxwriter")
    return buffer.getvalue()


def parquet(book: Book, path: Path) -> bytes:
    ledger = typed(book)  # noqa: F841 - DuckDB finds it by its name
    duckdb.sql("select * from ledger").write_parquet(str(path))
    return path.read_bytes()


def flips_of_a_workbook(book: Book, random_: random.Random) -> list[Fault]:
    flips = flipped(workbook(book), random_)
    return [Fault(flip, (book.bytes(),), ending="xlsx") for flip in flips]


def flips_of_parquet(book: Book, random_: random.Random) -> list[Fault]:
    """Its pages carry no checksum: a flipped digit is another digit, and what the file now says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.parquet")
        found = []
        for flip in flipped(parquet(book, path), random_):
            path.write_bytes(flip)
            found.append(Fault(flip, (book.bytes(), as_csv(path)), ending="parquet"))
    return found


def as_csv(path: Path) -> bytes:
    """The rows of a Parquet file as a plain ledger; empty where there is no reading it."""
    try:
        frame = duckdb.read_parquet(str(path)).df()
    except Exception:  # a damaged file raises whatever its reader happens to stumble over
        return b""
    return frame.to_csv(index=False, lineterminator="\n").encode()


IN_A_FILE: dict[str, Callable[[Book, random.Random], list[Fault]]] = {
    "empty file": empty,
    "heading only": lambda book, _: [Fault(written(book.lines()[:1]))],
    "no heading": lambda book, _: [Fault(written(book.lines()[1:]))],
    "cut at every 97th byte": cut,
    "BOM": lambda book, _: [Fault(b"\xef\xbb\xbf" + book.bytes())],
    "UTF-16": utf16,
    "CRLF and LF mixed": mixed_line_ends,
    "the same rows twice": same_rows_twice,
    "rows shuffled": shuffled,
    "columns shuffled": columns_shuffled,
    "a column missing": columns_missing,
    "a column doubled": columns_doubled,
    "10,000 columns": many_columns,
    "replaced while read": replaced,
    "mixed forms of a month": mixed_forms,
    "bit flips of xlsx": flips_of_a_workbook,
    "bit flips of Parquet": flips_of_parquet,
}
KINDS = [*ANYWHERE, *AMOUNT, *MONTH, *IN_A_FILE]


def faults(kind: str, book: Book, cells: int) -> list[Fault]:
    random_ = random.Random(f"{SEED} {kind} {book.name}")
    if kind in IN_A_FILE:
        return IN_A_FILE[kind](book, random_)
    return [in_a_cell(kind, book, random_) for _ in range(cells)]
