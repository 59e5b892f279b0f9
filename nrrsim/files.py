"""Bytes, text or frames in, files that are whole or not there out; never knows what is in them."""

from __future__ import annotations

import ctypes
import datetime
import errno
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrrsim.errors import NrrsimError, UsageError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

CANNOT_BE_WRITTEN = "{path}: cannot be written ({why}); {remedy}"
# What the system's codes mean, and what to do: a run that finds no room has failed, the rest is of
# the place that was asked for. Other codes are told in the system's own words.
NO_ROOM = {
    errno.ENOSPC: ("the disk is full", "make room there, and run it again"),
    errno.EDQUOT: ("your share of the disk is used up", "make room there, and run it again"),
    errno.EFBIG: ("it is larger than a file may be there", "raise the limit, or write elsewhere"),
    errno.EIO: ("the disk does not take it", "look after the disk, or write elsewhere"),
}
NO_PLACE = {
    errno.EROFS: ("the disk is read-only", "choose another place"),
    errno.EACCES: ("you may not write there", "ask for permission, or choose another place"),
    errno.EPERM: ("you may not write there", "ask for permission, or choose another place"),
    errno.EISDIR: ("a folder has that name", "choose another one"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter one"),
}
ELSE = "is its folder there?"
TABLES = (".csv", ".xlsx", ".parquet")  # endings of what a table is written as
MOST_ROWS_OF_EXCEL = 1_048_576
UVX = "archive-v0"  # the folder of uv's cache that holds the environments of uvx


# --- whole or not at all --------------------------------------------------------------------------


def refused(error: OSError, path: object = "", words: str = CANNOT_BE_WRITTEN) -> NrrsimError:
    """What to say of what the system did not let be written to `path` (else: the error's own).

    A UsageError, or where there was no room an NrrsimError; `words` may name `{path}`, its
    `{folder}`, `{why}` and the `{remedy}`.
    """
    named = path or error.filename or "a file"
    own = str(error.strerror or error or "the system says no"), ELSE
    why, remedy = {**NO_ROOM, **NO_PLACE}.get(error.errno or 0, own)
    folder = Path(str(named)).parent
    said = words.format(path=named, folder=folder, why=why, remedy=remedy)
    return NrrsimError(said) if error.errno in NO_ROOM else UsageError(said)


@contextmanager
def whole(path: str | Path, words: str = CANNOT_BE_WRITTEN, *, new: bool = False) -> Iterator[Path]:
    """A path beside `path` to write a file to, which takes its place when all went well.

    Whatever fails, or ends the process, `path` is as it was, and what killed processes left there
    is cleared. Raises what `refused` says, in `words`, of what the system does not let be written.
    What is there and no file, such as a pipe, cannot be replaced: it is itself what to write to.

    new : nothing may stand at `path`; raises FileExistsError where something does.
    """
    final = Path(path)
    is_itself = not new and final.exists() and not final.is_file()
    if not is_itself and not new:
        final = Path(os.path.realpath(path))  # a link stays one: what it leads to is replaced
    unfinished = final if is_itself else final.with_name(f".{final.name}-{os.getpid()}.part")
    try:
        if final.is_dir() and not new:
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        if not is_itself:
            _clear_killed(final, r"\.part", Path.is_file)
        yield unfinished
        if new:
            _named(unfinished, final)
        elif not is_itself:
            os.replace(unfinished, final)
    except OSError as error:
        if new and isinstance(error, FileExistsError):
            raise
        raise refused(error, path, words) from None
    finally:
        if not is_itself:
            with suppress(OSError):  # where not even its folder is there
                unfinished.unlink()


def _named(unfinished: Path, path: Path) -> None:
    """A file at its name; raises FileExistsError where another came there meanwhile."""
    try:
        os.link(unfinished, path)  # unlike a rename, it replaces nothing
    except FileExistsError:
        raise
    except OSError:  # a drive that has no links
        os.rename(unfinished, path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to fill, which takes its place when all went well.

    Whatever fails, or ends the process, `path` is as it was. What killed processes left there is
    cleared. Raises what `refused` says of what the system does not let be written.
    """
    _clear_killed(path, r"-[a-z0-9_]{8}", Path.is_dir)
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}-{os.getpid()}-", dir=path.parent))
    except OSError as error:
        raise refused(error, path) from None

    try:
        yield work
        _swap(work, path)
    except OSError as error:
        # what could not be read on the way is for others to say
        if error.errno in NO_ROOM or error.errno == errno.EROFS:
            raise refused(error, path) from None
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def added_to(folder: Path) -> Iterator[Path]:
    """A folder to fill, whose files come into `folder` when all went well; what is there stays.

    A file of the same name is replaced. Whatever fails on the way, `folder` is as it was. Raises
    what `refused` says of what the system does not let be written.
    """
    before: dict[Path, bytes | None] = {}
    made: list[Path] = []
    try:
        _clear_killed(folder / "new", r"-[a-z0-9_]{8}", Path.is_dir)
        work = Path(tempfile.mkdtemp(prefix=f".new-{os.getpid()}-", dir=folder))
    except OSError as error:
        raise refused(error, folder) from None
    try:
        yield work
        for file in sorted(path for path in work.rglob("*") if path.is_file()):
            final = folder / file.relative_to(work)
            for parent in reversed(final.relative_to(folder).parents):
                if not (folder / parent).is_dir():
                    (folder / parent).mkdir()
                    made.append(folder / parent)
            before[final] = final.read_bytes() if final.is_file() else None
            os.replace(file, final)
    except BaseException as error:
        for final, content in before.items():
            with suppress(OSError):
                final.unlink() if content is None else final.write_bytes(content)
        for parent in reversed(made):
            with suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError):
            raise refused(error, folder) from None
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _clear_killed(final: Path, ending: str, is_kind: Callable[[Path], bool]) -> None:
    """Remove what processes that are no more left beside `final`: they could not do it.

    ending : how a name of theirs goes on after the process's number; is_kind : what it then is.
    What has another name, or is something else, is somebody's own.
    """
    ours = re.compile(re.escape(f".{final.name}-") + rf"(\d+){ending}")
    with suppress(OSError):  # where that cannot be, writing will say so
        for left in list(final.parent.iterdir()):
            owner = ours.fullmatch(left.name)
            if owner and is_kind(left) and not _is_running(int(owner[1])):
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def _is_running(process: int) -> bool:
    if sys.platform == "win32":  # where 0 would be Ctrl-C: what was left there stays
        return True
    try:
        os.kill(process, 0)  # sends nothing: it only looks whether it could
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _swap(work: Path, final: Path) -> None:
    """Put the finished folder in the place of the one before, in one step where the system can."""
    work.chmod(0o755)  # a temporary folder is its owner's alone
    if not final.exists():
        os.replace(work, final)
        return
    exchange, here = 2, -100  # RENAME_EXCHANGE, AT_FDCWD of Linux
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename and rename(here, os.fsencode(work), here, os.fsencode(final), exchange) == 0:
        return
    before = final.with_name(f".{final.name}-before")
    shutil.rmtree(before, ignore_errors=True)
    os.replace(final, before)
    os.replace(work, final)
    shutil.rmtree(before, ignore_errors=True)


# --- files of a kind ------------------------------------------------------------------------------


def write_text(path: str | Path, text: str) -> None:
    """A file of text, whole or not at all; raises what `refused` says if it cannot be written."""
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_again(path: str | Path, begins: str, text: str, by: str) -> None:
    """A file of text below the line that it `begins` with, over one that begins so, and no other.

    by : the command that writes it. Raises UsageError where something else stands there, and as
        `write_text`.
    """
    before = Path(path)
    if before.suffix.lower() in (".xlsx", ".xlsm", ".xls", ".csv"):
        raise UsageError(f"{path}: {by} writes text here, and no table; choose an --out in .yaml")
    with whole(path) as unfinished:
        if before.is_file() and not before.read_bytes().startswith(begins.encode()):
            raise UsageError(f"{path}: is there, and was not made by {by}; choose another --out")
        unfinished.write_text(f"{begins}\n{text}", encoding="utf-8")


def add_line(path: Path, line: str) -> None:
    """One more line of a file of text; what is no whole line has no end. Raises as `write_text`."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise refused(error, path) from None


def checked_table(path: str | Path, rows: int = 0) -> str:
    """The kind of table that a path's ending asks for, one of TABLES.

    Raises UsageError for any other ending, and where so many `rows` do not fit one of that kind.
    """
    ending = Path(path).suffix.lower()
    if ending not in TABLES:
        said = f"a table does not end in {ending}" if ending else "has no ending"
        raise UsageError(f"{path}: {said}; write {', '.join(TABLES[:-1])} or {TABLES[-1]}")
    if ending == ".xlsx" and rows >= MOST_ROWS_OF_EXCEL:
        raise UsageError(
            f"{path}: {rows:,} rows, and a sheet of Excel holds {MOST_ROWS_OF_EXCEL - 1:,} below"
            " their heading; write .parquet or .csv"
        )
    return ending


def write_table(frame: pd.DataFrame, path: str | Path, about: Mapping[str, Any]) -> None:
    """A frame as the table that the path's ending asks for, with `about` in it (but for CSV).

    Texts are texts: none becomes a formula or a link of Excel's. Raises as `checked_table` and
    `write_text`.
    """
    kind = checked_table(path, len(frame))
    if kind == ".parquet":
        write_parquet(frame, path, about)
        return
    with whole(path) as unfinished:
        if kind == ".csv":
            frame.to_csv(unfinished, index=False, lineterminator="\n")
        else:
            _write_sheets(frame, unfinished, about)


def _write_sheets(frame: pd.DataFrame, path: Path, about: Mapping[str, Any]) -> None:
    """A frame as the first sheet of a workbook, and what it is about as the second."""
    import xlsxwriter
    from xlsxwriter.exceptions import FileCreateError

    with tempfile.TemporaryDirectory() as own:  # for rows as they come: a million have no room
        options = {
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "nan_inf_to_errors": True,
            "constant_memory": True,
            "tmpdir": own,
        }
        try:
            with xlsxwriter.Workbook(str(path), options) as book:
                # the same inputs give the same file
                book.set_properties({"created": datetime.datetime(2000, 1, 1)})
                sheet, beside = book.add_worksheet("Table"), book.add_worksheet("About")
                sheet.write_row(0, 0, list(frame), book.add_format({"bold": True}))
                sheet.freeze_panes(1, 0)
                plain = frame.astype(object).where(frame.notna(), None)
                for row, values in enumerate(plain.itertuples(index=False, name=None), 1):
                    sheet.write_row(row, 0, values)
                for row, item in enumerate(about.items()):
                    beside.write_row(row, 0, item)
        except FileCreateError as error:
            raise error.args[0] from None  # what the system said


def quiet_database(*where: Any, **how: Any) -> duckdb.DuckDBPyConnection:
    """A session of DuckDB that draws no progress: in a kernel it would, among what a cell says."""
    import duckdb

    database = duckdb.connect(*where, **how)
    database.execute("set enable_progress_bar = false")
    return database


def write_parquet(frame: pd.DataFrame, path: str | Path, about: Mapping[str, Any]) -> None:
    """A frame as a Parquet file with `about` in its metadata; raises as `write_text`."""
    import duckdb

    metadata = ", ".join(f"{key}: {_quoted(value)}" for key, value in about.items())
    with whole(path) as unfinished, quiet_database() as database:
        database.register("rows", frame)
        copy = f"copy rows to {_quoted(unfinished)} (format parquet, compression zstd,"
        try:
            database.execute(f"{copy} kv_metadata {{{metadata}}})")
        except duckdb.IOException as error:
            # DuckDB tells the code in the system's words alone
            known = (code for code in errno.errorcode if os.strerror(code) in str(error))
            code = next(known, errno.EIO)
            raise OSError(code, os.strerror(code)) from error


def _quoted(text: Any) -> str:
    """A text of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


# --- files that are there -------------------------------------------------------------------------


def shared(*parts: str) -> Path:
    """A file or folder that comes with nrrsim: beside the package, or in a wheel inside it."""
    package = Path(__file__).parent
    beside = package.parent.joinpath(*parts)
    is_checkout = beside.exists() and (package.parent / "pyproject.toml").exists()
    return beside if is_checkout else package.joinpath("_share", *parts)


def to_install(extra: str, command: str = "nrrsim") -> str:
    """What to type for an extra that is missing: `pip install "nrrsim[lab]"`, or as uv has it.

    Where nrrsim is installed pip and uv keep it as it is, and add what the extra needs. uvx makes
    an environment anew and runs `command` in it.
    """
    own, what = Path(sys.executable), f"nrrsim[{extra}]"
    if UVX in own.parts:
        from importlib.metadata import distribution

        stated = distribution("nrrsim").read_text("direct_url.json")  # of a wheel, where it lies
        origin = f" @ {json.loads(stated)['url']}" if stated else ""
        return f'uvx --from "{what}{origin}" {command}'
    if find_spec("pip") is None:
        return f'uv pip install --python {own} "{what}"'
    pip = shutil.which("pip")  # the one on the path may be another environment's
    is_own = pip is not None and Path(pip).parent == own.parent
    return f'pip install "{what}"' if is_own else f'{own} -m pip install "{what}"'


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
