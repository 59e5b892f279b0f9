"""What a confined process cannot do: each fence by itself, and the names that never get so far."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import example, given
from hypothesis import strategies as st

from nrrsim.cli import confined
from nrrsim.cli.confined import inside
from nrrsim.errors import UsageError

CODE = """
import ctypes, json, os, socket, subprocess, sys
from pathlib import Path
import duckdb, pandas
from nrrsim.cli import confined
fence, folder, scratch = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
held = None
if fence == "hook":
    confined._landlocked = lambda *_: None
else:
    landlocked = confined._landlocked
    def note(*places):
        global held
        held = landlocked(*places)
    confined._landlocked = note
    if fence == "system":
        sys.addaudithook = lambda hook: None
os.chdir(folder)
opened = confined.confine(folder, scratch)
c = ctypes.CDLL(None, use_errno=True)

def native(path, flags=0):
    got = c.open(str(path).encode(), flags, 0o644)
    if got < 0:
        raise PermissionError(ctypes.get_errno(), "no")

def call(host):
    with socket.socket() as line:
        line.settimeout(2)
        line.connect((host, 9))

secret, db = folder.parent / "secret.csv", folder / "new.db"
tries = {
    "read beside": lambda: open(secret).read(),
    "read up": lambda: open("../secret.csv").read(),
    "read by a link": lambda: open("link.csv").read(),
    "list beside": lambda: os.listdir(".."),
    "write": lambda: open("new.csv", "w"),
    "append": lambda: open("ledger.csv", "a"),
    "make a folder": lambda: os.mkdir("new"),
    "rename": lambda: os.rename("ledger.csv", "other.csv"),
    "remove": lambda: os.remove("ledger.csv"),
    "link": lambda: os.symlink("ledger.csv", "new.csv"),
    "truncate": lambda: os.truncate("ledger.csv", 0),
    "touch": lambda: os.utime("ledger.csv"),
    "mode": lambda: os.chmod("ledger.csv", 0o777),
    "start": lambda: subprocess.run(["true"]),
    "call": lambda: call("127.0.0.1"),
    "duckdb reads beside": lambda: duckdb.sql(f"select * from read_csv('{secret}')").fetchall(),
    "duckdb writes": lambda: duckdb.connect(str(db)).execute("create table t as select 1"),
    "a library reads beside": lambda: native(secret),
    "a library writes": lambda: native(folder / "new.csv", os.O_CREAT | os.O_WRONLY),
    "read within": lambda: open("ledger.csv").read(),
    "duckdb reads within": lambda: duckdb.sql("select * from read_csv('ledger.csv')").fetchall(),
    "write to scratch": lambda: (scratch / "x").write_text("x") and (scratch / "x").unlink(),
    "import": lambda: __import__("colorsys"),
}
done = {}
for name, act in tries.items():
    try:
        act()
        done[name] = "done"
    except ConnectionRefusedError:
        done[name] = "done"
    except Exception as error:
        done[name] = type(error).__name__
print(json.dumps({"held": held, "done": done, "inputs": sorted(opened.hashes())}))
"""
MAY = {"read within", "duckdb reads within", "write to scratch", "import"}
# What the other fence alone sees.
UNSEEN = {
    "hook": {"duckdb reads beside", "duckdb writes", "a library reads beside", "a library writes"},
    # the system lets a process change times and modes of its own user's files, and start others,
    # which it holds to the same places
    "system": {"touch", "mode", "start"},
    "both": set(),
}


@pytest.mark.parametrize("fence", UNSEEN)
def test_what_each_fence_holds_back(fence, tmp_path):
    folder, scratch = tmp_path / "folder", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    (folder / "ledger.csv").write_text("a,b\n1,2\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    words = [sys.executable, "-c", CODE, fence, str(folder), str(scratch)]
    path = os.pathsep.join(filter(None, sys.path))
    ran = subprocess.run(
        words, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    if fence != "hook" and not told["held"]:
        pytest.skip("this system has no Landlock: what libraries open themselves is not held back")
    done = {name for name, said in told["done"].items() if said == "done"}
    assert done - UNSEEN[fence] == MAY
    if fence == "both":
        assert told["inputs"] == ["ledger.csv"]
        assert (folder / "ledger.csv").read_text() == "a,b\n1,2\n"
        assert sorted(each.name for each in folder.iterdir()) == ["ledger.csv", "link.csv"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "secret.csv").write_text("x")
    folder = home / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "ledger.csv").write_text("x")
    (folder / "up").symlink_to("..")
    (folder / "sub" / "link").symlink_to("../../secret.csv")
    return folder


PARTS = st.sampled_from(
    [
        "sub",
        "up",
        "link",
        "ledger.csv",
        "secret.csv",
        "..",
        ".",
        "",
        "~",
        "folder",
        "C:",
        "a\\b",
        "nul",
    ]
)


def refusal(folder: Path, name: str) -> str:
    """What is said of a name that is refused; empty where it is let through, as it is."""
    try:
        assert inside(folder, name, "ledger") == name
    except UsageError as error:
        return str(error)
    return ""


@given(st.one_of(st.lists(PARTS, max_size=6).map("/".join), st.text(max_size=30)))
@example("sub/ledger.csv")
@example("up/folder/sub/ledger.csv")
@example("sub/link")
def test_a_name_that_is_let_through_leads_into_the_folder(folder, name):
    if said := refusal(folder, name):
        assert said.startswith("ledger: ")
        assert said.isprintable()
        assert len(said) < 300
        return
    assert Path(os.path.realpath(folder / name)).is_relative_to(os.path.realpath(folder))
    assert ".." not in Path(name).parts


@pytest.mark.parametrize("name", [None, 1, True, 1.5, [], {}, b"ledger.csv", "", " "])
def test_what_is_no_path_is_said(folder, name):
    with pytest.raises(UsageError, match="must be a path"):
        inside(folder, name, "ledger")


def test_what_is_in_the_folder_is_let_through(folder):
    for name in ("sub/ledger.csv", "sub", ".", "sub/*.csv", "not-there.csv", "é.csv", "a b.csv"):
        assert inside(folder, name, "ledger") == name


def test_files_that_are_too_large_together_are_refused(folder, monkeypatch):
    monkeypatch.setattr(confined, "MOST_BYTES", 1)
    opened = confined.Opened(str(folder))
    opened.add(str(folder / "sub" / "ledger.csv"))
    with pytest.raises(UsageError, match="too large for an answer"):
        opened.add(str(folder.parent / "secret.csv"))


def test_a_file_that_is_changed_meanwhile_has_no_fingerprint(tmp_path):
    file = tmp_path / "ledger.csv"
    file.write_text("a")
    opened = confined.Opened(str(tmp_path))
    opened.add(str(file))
    assert list(opened.hashes()) == ["ledger.csv"]
    file.write_text("another")
    with pytest.raises(UsageError, match="was changed while it was read"):
        opened.hashes()
