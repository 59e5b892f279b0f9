"""Small ledgers and scenarios beside the project, and what is right for each: all are asked.

`python tests/ledger/test_cases.py` prints them as a table.
"""

import json
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from command import Answer, asked, asked_in_a_child

import nrrsim as nr

CASES = Path(__file__).parents[3] / "shared" / "data" / "cases"
FOLDERS = {"ledgers": ".", "scenarios": "scenarios"}
IN_A_CHILD = {"alias-bomb.yaml": {"seconds": 60, "memory": 1 << 30}}
RATIOS, AMOUNTS = ("nrr", "grr", "grr_flow", "logo"), ("opening", "closing")

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not CASES.is_dir(), reason="the table of cases is not beside the project"),
]


class Case(NamedTuple):
    """One command on one file, and what is told to be right for it."""

    wing: str
    file: str
    told: dict[str, Any]

    @property
    def words(self) -> list[str]:
        first, *rest = self.told["args"]
        return [first, self.file, *rest]

    def __str__(self) -> str:
        return " ".join([self.file, *self.told["args"]])


def cases() -> list[Case]:
    if not CASES.is_dir():
        return []
    expected = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))
    return [
        Case(wing, file, told)
        for wing in FOLDERS
        for file, case in expected[wing].items()
        for told in case["run"]
    ]


def wrong(case: Case, folder: Path) -> list[str]:
    """What is wrong with the answer to a case: nothing where it is right."""
    said = ask(case, folder)
    allowed = case.told["rc"] if isinstance(case.told["rc"], list) else [case.told["rc"]]
    if said.code not in allowed:
        return [f"rc {said.code}: {said.last_line}"]

    # another outcome that is allowed has its own patterns, or is described in words
    other = case.told.get("either", {}).get(str(said.code), [])
    patterns = case.told["says"] if said.code == allowed[0] else other
    patterns = [] if isinstance(patterns, str) else patterns
    found = [f"does not say {each}" for each in patterns if not re.search(each, said.said)]
    found += [f"says {each}" for each in case.told["never"] if re.search(each, said.said)]

    if said.code == 0 and any(name in case.told for name in (*RATIOS, *AMOUNTS)):
        numbers = json.loads(ask(case, folder, "--json").out)
        # "n/a" is the other outcome where what is no cent is no amount
        if not (isinstance(other, str) and "n/a" in other and numbers["nrr"] is None):
            found += differences(case.told, numbers)
    return found


def ask(case: Case, folder: Path, *further: str) -> Answer:
    words, place = [*case.words, *further], folder / FOLDERS[case.wing]
    if case.file in IN_A_CHILD:
        return asked_in_a_child(words, place, **IN_A_CHILD[case.file])
    return asked(words, place)


def differences(told: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Where numbers are not those that are told: ratios to `tol`, amounts to half a cent."""
    ratio, amount = {"abs": told.get("tol", 1e-9)}, {"abs": 0.005, "rel": 1e-9}

    def off(told: dict[str, Any], found: dict[str, Any], of: str = "") -> list[str]:
        return [
            f"{of}{name} {found.get(name)}, not {told[name]}"
            for names, near in ((RATIOS, ratio), (AMOUNTS, amount))
            for name in names
            if name in told and found.get(name) != pytest.approx(told[name], **near)
        ]

    lines = off(told, found)
    for name, value in told.get("movements", {}).items():
        if found["movements"][name] != pytest.approx(value, **amount):
            lines.append(f"{name} {found['movements'][name]}, not {value}")
    if "segments" in told:
        # a part without an opening may be left out
        parts, known = found["segments"], told["segments"]
        paid = {name for name, part in parts.items() if part["opening"] or part["closing"]}
        lines += [f"a part {name}" for name in sorted(paid - set(known))]
        for name, part in known.items():
            if name in parts or part["nrr"] is not None:
                lines += off(part, parts.get(name, {}), f"{name} ")
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: whatever a command leaves behind is not left there."""
    return copied(tmp_path_factory.mktemp("cases") / "cases")


def copied(to: Path) -> Path:
    for file in filter(Path.is_file, CASES.rglob("*")):
        (to / file.relative_to(CASES)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to / file.relative_to(CASES))
    return to


ALL = cases()
FIRST = {each.file: each for each in reversed(ALL)}


def by_night(case: Case) -> list[pytest.MarkDecorator]:
    """By day the first command of each file."""
    return [] if case is FIRST[case.file] else [pytest.mark.slow]


@pytest.mark.parametrize(
    "case",
    [pytest.param(each, marks=by_night(each), id=str(each)) for each in cases()],
)
def test_each_case_is_right(case, folder):
    assert wrong(case, folder) == []


# --- what cannot be asked on the command line with the file alone ---------------------------------


def measured() -> list[Case]:
    """Of each CSV ledger that can be measured: the first such command, and those that split it."""
    can_succeed = [
        case
        for case in cases()
        if case.told["args"][0] == "metrics"
        and case.file.endswith(".csv")
        and "waits" not in case.told
        and 0 in np.atleast_1d(case.told["rc"])
    ]
    first = {case.file: case for case in reversed(can_succeed)}
    return [case for case in can_succeed if "--by" in case.words or case is first[case.file]]


def reordered(folder: Path, file: str, how: str) -> Path:
    """The ledger once more, its data rows reversed or shuffled."""
    heading, *rows = (folder / file).read_text(encoding="utf-8").splitlines()
    rows = rows[::-1] if how == "reversed" else random.Random(21).sample(rows, len(rows))
    path = folder / f"{how}-{file}"
    path.write_text("\n".join([heading, *rows, ""]), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("how", ["reversed", "shuffled"])
@pytest.mark.parametrize("case", measured(), ids=str)
def test_the_order_of_rows_changes_no_number(case, how, folder):
    other = reordered(folder, case.file, how)
    first, second = (
        ask(case._replace(file=file), folder, "--json") for file in (case.file, other.name)
    )
    assert second[:2] == first[:2]


RENEWALS = ["08d_two_renewals_periods.csv", "08d_with_product.csv"]


@pytest.mark.parametrize("how", ["as it is", "reversed", "shuffled"])
@pytest.mark.parametrize("file", RENEWALS)
def test_each_line_renews_by_itself(file, how, folder):
    path = folder / file if how == "as it is" else reordered(folder, file, how)
    due = nr.renewals(nr.actuals(str(path), "2026-01", overlap="add")).set_index("month")["due"]
    assert due["2026-04"] == pytest.approx(1080)
    assert due["2027-01"] == pytest.approx(132)


@pytest.mark.parametrize("file", RENEWALS)
def test_terms_are_learnt_in_any_order(file, folder):
    paths = [
        folder / file,
        reordered(folder, file, "reversed"),
        reordered(folder, file, "shuffled"),
    ]
    learnt = [nr.calibrate(nr.read_ledger(path, overlap="add"), "2026-01").told() for path in paths]
    assert learnt[1:] == learnt[:1] * 2


def test_no_forecast_is_compared_with_what_lies_ahead(folder):
    ledger = nr.read_ledger(folder / "27_contracts_with_future_ends.csv")
    tested = nr.backtest(ledger, trials=100).frame
    assert max(tested["origin"]) <= "2025-11"
    assert (tested["actual"].dropna() == 1.0).all()


def test_movements_know_whether_newcomers_are_in_them(folder):
    ledger = nr.read_ledger(folder / "29_newcomers.csv")
    with pytest.raises(nr.UsageError):
        nr.nrr(ledger.book("2025-01", "2025-03"))
    with pytest.raises(nr.UsageError):
        nr.nrr(ledger.cohort("2025-03", 2), "compounded")
    assert nr.measure(ledger, "2025-03", 2).nrr == pytest.approx(0.5)
    assert nr.measure(ledger, "2025-03", 2, "compounded").nrr == pytest.approx(0.8)


@pytest.mark.slow
def test_a_company_that_looks_like_a_pattern_is_a_name(folder, tmp_path):
    shutil.copyfile(folder / "scenarios" / "card-glob.yaml", tmp_path / "card-glob.yaml")
    shutil.copyfile(folder / "01_two_contracts_one_ends.csv", tmp_path / "ledger.csv")
    said = asked(["report", "card-glob.yaml", "--to", "html"], tmp_path)
    assert said.code == 0, said.said
    (path,) = tmp_path.rglob("manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert [Path(each).name for each in manifest["inputs"]] == ["ledger.csv"]
    assert Path(manifest["card"]["file"]).name == "card-glob.yaml"
    assert "../../**/*.py" in next(tmp_path.rglob("*.html")).read_text(encoding="utf-8")


def table() -> tuple[list[str], int]:
    """A line a case, and how many are wrong."""
    lines, failed = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = copied(Path(name) / "cases")
        for case in cases():
            problems = wrong(case, folder)
            failed += bool(problems)
            verdict = "wrong" if problems else "right"
            lines.append(f"{verdict:6} {case}  {'; '.join(problems)}".rstrip())
    return lines, failed


if __name__ == "__main__":
    found, number = table()
    print("\n".join(found))
    print(f"{len(found)} cases, {number} wrong")
    sys.exit(number > 0)
