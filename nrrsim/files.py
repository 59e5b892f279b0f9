"""Bytes, text or frames in, files that are whole or not there out; never knows what is in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nrrsim.errors import UsageError


def write_parquet(frame: pd.DataFrame, path: str | Path, about: Mapping[str, Any]) -> None:
    """A frame as a Parquet file with `about` in its metadata; raises UsageError if it cannot be."""
    import duckdb

    final = Path(path)
    unfinished = final.with_name(f".{final.name}-{os.getpid()}")
    told = ", ".join(f"{key}: {_quoted(value)}" for key, value in about.items())
    try:
        with duckdb.connect() as database:
            database.register("rows", frame)
            database.execute(
                f"copy rows to {_quoted(unfinished)}"
                f" (format parquet, compression zstd, kv_metadata {{{told}}})"
            )
        os.replace(unfinished, final)
    except (duckdb.IOException, OSError):
        raise UsageError(
            f"{path}: cannot be written; is its folder there, and may you write to it?"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _quoted(text: Any) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def shared(*parts: str) -> Path:
    """A file or folder that comes with nrrsim: beside the package, or in a wheel inside it."""
    package = Path(__file__).parent
    beside = package.parent.joinpath(*parts)
    return (
        beside
        if beside.exists() and (package.parent / "pyproject.toml").exists()
        else package.joinpath("_share", *parts)
    )


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """A file of text, whole or not at all."""
    unfinished = path.with_name(f"{path.name}-{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}); is its folder there?"
        ) from None
