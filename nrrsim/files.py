"""Bytes, text or frames in, files that are whole or not there out; never knows what is in them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from nrrsim.errors import UsageError

# What is said of a file that cannot be written: `why` is the system's word for it. Other words may
# name its `folder` instead.
CANNOT_BE_WRITTEN = "{path}: cannot be written ({why}); is its folder there?"
FRAME_CANNOT_BE_WRITTEN = "{path}: cannot be written; is its folder there, and may you write to it?"


# --- whole or not at all --------------------------------------------------------------------------


@contextmanager
def whole(path: str | Path, words: str = CANNOT_BE_WRITTEN, *, new: bool = False) -> Iterator[Path]:
    """A path beside `path` to write a file to, which takes its place when all went well.

    Whatever fails, or kills the process, `path` is as it was. Raises UsageError, in `words`, for
    what the system does not let be written.

    new : nothing may stand at `path`; raises FileExistsError where something does.
    """
    final = Path(path)
    unfinished = final.with_name(f".{final.name}-{os.getpid()}")
    try:
        yield unfinished
        if new:
            _named(unfinished, final)
        else:
            os.replace(unfinished, final)
    except OSError as error:
        if new and isinstance(error, FileExistsError):
            raise
        text = words.format(path=path, folder=final.parent, why=error.strerror)
        raise UsageError(text) from None
    finally:
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

    Whatever fails, or kills the process, `path` is as it was. What killed processes left there is
    cleared. Raises UsageError where the folder above cannot be written to.
    """
    try:
        for left in path.parent.glob(f".{path.name}-*-*"):
            owner = left.name.removeprefix(f".{path.name}-").partition("-")[0]
            if owner.isdigit() and not _is_running(int(owner)):
                shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}-{os.getpid()}-", dir=path.parent))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written to ({error.strerror})") from None

    try:
        yield work
        _swap(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _is_running(process: int) -> bool:
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
    """A file of text, whole or not at all; raises UsageError where it cannot be written."""
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_parquet(frame: pd.DataFrame, path: str | Path, about: Mapping[str, Any]) -> None:
    """A frame as a Parquet file with `about` in its metadata; raises UsageError if it cannot be."""
    import duckdb

    metadata = ", ".join(f"{key}: {_quoted(value)}" for key, value in about.items())
    with whole(path, FRAME_CANNOT_BE_WRITTEN) as unfinished, duckdb.connect() as database:
        database.register("rows", frame)
        copy = f"copy rows to {_quoted(unfinished)} (format parquet, compression zstd,"
        try:
            database.execute(f"{copy} kv_metadata {{{metadata}}})")
        except duckdb.IOException as error:
            raise OSError from error


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


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
