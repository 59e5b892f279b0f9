"""Files and folders are there whole or not at all, whatever fails while they are written."""

import errno
import os
import subprocess
import sys
import threading
import zipfile

import duckdb
import pandas as pd
import pytest
from conftest import ROOT
from python_calamine import CalamineWorkbook

from nrrsim.errors import NrrsimError, UsageError
from nrrsim.files import (
    TABLES,
    add_line,
    checked_table,
    refused,
    whole,
    whole_folder,
    write_parquet,
    write_table,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_at_half(file, error):
    with whole(file) as unfinished:
        unfinished.write_text("half")
        raise error


def fill(folder, name, error=None):
    with whole_folder(folder) as work:
        (work / name).write_text(name)
        if error:
            raise error


def test_a_file_takes_the_place_of_the_one_before(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("before")
    with whole(file) as unfinished:
        unfinished.write_text("after")
        assert unfinished.parent == tmp_path, "on the same drive, so that a rename is one step"
        assert file.read_text() == "before"
    assert file.read_text() == "after"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("ours"), UsageError("said"), KeyboardInterrupt()])
def test_what_fails_leaves_what_stood_there(tmp_path, error):
    file = tmp_path / "a.txt"
    file.write_text("before")
    with pytest.raises(type(error)):
        fail_at_half(file, error)
    assert file.read_text() == "before"
    assert names(tmp_path) == ["a.txt"]


def test_a_new_file_replaces_nothing(tmp_path):
    file = tmp_path / "a.txt"
    with whole(file, new=True) as unfinished:
        unfinished.write_text("first")
    with pytest.raises(FileExistsError), whole(file, new=True) as unfinished:
        unfinished.write_text("second")
    assert file.read_text() == "first"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("folder", ["none", "a.txt"])
def test_what_cannot_be_written_is_said(tmp_path, folder):
    (tmp_path / "a.txt").write_text("a file")
    file = tmp_path / folder / "{b}.txt"
    with pytest.raises(UsageError, match=r"\{b\}\.txt: cannot be written \(.+\); is its folder"):
        write_text(file, "text")
    with pytest.raises(UsageError, match=r"cannot be written \(.+\); is its folder"):
        write_parquet(pd.DataFrame({"x": [1]}), file, {})
    with (
        pytest.raises(UsageError, match=f"^no room in .*{folder}$"),
        whole(file, "no room in {folder}") as unfinished,
    ):
        unfinished.write_text("text")
    assert names(tmp_path) == ["a.txt"]


FRAME = pd.DataFrame({"name": ["=1+1", "http://x"], "number": [1, 2], "ratio": [0.5, None]})


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.PARQUET"])
def test_a_table_is_what_its_name_ends_in(tmp_path, name):
    write_table(FRAME, tmp_path / name, {"title": "=2+2", "seed": 7})
    readers = {"a.csv": pd.read_csv, "a.xlsx": sheet_of, "a.PARQUET": parquet_of}
    assert readers[name](tmp_path / name).equals(FRAME)
    assert names(tmp_path) == [name]


def sheet_of(path):
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name("Table").to_python()
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    return frame.astype({"number": int}).assign(ratio=pd.to_numeric(frame["ratio"]))


def parquet_of(path):
    return duckdb.sql(f"from '{path}'").df().astype({"name": "str", "number": int})


def test_a_workbooks_texts_are_texts_and_it_says_what_it_is(tmp_path):
    write_table(FRAME, tmp_path / "a.xlsx", {"title": "=2+2", "seed": 7})
    about = CalamineWorkbook.from_path(tmp_path / "a.xlsx").get_sheet_by_name("About")
    assert about.to_python() == [["title", "=2+2"], ["seed", 7]]
    with zipfile.ZipFile(tmp_path / "a.xlsx") as parts:
        sheets = [parts.read(each) for each in parts.namelist() if "sheet" in each]
    assert not [each for each in sheets if b"<f>" in each or b"hyperlink" in each]


@pytest.mark.parametrize("name", ["a.txt", "a", "a.xls", "a.parquet.gz"])
def test_another_ending_is_refused_before_anything_is_done(tmp_path, name):
    for refuse in (lambda path: write_table(FRAME, path, {}), checked_table):
        with pytest.raises(UsageError, match=r"write \.csv, \.xlsx or \.parquet"):
            refuse(tmp_path / name)
    assert names(tmp_path) == []


def test_more_rows_than_excel_holds_are_refused():
    assert checked_table("a.xlsx", 1_048_575) == ".xlsx"
    assert checked_table("a.csv", 10**9) == ".csv"
    with pytest.raises(UsageError, match=r"1,048,576 rows.*\.parquet or \.csv"):
        checked_table("a.xlsx", 1_048_576)


def test_a_folder_takes_the_place_of_the_one_before(tmp_path):
    final = tmp_path / "report"
    for name in ("first", "second"):
        fill(final, name)
        assert names(final) == [name]
    with pytest.raises(ValueError, match="ours"):
        fill(final, "third", ValueError("ours"))
    assert names(final) == ["second"]
    assert names(tmp_path) == ["report"]
    assert final.stat().st_mode & 0o777 == 0o755


SAID = {
    errno.ENOSPC: (1, "the disk is full"),
    errno.EDQUOT: (1, "your share of the disk is used up"),
    errno.EFBIG: (1, "larger than a file may be"),
    errno.EIO: (1, "the disk does not take it"),
    errno.EROFS: (2, "the disk is read-only"),
    errno.EACCES: (2, "you may not write there"),
    errno.EPERM: (2, "you may not write there"),
    errno.EISDIR: (2, "a folder has that name"),
    errno.ENAMETOOLONG: (2, "its name is too long"),
    errno.ENOENT: (2, "No such file or directory"),
    errno.ETXTBSY: (2, os.strerror(errno.ETXTBSY)),
}


@pytest.mark.parametrize("code", SAID, ids=errno.errorcode.get)
def test_why_something_cannot_be_written_is_said_in_words(code, tmp_path):
    """By a file, a folder and the command alike; the number of the system stands nowhere."""
    exit_code, words = SAID[code]
    error = OSError(code, os.strerror(code))
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(NrrsimError, match=words) as caught, whole(tmp_path / "a.txt"):
        raise error
    assert caught.value.exit_code == exit_code
    assert "Errno" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'a.txt'}: cannot be written (")
    assert (tmp_path / "a.txt").read_text() == "before"
    kind = NrrsimError if exit_code == 1 or code == errno.EROFS else OSError
    with pytest.raises(kind), whole_folder(tmp_path / "folder"):
        raise error
    assert words in str(refused(error))
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("ending", TABLES)
def test_a_table_does_not_take_the_place_of_a_folder(ending, tmp_path):
    (tmp_path / f"a{ending}").mkdir()
    with pytest.raises(UsageError, match="a folder has that name"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / f"a{ending}", {})


def test_the_command_says_it_where_nobody_else_did(run, monkeypatch):
    for code, (exit_code, words) in SAID.items():
        error = OSError(code, os.strerror(code), "some/place")

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr("nrrsim.ledger.ledger.read_ledger", fail)
        found, out, err = run("check", "a.csv")
        assert (found, out) == (exit_code, "")
        assert err.startswith(f"some/place: {words}") or words in err
        assert "does not expect" not in err


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    for name in ("there.txt", "new.txt"):
        (tmp_path / name).symlink_to(tmp_path / "real" / name)
    write_text(tmp_path / "real" / "there.txt", "before")
    for name in ("there.txt", "new.txt"):
        write_text(tmp_path / name, "after")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "real" / name).read_text() == "after"
    assert names(tmp_path / "real") == ["new.txt", "there.txt"]
    assert names(tmp_path) == ["new.txt", "real", "there.txt"]


def test_a_pipe_is_written_to_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_text(tmp_path / "pipe", "text")
    reader.join(20)
    assert read == ["text"]
    assert (tmp_path / "pipe").is_fifo()
    write_text("/dev/null", "text")
    assert not os.path.isfile("/dev/null")


def test_a_schema_for_a_pipe_is_a_schema(tmp_path):
    code = "from nrrsim.cli import main; main()"
    words = [sys.executable, "-c", code, "schema"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    told = subprocess.run(
        [*words, "--out", "/dev/stdout"], capture_output=True, text=True, check=True
    )
    assert told.stdout == shown
    assert subprocess.run([*words, "--out", str(tmp_path / "s.json")], check=True)
    assert (tmp_path / "s.json").read_text() == shown
    assert names(tmp_path) == ["s.json"]


def test_what_killed_processes_left_is_cleared_and_nothing_else(tmp_path):
    own, gone, running = os.getpid(), 99_999_999, os.getppid()
    left = [f".a.txt-{gone}.part", f".b[1]-{gone}-xy_z0123"]
    kept = [
        f".a.txt-{running}.part",
        f".a.txt-{gone}.csv",
        # somebody's own: what has another name, or is of another kind
        f".a.txt-{gone}",
        ".a.txt-2024-q3",
        f".b[1]-{gone}",
        f".b[1]-{gone}.part",
        f".aXtxt-{gone}",
        f"a.txt-{gone}",
        ".a.txt-x",
    ]
    for name in [*left, *kept]:
        (tmp_path / name).write_text("")
    (tmp_path / left[1]).unlink()
    (tmp_path / left[1]).mkdir()
    (tmp_path / left[1] / "half").write_text("")
    own_folder = tmp_path / ".a.txt-99999998.part"
    own_folder.mkdir()
    kept.append(own_folder.name)
    write_text(tmp_path / "a.txt", "text")
    fill(tmp_path / "b[1]", "c")
    assert names(tmp_path) == sorted([*kept, "a.txt", "b[1]"])
    assert not [name for name in names(tmp_path) if str(own) in name]


def test_a_line_that_cannot_be_added_is_said(tmp_path):
    add_line(tmp_path / "kept", "one")
    add_line(tmp_path / "kept", "two")
    assert (tmp_path / "kept").read_text() == "one\ntwo\n"
    with pytest.raises(UsageError, match="none/kept: cannot be written"):
        add_line(tmp_path / "none" / "kept", "three")


def test_a_session_of_duckdb_draws_no_progress_in_a_kernel():
    """`python -c` has no file of its own, as a kernel has none: DuckDB takes both for a screen."""
    asked = "execute(\"select current_setting('enable_progress_bar')\").fetchall()"
    code = f"""
import duckdb
from nrrsim.files import quiet_database
print(duckdb.connect().{asked}, quiet_database().{asked})
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["[(True,)]", "[(False,)]"]


def test_each_session_of_duckdb_is_a_quiet_one():
    files = [path for path in (ROOT / "nrrsim").rglob("*.py") if path.name != "files.py"]
    loud = [path.name for path in files if "duckdb.connect(" in path.read_text()]
    assert loud == []
