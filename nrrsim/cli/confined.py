"""A folder in, a process that reads nothing beside it and writes nowhere out; never reads a figure.

Three fences, each of its own kind. A name is judged before anything looks for it (`inside`). What
Python opens is judged where it is opened, links followed, whoever named it: a card, a scenario that
extends another, a workbook (`confine`). And where the system can (Linux, Landlock), it is the
system that says no: to libraries that open files themselves, and to the network.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nrrsim.errors import UsageError
from nrrsim.files import sha256, shared
from nrrsim.ledger.query import OFF, SWITCH

MOST_NAME = 1_000  # characters of a name
MOST_BYTES = 1_000_000_000  # of all files that one answer reads
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows
# What no library of ours needs of its own, and a card could name.
TABLES = re.compile(r"\.(csv|tsv|xls[xmb]?|ods|parquet|pq|ya?ml|ipynb|sqlite3?|db|duckdb)$")
SERVED = "name a file of the folder that is served, as a path from there"
OUTSIDE = "lies outside the folder that is served; put it there, or serve a folder that holds both"
# What Python tells of before it is done (its audit events): who writes, or leaves the process.
CHANGES = re.compile(
    r"os\.(mkdir|rename|remove|rmdir|link|symlink|truncate|chmod|chown|utime|setxattr|removexattr)"
)
LEAVES = re.compile(
    r"subprocess\.Popen|os\.(system|exec|posix_spawn|spawn|fork|forkpty|startfile)"
    r"|socket\.(connect|bind|sendto|getaddrinfo)|sqlite3\.connect|urllib\.Request"
)
LISTS = ("os.listdir", "os.scandir", "os.chdir")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What a process on Linux looks up about its machine; on another system there are none of them.
LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/nix/store")
CLOCK = ("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")
MACHINE = ("/sys/devices/system", "/sys/fs/cgroup", "/proc/cpuinfo", "/proc/meminfo")
ITSELF = ("/proc/self/cgroup", "/proc/self/maps", "/proc/self/status", "/proc/self/statm")
MODULES = (".py", ".pyc", ".so", ".pyd")


def inside(folder: Path, name: Any, key: str) -> str:
    """A path that was given for `key`, as it was given, if it can be one of the folder's.

    It may have the pattern of several. What is there is a file or a folder within it, links
    followed; what is not there is for who reads it to say. Raises UsageError for any other.
    """
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"{key}: must be a path, got {_shown(name)}; {SERVED}")
    if not is_text(name):
        raise UsageError(f"{key}: {_shown(name)} holds a sign that no path has; {SERVED}")
    if len(name) > MOST_NAME or any(len(os.fsencode(each)) > 255 for each in name.split("/")):
        raise UsageError(f"{key}: the path is too long ({len(name):,} characters); {SERVED}")
    if "://" in name or name.startswith("env:"):
        raise UsageError(
            f"{key}: is the address of a database, and answers are from files alone; {SERVED}"
        )
    parts = name.replace("\\", "/").split("/")
    is_of_windows = "\\" in name or re.match(r"[A-Za-z]:", name) is not None
    if is_of_windows or name[0] in "/~" or ".." in parts or any(map(DEVICES.fullmatch, parts)):
        raise UsageError(f"{key}: {_shown(name)} is no path within the folder; {SERVED}")

    path = folder / name
    if not _within(os.path.realpath(path), [os.path.realpath(folder)]):
        raise UsageError(f"{key}: {_shown(name)} {OUTSIDE}")
    with suppress(OSError):
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UsageError(f"{key}: {_shown(name)} is a pipe or a device; {SERVED}")
    return name


def is_text(text: str) -> bool:
    """Whether a text is on one line, and of whole signs alone."""
    is_whole = not any("\ud800" <= each <= "\udfff" for each in text)
    return is_whole and not any(ord(each) < 32 or ord(each) == 127 for each in text)


class Opened:
    """The files that were read since the process was confined, and what each was then."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.files: dict[str, tuple[int, ...]] = {}

    def add(self, path: str) -> None:
        """A file that is about to be read; raises UsageError where all are too large together."""
        with suppress(OSError):
            now = os.stat(path)
            if stat.S_ISREG(now.st_mode):
                self.files.setdefault(path, (now.st_ino, now.st_size, now.st_mtime_ns))
        if sum(size for _, size, _ in self.files.values()) > MOST_BYTES:
            raise UsageError(
                f"{self.called(path)}: is too large for an answer (1 GB in all); use nrrsim itself"
            )

    def called(self, path: str) -> str:
        """A file as a path from the folder; what comes with nrrsim says so."""
        if _within(path, [self.folder]):
            return Path(os.path.relpath(path, self.folder)).as_posix()
        return f"(with nrrsim) {Path(path).name}"

    def hashes(self) -> dict[str, str]:
        """What was read, by name, with the hash of its bytes.

        Raises UsageError where a file is no longer the one that was read.
        """
        found = {}
        for path, before in list(self.files.items()):
            found[self.called(path)] = sha256(Path(path))
            now = os.stat(path)
            if before != (now.st_ino, now.st_size, now.st_mtime_ns):
                raise UsageError(f"{self.called(path)}: was changed while it was read; ask again")
        return dict(sorted(found.items()))


def confine(folder: Path, scratch: Path) -> Opened:
    """From here on this process reads the folder, and what Python and nrrsim are made of; it writes
    into `scratch` alone, starts no process but the one that reads a workbook, which the system
    holds to the same, and calls nobody. It cannot be undone.
    """
    from nrrsim.ledger.spreadsheets import READER

    places = _Places.around(folder, scratch)
    os.environ |= {SWITCH: OFF, "NRRSIM_CACHE": OFF}
    tempfile.tempdir = places.room
    opened = Opened(places.home)

    def judge(event: str, said: tuple[Any, ...]) -> None:
        if event == "open":
            _judge_opening(places, opened, *said)
        elif event in LISTS:
            named = [each for each in said[:1] if isinstance(each, str | bytes | os.PathLike)]
            if not all(_within(os.path.realpath(os.fsdecode(each)), places.all) for each in named):
                raise PermissionError(errno.EACCES, "lies outside the folder that is served")
        elif CHANGES.fullmatch(event):
            _judge_change(places, event, said)
        elif event == "subprocess.Popen" and tuple(said[1][:-1]) == READER:
            return  # of a workbook that was opened here before
        elif LEAVES.fullmatch(event):
            raise PermissionError(errno.EACCES, f"{event}: an answer is read, and nothing else")

    _landlocked(places.all, places.room)
    sys.addaudithook(judge)
    return opened


@dataclass(frozen=True)
class _Places:
    """Where a confined process may read, links followed: the folder, and what needs no name.

    room : where it may write. ours : what comes with nrrsim, of which `examples` are data.
    libraries : Python's own packages. code : other places of modules, read for these alone.
    """

    home: str
    room: str
    examples: tuple[str, ...]
    ours: tuple[str, ...]
    libraries: tuple[str, ...]
    code: tuple[str, ...]
    system: tuple[str, ...]

    @classmethod
    def around(cls, folder: Path, scratch: Path) -> _Places:
        package = Path(__file__).parent.parent
        examples = _real(shared("params"), package / "data")
        ours = _real(package, shared("notebooks"), shared("reports"))
        paths = sysconfig.get_paths()
        libraries = _real(*(paths[each] for each in ("stdlib", "platstdlib", "purelib", "platlib")))
        code = _real(*filter(os.path.isabs, (*sys.path, sys.prefix, sys.base_prefix)))
        system = _real(*filter(os.path.exists, (*LIBRARIES, *CLOCK, *MACHINE, *ITSELF)))
        home, room = _real(folder, scratch)
        return cls(home, room, examples, (*examples, *ours), libraries, code, system)

    @property
    def all(self) -> tuple[str, ...]:
        return (self.home, self.room, *self.ours, *self.libraries, *self.code, *self.system)

    def is_input(self, path: str) -> bool:
        """Whether a file is one that an answer is made of."""
        is_ours = _within(path, self.ours)
        return _within(path, self.examples) or (_within(path, (self.home,)) and not is_ours)

    def is_needed(self, path: str) -> bool:
        """Whether a file is one of those that Python and nrrsim are made of, and no table."""
        if _within(path, (self.room, *self.ours, *self.system)):
            return True
        if _within(path, self.libraries):
            return not TABLES.search(path.lower())
        is_told = ".dist-info" in path or ".egg-info" in path  # a package's version
        return _within(path, self.code) and (is_told or path.endswith(MODULES))


def _judge_opening(places: _Places, opened: Opened, path: Any, mode: Any, flags: int) -> None:
    """Let a file be opened, and know an input; raises UsageError for what is nobody's here."""
    if path is None or isinstance(path, int):
        return
    real = os.path.realpath(os.fsdecode(path))
    is_written = isinstance(mode, str) and not set(mode).isdisjoint("wax+")
    if is_written or flags & WRITES:
        _refuse_to_write(real, places.room)
    elif places.is_input(real):
        opened.add(real)
    elif not places.is_needed(real):
        raise UsageError(f"{_shown(os.path.relpath(real, places.home))}: {OUTSIDE}")


def _judge_change(places: _Places, event: str, said: tuple[Any, ...]) -> None:
    # below a folder that is open already, of which the system alone knows where it lies
    is_below = any(isinstance(each, int) and each > 2 for each in said[1:])
    if is_below and event in ("os.remove", "os.rmdir"):
        return
    for each in said[:2]:
        if isinstance(each, str | bytes | os.PathLike):
            _refuse_to_write(os.path.realpath(os.fsdecode(each)), places.room)


def _real(*paths: str | Path) -> tuple[str, ...]:
    return tuple(os.path.realpath(each) for each in paths)


def _refuse_to_write(path: str, room: str) -> None:
    if path != os.devnull and not _within(path, [room]):
        raise PermissionError(errno.EACCES, "answers write nothing", path)


def _within(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _shown(name: Any) -> str:
    """What was given, quoted, in signs that can be seen, and not too much of it."""
    text = ascii(name) if not isinstance(name, str) or not name.isprintable() else repr(name)
    return text if len(text) <= 80 else f"{text[:77]}..."


# --- the system's own fence -----------------------------------------------------------------------

CREATE, ADD, RESTRICT, NO_NEW_PRIVILEGES = 444, 445, 446, 38  # of Linux, on every machine
READ, EXECUTE = 1 << 2 | 1 << 3, 1 << 0  # files, and the names in folders
OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14  # what can be said of one file
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights an older kernel knows
TCP = 1 << 0 | 1 << 1  # to be called, and to call


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _landlocked(readable: Sequence[str], room: str) -> bool:
    """Whether the system holds this thread, and all that it starts, to these places."""
    if sys.platform != "linux":
        return False
    system: Callable[..., int] = ctypes.CDLL(None, use_errno=True).syscall
    known = system(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    if known < 1:  # an older kernel, or one that was told not to
        return False
    rights = (1 << RIGHTS.get(known, 16)) - 1
    rules = _Rules(rights, TCP if known >= 4 else 0)
    size = ctypes.sizeof(rules) if known >= 4 else 8
    fence = system(CREATE, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint(0))
    if fence < 0:
        return False
    try:
        allowed = [(each, READ | EXECUTE) for each in readable]
        for path, may in [*allowed, (room, rights), (os.devnull, READ | 1 << 1)]:
            _allow(system, fence, path, may & rights)
        if ctypes.CDLL(None, use_errno=True).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            return False
        return system(RESTRICT, fence, ctypes.c_uint(0)) == 0
    finally:
        os.close(fence)


def _allow(system: Callable[..., int], fence: int, path: str, may: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # nothing is there to be read
        return
    try:
        kept = may if stat.S_ISDIR(os.fstat(place).st_mode) else may & OF_FILES
        rule = _Beneath(kept, place)
        system(ADD, fence, ctypes.c_int(1), ctypes.byref(rule), ctypes.c_uint(0))
    finally:
        os.close(place)
