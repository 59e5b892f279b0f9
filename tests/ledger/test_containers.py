"""What a ledger is packed in: the same rows of each, or one refusal that says what is wrong."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.ledger import containers
from nrrsim.ledger.sources import read_rows

HEAD = ["customer", "month", "mrr", "segment"]
ROWS = [["Zürich AG", "2025-01", "100", "smb"], ["Birch", "2025-01", "50.25", "mid"]]
PLAIN = [HEAD, *ROWS]
KNOWN = [dict(zip(HEAD, row, strict=True)) for row in ROWS]


def written(separator: str = ",", end: str = "\n") -> str:
    return "".join(separator.join(row) + end for row in PLAIN)


def packed_as(names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in names.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def in_bytes(kind: str) -> bytes:
    buffer = io.BytesIO()
    frame = pd.DataFrame(ROWS, columns=pd.Index(HEAD))
    if kind == "xlsx":
        frame.to_excel(buffer, index=False, engine="xlsxwriter")
        return buffer.getvalue()
    import duckdb

    with duckdb.connect() as con:
        con.register("ledger", frame)
        con.sql("select * from ledger").write_parquet(kind)
    return Path(kind).read_bytes()


CSV = written().encode()
SAME = {
    "a.csv": CSV,
    "a.tsv": written("\t").encode(),
    "a.txt": written("|", "\r\n").encode(),
    "no-ending": CSV,
    "semicolons.csv": written(";").encode(),
    "bom.csv": b"\xef\xbb\xbf" + CSV,
    "a.csv.gz": gzip.compress(CSV),
    "gzip-without-its-ending.csv": gzip.compress(CSV),
    "a.tsv.GZ": gzip.compress(written("\t").encode()),
    "a.xlsx.gz": gzip.compress(in_bytes("xlsx")),
    "a.json.gz": gzip.compress(json.dumps(KNOWN).encode()),
    "a.zip": packed_as({"ledger.csv": CSV}),
    "folder.zip": packed_as({"q4/": b"", "q4/ledger.tsv": written("\t").encode()}),
    "beside.zip": packed_as(
        {
            "ledger.csv": CSV,
            "readme.txt": b"a,b\n",
            "__MACOSX/._ledger.csv": b"x",
            ".DS_Store": b"x",
        }
    ),
    "book.zip": packed_as({"ledger.xlsx": in_bytes("xlsx"), "cover.pdf": b"%PDF"}),
    "utf16.txt": written("\t", "\r\n").encode("utf-16"),
    "big-endian.csv": b"\xfe\xff" + written().encode("utf-16-be"),
    "no-mark.csv": written().encode("utf-16-le"),
    "no-mark-be.csv": written().encode("utf-16-be"),
    "utf16.csv.gz": gzip.compress(written().encode("utf-16")),
    "windows.csv": written(";", "\r\n").encode("cp1252"),
    "a.xlsx": in_bytes("xlsx"),
    "workbook.csv": in_bytes("xlsx"),
    "workbook.xls": in_bytes("xlsx"),
    "workbook.xlsb": in_bytes("xlsx"),
    "a.json": json.dumps(KNOWN).encode(),
    "wrapped.json": json.dumps({"count": 2, "data": KNOWN}).encode(),
    "lines.json": "\n".join(map(json.dumps, KNOWN)).encode(),
    "a.ndjson": ("\n".join(map(json.dumps, KNOWN)) + "\n").encode("utf-16"),
}


@pytest.mark.parametrize("name", SAME)
def test_every_container_holds_the_same_rows(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(SAME[name])
    [rows] = read_rows(path)
    assert list(rows.headings) == list(rows.frame.columns) == HEAD
    assert rows.frame.to_numpy().tolist() == ROWS
    assert rows.name.startswith(str(path))
    first = 1 if "json" in name else 2
    assert rows.lines().tolist() == [first, first + 1]
    assert nr.read_ledger(path).customers("2025-01")["arr"].sum() == pytest.approx(1803)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.csv.gz", "unpacked from gzip"),
        ("beside.zip", "ledger.csv is read from the zip file, and not readme.txt"),
        ("utf16.txt", "UTF-16"),
        ("windows.csv", "cp1252"),
        ("wrapped.json", "the records are those of data"),
    ],
)
def test_what_was_taken_for_what_is_said(tmp_path, name, said):
    path = tmp_path / name
    path.write_bytes(SAME[name])
    assert said in " ".join(read_rows(path)[0].taken)


def test_a_finding_names_the_line_of_what_is_packed(tmp_path):
    wrong = CSV + b"Cedar,2025-01,x,smb\n"
    for name, data in {
        "a.csv.gz": gzip.compress(wrong),
        "a.csv": wrong.decode().encode("utf-16"),
        "a.txt": wrong.decode().encode("cp1252"),
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(nr.DataError, match=rf"{name}:4: mrr: 'x'"):
            nr.read_ledger(path)
    path = tmp_path / "a.zip"
    path.write_bytes(packed_as({"q/ledger.csv": wrong}))
    with pytest.raises(nr.DataError, match=r"a\.zip/q/ledger\.csv:4: mrr: 'x'"):
        nr.read_ledger(path)


def locked() -> bytes:
    """An archive that says of its part that it is encrypted."""
    data = bytearray(packed_as({"ledger.csv": CSV}))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def damaged(data: bytes) -> bytes:
    middle = len(data) // 3
    return (
        data[:middle]
        + bytes(each ^ 0x55 for each in data[middle : middle + 9])
        + data[middle + 9 :]
    )


REFUSED = {
    "two.zip": (packed_as({"a.csv": CSV, "b.csv": CSV}), "holds 2 tables: a.csv, b.csv"),
    "none.zip": (packed_as({"a.pdf": b"%PDF"}), "holds no tables: a.pdf"),
    "empty.zip": (packed_as({}), "holds no tables"),
    "nested.zip": (packed_as({"a.zip": SAME["a.zip"]}), "holds no tables"),
    "locked.zip": (locked(), "is protected by a password"),
    "damaged.zip": (damaged(packed_as({"ledger.csv": CSV * 50})), "damaged"),
    "cut.zip": (SAME["a.zip"][:60], "is a zip file that is damaged"),
    "cut.csv.gz": (gzip.compress(CSV * 50)[:-12], "is a gzip file that is damaged or cut off"),
    "damaged.csv.gz": (damaged(gzip.compress(CSV * 50)), "is a gzip file that is damaged"),
    "utf16-cut.csv": (written().encode("utf-16")[:-1], "is UTF-16 text that is damaged"),
    "tar.csv.gz": (
        gzip.compress(b"a.csv".ljust(257, b"\0") + b"ustar".ljust(255)),
        "a tar archive",
    ),
    "a.pdf": (b"%PDF-1.7", "is a PDF"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive"),
    "damaged-workbook.csv": (in_bytes("xlsx")[:900], "is a spreadsheet, not CSV, and damaged"),
    "html.xls": (b"<html><table><tr><td>customer</td></tr></table></html>", "it is a web page"),
    "text.xls": (CSV[:8], "it is text; give it the ending .csv"),
    "text.json": (b"customer,month\n", "is no JSON"),
    "number.json": (b"12", "is no list of records"),
    "cut.json": (json.dumps(KNOWN).encode()[:-5], "is no JSON"),
    "twice.json": (b'[{"mrr": 1, "mrr": 2}]', "has 'mrr' twice"),
    "deep.json": (b"[" * 100_000, "is no JSON"),
    "none.json": (b"[]", "the file is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_damaged_is_one_clear_refusal(tmp_path, name):
    data, said = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(nr.DataError) as caught:
        read_rows(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", ["csv.gz", "zip"])
def test_what_unpacks_to_more_than_a_ledger_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(containers, "NEVER_TOO_MUCH", 2**16)
    data = CSV + b"\0" * 2**22
    path = tmp_path / f"bomb.{kind}"
    path.write_bytes(gzip.compress(data) if kind == "csv.gz" else packed_as({"a.csv": data}))
    with pytest.raises(nr.DataError, match="unpacked it has more than"):
        read_rows(path)


PLAUSIBLE = [
    "Café",
    "Münch & Söhne",
    "Łódź".replace("Ł", "L").replace("ź", "z"),
    "5 €",
    "“Alder”",
    "É. Dupont",
]


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_cp1252_is_read_where_the_bytes_speak_for_it(tmp_path, name):
    path = tmp_path / "a.csv"
    path.write_bytes(written().replace("Zürich AG", name).encode("cp1252"))
    assert read_rows(path)[0].frame.iloc[0, 0] == name


@pytest.mark.parametrize(
    "name",
    [
        b"c\xff",
        b"Caf\xc3\xa9 \xe9t\xe9",
        b"\x81lder",
        b"A\xe91",
        b"1\xe92",
        "Żółw".encode("cp1250"),
    ],
)
def test_other_bytes_stay_a_finding(tmp_path, name):
    """A lone byte, two encodings in one file, a letter between digits: no cp1252."""
    path = tmp_path / "a.csv"
    path.write_bytes(CSV.replace("Zürich AG".encode(), name))
    assert "is not UTF-8 text" in str(read_rows(path)[0].findings)


# --- several files --------------------------------------------------------------------------------


def test_a_folder_is_all_ledgers_in_it(tmp_path):
    for name in ("b.csv", "a.csv.gz", "~$b.xlsx", ".hidden.csv", "notes.docx", "c.json"):
        (tmp_path / name).write_bytes(SAME.get(name, CSV) if name != "c.json" else SAME["a.json"])
    (tmp_path / "older").mkdir()
    rows = read_rows(tmp_path)
    assert [Path(each.name).name for each in rows] == ["a.csv.gz", "b.csv", "c.json"]
    assert rows[0].taken[0].endswith("3 files are read, and not notes.docx")


def test_a_folder_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(nr.UsageError, match="there is no such file in this folder"):
        read_rows(tmp_path)


# --- zones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["pandas", "ARROW:schema", "other"])
def test_a_zone_that_a_parquet_file_names_is_that_of_its_instants(tmp_path, key):
    import base64

    import duckdb

    told = {
        "pandas": json.dumps(
            {"columns": [{"name": "month", "metadata": {"timezone": "Asia/Tokyo"}}]}
        ),
        "ARROW:schema": base64.b64encode(b"\0\0month\0\x0aAsia/Tokyo\0").decode(),
        "other": "Asia/Tokyo",
    }
    path = tmp_path / "a.parquet"
    duckdb.sql(
        "copy (select 'A' as customer, timestamptz '2025-01-31 15:00+00' as month, 1 as mrr) to"
        f" '{path}' (format parquet, kv_metadata {{'{key}': '{told[key]}'}})"
    )
    if key == "other":
        with pytest.raises(nr.DataError, match="is a time of a zone"):
            nr.read_ledger(path)
    else:
        assert nr.read_ledger(path).months == ["2025-02"]


def test_damaged_words_of_a_zone_are_passed_over(tmp_path):
    import duckdb

    path = tmp_path / "a.parquet"
    duckdb.sql(
        "copy (select 'A' as customer, timestamptz '2025-01-31 00:00+00' as month, 1 as mrr) to"
        f" '{path}' (format parquet, kv_metadata {{pandas: '{{', \"ARROW:schema\": '%'}})"
    )
    assert nr.read_ledger(path).months == ["2025-01"]


@pytest.mark.parametrize("is_old", [True, False])
def test_an_old_workbook_says_what_its_gaps_may_hide(tmp_path, monkeypatch, is_old):
    path = tmp_path / "a.xlsx"
    if is_old:
        monkeypatch.setattr("nrrsim.ledger.sheets.can_tell", lambda path: False)
    frame = pd.DataFrame({"customer": ["A", "B"], "month": "2025-01", "mrr": [1.0, None]})
    frame.to_excel(buffer := io.BytesIO(), index=False, engine="xlsxwriter")
    path.write_bytes(buffer.getvalue())
    said = " ".join(map(str, read_rows(path)[0].notices))
    assert ("an error such as #REF! looks like one" in said) == is_old
