"""A file as it came in, one that a reader can open out; never unpacks more than a ledger can be.

What a file is goes by its first bytes, and by its ending where those say nothing. What is packed,
or is text of another encoding, is written anew to a file that is there only while it is read.
"""

from __future__ import annotations

import codecs
import gzip
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO

from nrrsim.errors import DataError, Finding

SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
PARQUET = (".parquet", ".pq")
TEXTS = (".csv", ".tsv", ".txt")
RECORDS = (".json", ".jsonl", ".ndjson")
TABLES = (*TEXTS, *SPREADSHEETS, *PARQUET, *RECORDS)
BLOCK = 2**20  # bytes
MOST_UNPACKED = 4 * 2**30  # bytes of a ledger, unpacked
# Rows of a ledger are alike, and shrink to a tenth or a fiftieth; a file made to fill a disk to a
# thousandth.
MOST_SHRUNK, NEVER_TOO_MUCH = 250, 64 * 2**20
WORKBOOK_PARTS = ("[Content_Types].xml", "xl/workbook.xml", "xl/workbook.bin", "mimetype")
UPPER_HALF = re.escape(bytes(range(0x80, 0xC0)).decode("cp1252", "ignore"))  # in UTF-8 never first
# What is written into an archive by those who make it, and is no table.
BESIDE = re.compile(r"(^|/)(__MACOSX/|\.|~\$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
# How files begin that are no text, whatever their ending: the kind that they are read as, or what
# is wrong and what to do.
NO_TEXT = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (".xls", "", ""),
    b"PAR1": (".parquet", "", ""),
    b"PK": ("", "is a spreadsheet, not CSV, and damaged", "give it the ending .xlsx"),
    b"7z\xbc\xaf\x27\x1c": ("", "is a 7-Zip archive", "unpack it, and give the files"),
    b"Rar!": ("", "is a RAR archive", "unpack it, and give the files"),
    b"BZh": ("", "is packed by bzip2", "unpack it, and give the file"),
    b"\xfd7zXZ": ("", "is packed by xz", "unpack it, and give the file"),
    b"\x28\xb5\x2f\xfd": ("", "is packed by zstd", "unpack it, and give the file"),
    b"%PDF": ("", "is a PDF", "export the table as CSV or Excel"),
}
ENCODINGS = {"utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16",
             "cp1252": "cp1252, as Windows writes it: it is no UTF-8"}  # fmt: skip
# cp1252's signs that stand by themselves, beside its letters
SIGNS = "€‚„…†‡‰‹‘’“”•–—™›\u00a0¡¢£¥§©ª«®°±²³´µ·¹º»¼½¾¿×÷"
LETTERS = "ŠŒŽšœžŸƒ" + "".join(chr(code) for code in range(0xC0, 0xFF) if code not in (0xD7, 0xF7))


@dataclass(frozen=True)
class Opened:
    """A file that can be read now: where its bytes are, and what the user calls it.

    `kind` is the ending of a file of its kind, in small letters; `taken` are sentences on what was
    taken for what.
    """

    path: Path
    name: str
    kind: str
    taken: tuple[str, ...] = ()


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The file, or what is packed into it, while the context lasts.

    Raises DataError for what is damaged, locked, too large or no single table.
    """
    file = Opened(path, str(path), path.suffix.lower())
    start = _start(path)
    if start[:2] == b"\x1f\x8b":
        with tempfile.TemporaryDirectory(prefix="nrrsim-") as folder:
            yield _gunzipped(file, Path(folder))
    elif start[:2] == b"PK" and file.kind not in SPREADSHEETS and (held := _held(file)):
        if held == "a workbook":
            yield replace(file, kind=".xlsx", taken=("it is a workbook, whatever its ending",))
            return
        with tempfile.TemporaryDirectory(prefix="nrrsim-") as folder:
            yield _unzipped(file, Path(folder))
    else:
        yield replace(file, kind=_kind(file, start))


@contextmanager
def as_utf8(file: Opened) -> Iterator[Opened]:
    """The text of a file in UTF-8, while the context lasts.

    UTF-16 is known by its mark or by its zeros, and cp1252 where each byte above 127 is a letter or
    a sign at a place where it makes sense. Other text is handed on as it is.
    """
    encoding = _encoding(file)
    if not encoding:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="nrrsim-") as folder:
        inner = Path(folder, "text")
        with file.path.open("rb") as raw, inner.open("wb") as out:
            try:
                for text in codecs.iterdecode(iter(lambda: raw.read(BLOCK), b""), encoding):
                    out.write(text.encode())
            except UnicodeError:
                problem = f"is {ENCODINGS[encoding]} text that is damaged"
                raise _refused(file.name, problem, "save it as CSV UTF-8") from None
        said = f"its text is read as {ENCODINGS[encoding]}"
        yield replace(file, path=inner, taken=(*file.taken, said))


def _refused(name: str, problem: str, remedy: str, line: int = 0) -> DataError:
    return DataError([Finding(name, line, problem, remedy)])


def _start(path: Path) -> bytes:
    with path.open("rb") as raw:
        return raw.read(512)


def _kind(file: Opened, start: bytes) -> str:
    """What a file is that is not packed: its first bytes where its ending does not say."""
    if file.kind in (*SPREADSHEETS, *PARQUET):
        return file.kind
    for begin, (kind, problem, remedy) in NO_TEXT.items():
        if start.startswith(begin):
            if kind:
                return kind
            raise _refused(file.name, problem, remedy)
    if start[257:262] == b"ustar":
        raise _refused(file.name, "is a tar archive", "unpack it, and give the files or the folder")
    return ".json" if file.kind in RECORDS else ".csv"


def _gunzipped(file: Opened, folder: Path) -> Opened:
    inner = folder / "unpacked"
    try:
        with gzip.open(file.path) as packed:
            _unpack(packed, inner, file.name, file.path.stat().st_size)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _refused(
            file.name, "is a gzip file that is damaged or cut off", "export it anew"
        ) from None
    # what is packed may be a workbook, too: its ending, or its bytes, say so
    within = Path(file.path.stem if file.kind == ".gz" else file.path.name)
    unpacked = Opened(inner, file.name, within.suffix.lower(), ("it is unpacked from gzip",))
    is_workbook = _start(inner)[:2] == b"PK" and _held(unpacked) == "a workbook"
    return replace(unpacked, kind=".xlsx" if is_workbook else _kind(unpacked, _start(inner)))


def _held(file: Opened) -> str:
    """What a zip file is: "a workbook" or "files"; empty where it is damaged, and no .zip."""
    try:
        with zipfile.ZipFile(file.path) as packed:
            return "a workbook" if {*WORKBOOK_PARTS} & {*packed.namelist()} else "files"
    except Exception:  # of what is damaged each part may fail in its own way
        if file.kind != ".zip":
            return ""
        raise _refused(file.name, "is a zip file that is damaged", "export it anew") from None


def _unzipped(file: Opened, folder: Path) -> Opened:
    """The one table of an archive."""
    with zipfile.ZipFile(file.path) as packed:
        parts = [part for part in packed.infolist() if not part.is_dir()]
        parts = [part for part in parts if not BESIDE.search(part.filename)]
        tables = [part for part in parts if Path(part.filename).suffix.lower() in TABLES]
        # a text beside a table explains it
        others = [part for part in tables if not part.filename.lower().endswith(".txt")]
        tables = others or tables
        if len(tables) != 1:
            names = ", ".join(_shown(part.filename) for part in (tables or parts)[:10])
            problem = f"holds {len(tables) or 'no'} tables: {names}"
            remedy = "unpack it, and give the files or the folder"
            raise _refused(file.name, problem, remedy)
        [table] = tables
        name = f"{file.name}/{_shown(table.filename)}"
        inner = folder / f"unpacked{Path(table.filename).suffix.lower()}"
        try:
            with packed.open(table) as part:
                _unpack(part, inner, name, table.compress_size)
        except DataError:
            raise
        except Exception as error:  # each kind of damage raises something of its own
            if table.flag_bits & 1:
                problem = "is protected by a password"
                raise _refused(name, problem, "unpack it, and give the file") from None
            said = str(error) or type(error).__name__
            problem = f"is in a zip file that is damaged ({said})"
            raise _refused(name, problem, "export it anew") from None
    left = [_shown(part.filename) for part in parts if part is not table]
    said = f"{_shown(table.filename)} is read from the zip file"
    said += f", and not {', '.join(left[:10])}" if left else ""
    opened_ = Opened(inner, name, inner.suffix, (said,))
    return replace(opened_, kind=_kind(opened_, _start(inner)))


def _unpack(packed: IO[bytes] | gzip.GzipFile, to: Path, name: str, size: int) -> None:
    """Write what is unpacked to a file, as long as it can be a ledger."""
    most = min(MOST_UNPACKED, max(NEVER_TOO_MUCH, MOST_SHRUNK * size))
    written = 0
    with to.open("wb") as out:
        for block in iter(lambda: packed.read(BLOCK), b""):
            written += len(block)
            if written > most:
                times = f"more than {most / 2**20:,.0f} MB, from {size / 2**20:,.1f} MB"
                remedy = "is it a ledger? unpack it, and give the file"
                raise _refused(name, f"unpacked it has {times}", remedy)
            out.write(block)


def _shown(name: str) -> str:
    """A name from an archive, without what nobody sees."""
    return "".join(each if each.isprintable() else "?" for each in name)[:200]


# --- encodings ------------------------------------------------------------------------------------


def _encoding(file: Opened) -> str:
    """The encoding of a text that is not UTF-8, where its bytes speak for one; empty if not."""
    with file.path.open("rb") as raw:
        start = raw.read(4096)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
        if order := _zeros_speak(start):
            return order
        raw.seek(0)
        return "cp1252" if _speaks_cp1252(raw) else ""


def _zeros_speak(start: bytes) -> str:
    """UTF-16 without its mark: of plain letters each second byte is zero, and no other."""
    zeros = [start[first::2].count(0) / max(len(start) // 2, 1) for first in (0, 1)]
    if zeros[1] > 0.3 and zeros[0] < 0.05:
        return "utf-16-le"
    return "utf-16-be" if zeros[0] > 0.3 and zeros[1] < 0.05 else ""


def _speaks_cp1252(raw: BinaryIO) -> bool:
    """Whether a text is no UTF-8, and plausible as cp1252 throughout."""
    is_utf8, decoder, before = True, codecs.getincrementaldecoder("utf-8")(), b""
    for block in iter(lambda: raw.read(BLOCK), b""):
        if block.isascii() and not before:
            continue
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            is_utf8 = False
            break
        before = decoder.getstate()[0]
    if is_utf8 and not before:
        return False
    raw.seek(0)
    beside = ""
    for block in iter(lambda: raw.read(BLOCK), b""):
        try:
            text = beside + block.decode("cp1252")
        except UnicodeDecodeError:  # five bytes are nothing in cp1252
            return False
        if not _is_plausible(text):
            return False
        beside = text[-1:]
    return True


def _is_plausible(text: str) -> bool:
    """Whether each sign beyond ASCII is a letter beside a letter, or a sign that stands alone.

    Two in a row that are the bytes of one letter in UTF-8 are not: the text is of two encodings.
    """
    if re.search(rf"[Â-ß][{UPPER_HALF}]|[à-ï][{UPPER_HALF}]{{2}}", text):
        return False
    allowed = set(SIGNS) | set(LETTERS)
    for found in re.finditer(r"[^\x00-\x7f]+", text):
        if not allowed.issuperset(found[0]):
            return False
        around = (
            text[max(found.start() - 1, 0) : found.start()] + text[found.end() : found.end() + 1]
        )
        letters = [each for each in found[0] if each in LETTERS]
        if letters and (re.search(r"[0-9]", around) or not re.search(r"[A-Za-z.'-]", around)):
            return False
    return True
