"""All that an answer is made of in, the answer out, made once and kept; never a wrong one.

It is kept under the hash of everything that could move it: what it is asked with, value by value
(tables cell by cell, with their headings and kinds), the package's own files, the versions of all
packages and the machine's instructions. So nothing is ever out of date: what changed has another
name. A value that nobody taught this module to read has no hash, and what is asked with it is made
anew each time. Answers are numbers and words of segments; no customer's name is to be in one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nrrsim.errors import NrrsimError
from nrrsim.files import whole

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FOLDER, OFF = "NRRSIM_CACHE", "off"  # in the environment: where answers are kept, or that none are
MOST = 200_000_000  # bytes of answers that are kept; beyond them the longest unused one goes
ENDING = ".answer"
ARRAY = "__array__"
NUMBERS = "biuf"  # NumPy's kinds of truth, whole numbers and fractions
SETTINGS = (
    "NUMBA_",
    "OPENBLAS_",
    "MKL_",
    "NPY_",
    "OMP_",
)  # variables that may choose other arithmetic
BEGUN: float = vars(sys.modules[__package__])["_begun"]  # before a file of the package was read
log = logging.getLogger("nrrsim")


def kept(name: str, asked: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """What `make` gives, or gave before to the same question.

    name : of what is asked. asked : all that the answer depends on, by name.
    The answer is made of texts, numbers, None, and lists, dicts by text and NumPy's arrays of
    numbers. Whether it was made or found, what comes back went through the same spelling, so that
    no figure and no type tells the two apart.
    """
    folder = _folder()
    key = None if folder is None else _key(name, asked)
    if folder is None or key is None:
        return _read(_spelled(make()))
    file = folder / f"{key}{ENDING}"
    body = _found(file, key)
    if body is None:
        body = _spelled(make())
        if _program() is not None:  # else an edit may have come in while it was made
            _keep(file, key, body)
    return _read(body)


def columns_of(frame: pd.DataFrame) -> dict[str, Any]:
    """A table as an answer holds it; `pandas.DataFrame` makes it of this again."""
    columns = {str(name): frame[name].to_numpy() for name in frame}
    return {
        name: values if values.dtype.kind in NUMBERS else values.tolist()
        for name, values in columns.items()
    }


def keep_nothing() -> None:
    """From here on make every answer anew, here and in the processes that are started from here."""
    os.environ[FOLDER] = OFF


# --- where ----------------------------------------------------------------------------------------


def _folder() -> Path | None:
    """The folder of answers, ours and our user's alone; None where none are kept."""
    said = os.environ.get(FOLDER, "")
    if said == OFF:
        return None
    if said:
        home = Path(said)
    else:
        from platformdirs import user_cache_path

        home = user_cache_path("nrrsim", appauthor=False)
        if not home.is_absolute():  # whoever has no home has no place: "~" here is not one
            return None
    folder = home / "answers"  # one of our own: what else a person keeps there is not ours to count
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_ours_alone(folder) else None
    except OSError:
        return None  # a place that cannot be used costs time, and no answer


def _is_ours_alone(folder: Path) -> bool:
    """Whether nobody else can read or write there, or can no more from here on."""
    if not hasattr(os, "getuid"):
        return True  # Windows: within the user's own profile
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return False
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return True


def _found(file: Path, key: str) -> bytes | None:
    """What was kept under a key; None where nothing is, or it is no longer what was written."""
    try:
        digest, _, body = file.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != _seal(key, body):
        return None
    with suppress(OSError):  # another process has made room
        os.utime(file)
    return body


def _keep(file: Path, key: str, body: bytes) -> None:
    """Keep an answer, whole or not at all; a full disk or a second process costs no answer."""
    with suppress(NrrsimError, OSError), whole(file) as unfinished:
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(_seal(key, body) + b"\n" + body)
    with suppress(OSError):
        _make_room(file.parent)


def _make_room(folder: Path) -> None:
    with os.scandir(folder) as entries:
        known = [(each.stat(), each.path) for each in entries if each.name.endswith(ENDING)]
    size = sum(stat.st_size for stat, _ in known)
    for stat, path in sorted(known, key=lambda each: each[0].st_mtime_ns):
        if size <= MOST:
            return
        with suppress(OSError):  # another process was there first
            os.unlink(path)
        size -= stat.st_size


def _seal(key: str, body: bytes) -> bytes:
    return hashlib.sha256(key.encode() + body).hexdigest().encode()


# --- how an answer is spelled ---------------------------------------------------------------------


def _spelled(answer: Any) -> bytes:
    """An answer as JSON; raises TypeError for one that does not come back as it is."""
    return json.dumps(_plain(answer)).encode()


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_plain(each) for each in value]
    if type(value) is dict and ARRAY not in value and all(type(key) is str for key in value):
        return {key: _plain(each) for key, each in value.items()}
    if type(value).__module__ == "numpy" and value.shape == () and value.dtype.kind in NUMBERS:
        return value.item()  # a single number
    if type(value).__name__ == "ndarray" and value.dtype.kind in NUMBERS:
        content = base64.b64encode(value.tobytes()).decode()
        return {ARRAY: [value.dtype.str, list(value.shape), content]}
    raise TypeError(f"an answer cannot hold a {type(value).__name__}")


def _read(body: bytes) -> Any:
    return json.loads(body, object_hook=_as_array)


def _as_array(found: dict[str, Any]) -> Any:
    if ARRAY not in found:
        return found
    import numpy as np

    kind, shape, content = found[ARRAY]
    return np.frombuffer(bytearray(base64.b64decode(content)), np.dtype(kind)).reshape(shape)


# --- what an answer depends on --------------------------------------------------------------------


class _UnknownError(Exception):
    """A value that has no hash."""


def _key(name: str, asked: Mapping[str, Any]) -> str | None:
    """The hash of a question; None where it has none."""
    program = _program()
    if program is None:
        return None
    digest = hashlib.sha256()
    try:
        for part in _bytes_of([program, name, dict(asked)]):
            digest.update(part)
    except _UnknownError as error:
        log.debug("%s is not kept: %s", name, error)
        return None
    return digest.hexdigest()


def _bytes_of(value: Any) -> Iterator[Any]:
    """The value, as bytes that no other value has; raises _UnknownError where it cannot be told."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str, bytes, date):
        yield _framed(kind.__name__, value if kind is bytes else repr(value).encode())
    elif kind in (list, tuple):
        yield _framed(kind.__name__, len(value))
        for each in value:
            yield from _bytes_of(each)
    elif kind in (dict, MappingProxyType):  # in its order, which what is added up may follow
        yield _framed("dict", len(value))
        for key, each in value.items():
            yield from _bytes_of(key)
            yield from _bytes_of(each)
    elif kind in (set, frozenset):
        yield _framed("set", len(value))
        yield from sorted(b"".join(map(bytes, _bytes_of(each))) for each in value)
    elif isinstance(value, Enum):
        yield _framed(f"{kind.__module__}.{kind.__qualname__}", value.name.encode())
    elif is_dataclass(value) and not isinstance(value, type):
        # a field that makes no difference between two is what was computed meanwhile
        told = {each.name: getattr(value, each.name) for each in fields(value) if each.compare}
        yield from _object(kind, told)
    elif hasattr(kind, "__pydantic_fields__"):
        inner = {**(value.__pydantic_private__ or {}), **(value.__pydantic_extra__ or {})}
        # where a file was read is no part of what it said
        inner = {name: each for name, each in inner.items() if not isinstance(each, Path)}
        told = {name: getattr(value, name) for name in kind.__pydantic_fields__}
        yield from _object(kind, {**told, **inner})
    elif kind.__module__.partition(".")[0] in ("numpy", "pandas"):
        yield from _bytes_of_data(value)
    else:
        raise _UnknownError(f"a {kind.__module__}.{kind.__qualname__} has no hash")


def _framed(kind: str, content: bytes | int) -> bytes:
    """Content behind its kind and length, so that two values are never one run of bytes."""
    if isinstance(content, int):
        return f"{kind}:{content};".encode()
    return f"{kind}:{len(content)};".encode() + content


def _object(kind: type, told: Mapping[str, Any]) -> Iterator[Any]:
    yield _framed("object", f"{kind.__module__}.{kind.__qualname__}".encode())
    yield from _bytes_of(dict(told))


def _bytes_of_data(value: Any) -> Iterator[Any]:
    """A table, column or array, cell by cell, with its headings and kinds."""
    import numpy as np
    import pandas as pd

    if isinstance(value, np.generic):
        yield _framed(value.dtype.str, value.tobytes())
    elif type(value) is np.ndarray:
        yield _framed("array", f"{value.dtype.str}{value.shape}".encode())
        yield from _cells(value)
    elif type(value) is pd.DataFrame:
        yield _framed("frame", value.shape[1])
        yield from _bytes_of([dict(value.attrs), value.columns, value.index])
        for place in range(value.shape[1]):
            yield from _bytes_of_data(value.iloc[:, place].array)
    elif type(value) is pd.Series:
        yield from _bytes_of(["series", value.name, dict(value.attrs), value.index])
        yield from _bytes_of_data(value.array)
    elif type(value) is pd.RangeIndex:
        yield from _bytes_of(["range", value.name, value.start, value.stop, value.step])
    elif type(value) is pd.MultiIndex:
        yield from _bytes_of(["levels", list(value.names), list(value.levels), list(value.codes)])
    elif isinstance(value, pd.Index):
        yield from _bytes_of(["index", value.name])
        yield from _bytes_of_data(value.array)
    elif type(value) is pd.Categorical:
        yield from _bytes_of(["categories", value.ordered, value.categories, value.codes])
    elif isinstance(value, pd.api.extensions.ExtensionArray):
        yield _framed("cells", f"{value.dtype!r}:{len(value)}".encode())
        plain = np.asarray(value)
        yield _framed("as", plain.dtype.str.encode())
        yield from _cells(plain)
    elif value is pd.NA or value is pd.NaT:
        yield _framed("missing", repr(value).encode())
    else:
        raise _UnknownError(f"a {type(value).__name__} has no hash")


def _cells(array: np.ndarray) -> Iterator[Any]:
    """The content of an array whose kind and shape are told already."""
    import numpy as np

    if array.dtype.kind in "biufcSUmM":
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        return
    if array.dtype.kind != "O":
        raise _UnknownError(f"an array of {array.dtype} has no hash")
    cells = array.reshape(-1).tolist()
    if all(type(each) is str for each in cells):  # by far the most: names, in one go
        yield from ("\0".join(cells).encode("utf-8", "surrogatepass"), b"\0")
        yield np.fromiter(map(len, cells), np.int64, len(cells)).tobytes()
        return
    for each in cells:
        yield from _bytes_of(each)


def _program() -> str | None:
    """The hash of what answers: the package's own files, the versions of all packages, Python and
    the machine; None where a file is not the one that this process may have loaded.
    """
    # looked at anew each time: a module is loaded when it is first needed, maybe after an edit
    try:
        packages = _packages([Path(each or ".") for each in sys.path])
        if packages is None or _is_edited(Path(__file__).parent):
            return None
        return _program_with(tuple(packages))
    except OSError:
        return None


@cache
def _program_with(packages: tuple[str, ...]) -> str:
    settings = {
        name: each for name, each in sorted(os.environ.items()) if name.startswith(SETTINGS)
    }
    machine = [platform.python_version(), platform.machine(), sys.platform, _instructions()]
    digest = hashlib.sha256()
    for part in _bytes_of([_files_of(Path(__file__).parent), packages, settings, machine]):
        digest.update(part)
    return digest.hexdigest()


def _is_edited(package: Path) -> bool:
    """Whether one of a package's files was changed since this process began, so that what runs may
    be what stood there before.
    """
    return any(_changed_since_begun(os.stat(file)) for file in _walked(str(package)))


def _files_of(package: Path) -> str:
    """The hash of a package's files, with their names."""
    digest = hashlib.sha256()
    for file in sorted(_walked(str(package))):
        with open(file, "rb") as opened:
            content = opened.read()
        name = os.path.relpath(file, package).encode("utf-8", "surrogateescape")
        digest.update(_framed("file", name))
        digest.update(_framed("content", content))
    return digest.hexdigest()


def _walked(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for each in entries:
            if each.is_dir():
                if each.name != "__pycache__":
                    yield from _walked(each.path)
            else:
                yield each.path


def _packages(places: list[Path]) -> list[str] | None:
    """The packages that are installed, as `numpy-2.3.1`, place by place."""
    found: list[str] = []
    for place in places:
        if place.is_dir():
            names = sorted(
                each for each in os.listdir(place) if each.endswith((".dist-info", ".egg-info"))
            )
            if names and _changed_since_begun(place.stat()):
                return None
            found += names
    return found


def _changed_since_begun(stat: os.stat_result) -> bool:
    # the time of the last change of any kind, which nobody sets back; a second for its coarse clock
    return max(stat.st_mtime, stat.st_ctime) > BEGUN - 1


def _instructions() -> Any:
    """The instructions of the processor that NumPy found, which may round otherwise elsewhere."""
    import numpy as np

    told: Any = np.show_config(mode="dicts")
    return json.dumps(told.get("SIMD Extensions"), sort_keys=True)
