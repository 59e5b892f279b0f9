"""The reference's licences are what the packages of the locks state, and name every copyleft one."""

import importlib.metadata
import re
import tomllib
from email.message import Message
from pathlib import Path

import pytest
from conftest import ROOT

README = (ROOT / "nrrsim" / "README.md").read_text().partition("\n## Licences\n")[2]
# What is stated, as a family. The first that fits counts, so that LGPL is not taken for GPL.
FAMILIES = {
    "LGPL": r"LGPL|Lesser General Public",
    "AGPL": r"AGPL|Affero",
    "GPL": r"\bGPL|General Public",
    "MPL": r"MPL|Mozilla",
    "EUPL": r"EUPL",
    "EPL": r"\bEPL|Eclipse Public|CDDL|Common Public|\bOSL|CC-BY-SA",
    "OFL": r"OFL|Open Font",
    "Apache": r"Apache",
    "BSD": r"BSD|0BSD",
    "MIT": r"\bMIT\b|MIT-0|MIT-CMU",
    "ISC": r"\bISC\b|ISCL",
    "PSF": r"PSF|Python Software Foundation",
    "Zlib": r"[Zz]lib",
    "CC0": r"CC0",
    "Unlicense": r"Unlicense",
}
COPYLEFT = {"LGPL", "AGPL", "GPL", "MPL", "EUPL", "EPL"}
ROWS = {
    "MIT": {"MIT"},
    "BSD": {"BSD"},
    "Apache 2.0": {"Apache"},
    "SIL Open Font Licence 1.1": {"OFL"},
    "LGPL 3": {"LGPL"},
    "MPL 2.0": {"MPL"},
    "EUPL 1.1 or later": {"EUPL"},
}
# What metadata leave out or say otherwise, and why it is told as it is.
STATED = {
    "axe-playwright-python": ({"MIT"}, "states a file alone: its LICENSE is MIT"),
    "tabmat": ({"BSD"}, "states none: its LICENSE is BSD-3-Clause"),
    "numpy": ({"BSD"}, "lists what is compiled in, too: 0BSD, MIT, Zlib, CC0"),
}
# What a package brings along under other terms than its own: a file in it, and what the table says.
INSIDE = {
    "pandoc": (r"^pandoc(\.exe)?$", "GPL 2 or later"),
    "GCC's runtime": (r"^lib(gfortran|quadmath)-", "GCC's runtime exception"),
    "libzmq": (r"^libzmq-", "MPL 2.0"),
    "axe-core": (r"^axe(\.min)?\.js$", "MPL 2.0"),
}


def name_of(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def locked() -> dict[str, importlib.metadata.Distribution]:
    """What stands in either lock and is installed here."""
    text = "".join(
        (ROOT / name).read_text() for name in ("requirements.lock", "requirements-lab.lock")
    )
    found = {}
    for name in set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE)):
        try:
            found[name_of(name)] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system, Python, or extra
    return found


def stated(metadata: Message) -> set[str]:
    """The families of what a package states: as an expression, else by its classifiers, else in its own words."""
    words = [metadata.get("License-Expression") or ""]
    if not words[0]:
        words = [each for each in metadata.get_all("Classifier", []) if each.startswith("License")]
    if not any(map(families, words)):
        words = [(metadata.get("License") or "").partition("\n")[0]]
    return set().union(*map(families, words))


def families(text: str) -> set[str]:
    parts = re.split(r"\s+(?:AND|OR|WITH)\s+|,\s*|::", text)
    firsts = (
        next((name for name, form in FAMILIES.items() if re.search(form, part)), None)
        for part in parts
    )
    return {first for first in firsts if first}


def table(number: int) -> list[list[str]]:
    """The rows of one of the two tables, without its heading."""
    found = re.findall(r"(?:^\|.*\|\n)+", README, re.MULTILINE)[number]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]
    return rows[2:]


def names(cell: str) -> list[str]:
    return [name_of(each.strip()) for each in cell.split(",") if each.strip()]


DIRECT = {name: row[0] for row in table(0) for cell in row[1:] for name in names(cell)}
LEFT = {name: row[1] for row in table(1) for name in names(row[0])}
LOCKED = locked()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("LGPL-3.0-only", {"LGPL"}),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", {"LGPL"}),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", {"GPL"}),
        ("MPL-2.0 AND MIT", {"MPL", "MIT"}),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", {"BSD", "Apache"}),
        ("License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)", {"MPL"}),
        ("AGPL-3.0", {"AGPL"}),
        ("Proprietary", set()),
    ],
)
def test_how_a_statement_is_read(text, found):
    assert families(text) == found


def test_the_table_has_what_the_project_asks_for_and_nothing_else():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    columns = [
        project["dependencies"],
        [*extras["lab"], *extras["sql"], *extras["cluster"], *extras["mcp"]],
        [*extras["browser"], *extras["dev"]],
    ]
    seen: set[str] = set()
    for place, asked in enumerate(columns, 1):
        wanted = {name_of(re.match(r"[\w.-]+", each)[0]) for each in asked} - seen
        assert {name for row in table(0) for name in names(row[place])} == wanted
        seen |= wanted


def test_what_the_table_says_is_what_packages_state():
    wrong = {}
    for name in sorted(set(DIRECT) & set(LOCKED)):
        found = STATED.get(name, (stated(LOCKED[name].metadata), ""))[0]
        row = ROWS.get(DIRECT[name])
        fits = found == row if row else len(found) > 1 and not found & COPYLEFT
        if not fits:
            wrong[name] = (DIRECT[name], found)
    assert not wrong
    assert len(set(DIRECT) & set(LOCKED)) > 30


def test_every_package_of_the_locks_states_a_licence_and_copyleft_is_named():
    silent, unnamed = [], []
    for name, package in LOCKED.items():
        found = STATED.get(name, (stated(package.metadata), ""))[0]
        if not found:
            silent.append(name)
        for family in found & COPYLEFT:
            if family not in LEFT.get(name, ""):
                unnamed.append((name, family))
    assert not silent, "say in STATED what it is, and how that is known"
    assert not unnamed, "name it in the second table"
    assert len(LOCKED) > 100


def test_what_packages_bring_along_is_named():
    found = {}
    for name, package in LOCKED.items():
        for file in package.files or []:
            for what, (form, said) in INSIDE.items():
                if re.search(form, file.name):
                    found[name, what] = said
    assert ("pypandoc-binary", "pandoc") in found
    for (name, what), said in found.items():
        assert said in LEFT.get(name, ""), (name, what)


def test_the_fonts_that_lie_here_keep_their_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (licence,) = [name for name in project["license-files"] if name != "LICENSE"]
    fonts = {file.name: file.read_bytes() for file in (ROOT / licence).parent.glob("*.ttf")}
    assert len(fonts) == 6
    assert b"Inter Project Authors" in (ROOT / licence).read_bytes()
    # a font's own names are in UTF-16
    assert all("SIL Open Font License".encode("utf-16-be") in font for font in fonts.values())
    assert project["license"].endswith("OFL-1.1")
    folder = str(Path(licence).parent)
    assert f"`{folder}` with its licence (SIL Open" in README


def test_the_second_table_names_nothing_in_vain():
    for name in set(LEFT) & set(LOCKED):
        found = STATED.get(name, (stated(LOCKED[name].metadata), ""))[0]
        files = [file.name for file in LOCKED[name].files or []]
        brings = any(re.search(form, file) for form, _ in INSIDE.values() for file in files)
        assert found & COPYLEFT or brings, name
    for name in set(LEFT) - set(LOCKED):
        assert name in (ROOT / "requirements-lab.lock").read_text(), name
