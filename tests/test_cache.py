"""An answer is kept for the question that it answers, and for no other one."""

import json
import os
import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim import cache
from nrrsim.calibration.backtest import backtest
from nrrsim.calibration.calibrate import known_by_value
from nrrsim.report.run import run_card

SEED = 20260930
NAMES = [f"Zweihundert {number} GmbH" for number in range(9)]  # in no other text


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache of this test's own, in a process that began after every edit of the package."""
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "home"))
    monkeypatch.setattr(cache, "BEGUN", time.time() + 3600)
    cache._program_with.cache_clear()
    yield tmp_path / "home" / "answers"
    cache._program_with.cache_clear()


def never():
    raise AssertionError("it is made anew")


def is_known(asked) -> bool:
    """Whether the answer to a question is found, and not made."""
    made = []
    cache.kept("it", asked, lambda: made.append(1))
    return not made


def entries(home: Path) -> list[Path]:
    return sorted(home.glob("*")) if home.is_dir() else []


# --- one question, one answer -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [None, 1, 0.1, float("inf"), "ü", [], {"a": [1, None, True]}, {"": {"x": [0.1, "y"]}}],
    ids=repr,
)
def test_an_answer_comes_back_as_it_is(answer):
    assert cache.kept("it", {}, lambda: answer) == answer
    assert cache.kept("it", {}, never) == answer


@pytest.mark.parametrize("kind", ["f8", "<f4", ">i8", "u1", "?"])
@pytest.mark.parametrize("shape", [(0,), (3,), (2, 3), (2, 0, 1)])
def test_an_array_comes_back_as_it_is(kind, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(kind)
    for make in (lambda: {"array": array.T}, never):
        found = cache.kept("it", {}, make)["array"]
        assert (found.dtype, found.flags.writeable) == (array.dtype, True)
        np.testing.assert_array_equal(found, array.T)


@pytest.mark.parametrize(
    "answer",
    [(1,), {1: 2}, np.str_("a"), np.array(["a"]), np.array([None]), {cache.ARRAY: 1}, {1}, b"1"],
    ids=repr,
)
def test_what_would_come_back_otherwise_is_no_answer(answer):
    with pytest.raises(TypeError, match="an answer cannot hold"):
        cache.kept("it", {}, lambda: answer)


class Two(Enum):
    ONE, OTHER = 1, 2


@dataclass(frozen=True)
class Pair:
    a: object
    b: object = None


@dataclass(frozen=True)
class Other(Pair):
    pass


FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
QUESTIONS = [
    *(None, True, False, 1, 1.0, 0.0, -0.0, float("nan"), "1", b"1", "", np.int64(1), np.int32(1)),
    *([], (), {}, set(), frozenset([1]), [1], (1,), {1: 1}, {1: "1"}, {"1": 1}, [[1], 2], [[1, 2]]),
    *([1, 2], [2, 1], {"a": 1, "b": 2}, {"b": 2, "a": 1}, ["ab", "c"], ["a", "bc"], ["abc"]),
    *(date(2026, 1, 1), Two.ONE, Two.OTHER, Pair(1), Pair(1, 1), Other(1), Pair(Pair(1))),
    *(np.zeros(2), np.zeros((2, 1)), np.zeros(2, "f4"), np.array([0, 0]), np.array(["a", "b"])),
    *(np.array(["ab", ""], object), np.array(["a", "b"], object), np.array(["a", None], object)),
    *(np.array([1, "1"], object), np.array(["1", "1"], object), np.array(["a\0", "b"], object)),
    *(FRAME, FRAME.iloc[::-1], FRAME[["b", "a"]], FRAME.rename(columns={"a": "c"}), FRAME["a"]),
    *(FRAME.assign(a=[1, 2]), FRAME.assign(b=["x", None]), FRAME.assign(b=FRAME["b"].astype("category"))),
    *(FRAME.set_index("b"), FRAME["a"].rename("c"), FRAME["b"].astype(object), FRAME.iloc[:0]),
    *(pd.Categorical(["x"], ["x", "y"]), pd.Categorical(["x"], ["y", "x"]), pd.Categorical(["x"])),
    *(pd.array([1, None], "Int64"), pd.array([1, 0], "Int64"), pd.to_datetime(["2026-01-01"])),
    *(pd.MultiIndex.from_tuples([(1, 2)]), pd.MultiIndex.from_tuples([(1, 2)], names=["a", "b"])),
]  # fmt: skip


def test_two_questions_are_never_one():
    keys = [cache._key("it", {"asked": each}) for each in QUESTIONS]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert keys == [cache._key("it", {"asked": each}) for each in QUESTIONS]
    assert cache._key("other", {"asked": None}) not in keys
    assert cache._key("it", {"other": None}) not in keys


@pytest.mark.parametrize(
    "asked", [Path("a"), object(), len, lambda: 1, FRAME.groupby("a"), np.array([Path("a")])]
)
def test_what_cannot_be_told_apart_is_made_each_time(asked, home):
    assert not is_known({"it": asked})
    assert not is_known({"it": asked})
    assert entries(home) == []


def test_what_was_computed_meanwhile_makes_no_other_question():
    ledger = nr.read_ledger(table())
    key = cache._key("it", {"ledger": ledger})
    ledger.cohort("2026-12", 12)
    assert cache._key("it", {"ledger": ledger}) == key


# --- what is kept -----------------------------------------------------------------------------------


def damaged(body: bytes) -> list[bytes]:
    """What a disk, or somebody, may make of a file."""
    middle = len(body) // 2
    flipped = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
    return [b"", b"\n", body[:middle], body[:-1], body + b" ", flipped, b"\x80" * 99]


def test_a_damaged_entry_is_made_anew(home):
    cache.kept("it", {}, lambda: {"figures": [1.5] * 20})
    (file,) = entries(home)
    for body in damaged(file.read_bytes()):
        file.write_bytes(body)
        assert cache.kept("it", {}, lambda: {"figures": [2.5]}) == {"figures": [2.5]}
        assert cache.kept("it", {}, never) == {"figures": [2.5]}
    # nor does one that was given another's name answer for it
    cache.kept("it", {"other": 1}, lambda: 1)
    other = next(each for each in entries(home) if each != file)
    shutil.copy(file, other)
    assert cache.kept("it", {"other": 1}, lambda: 3) == 3


def test_it_is_ones_own_and_bounded(home, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 3_000)
    (home.parent / "mine").parent.mkdir()
    (home.parent / "mine").write_text("not ours")
    for number in range(4):
        cache.kept("it", {"number": number}, lambda: "x" * 900)
        time.sleep(0.02)
        cache.kept("it", {"number": 0}, lambda: "x" * 900)  # which is used again and again
        time.sleep(0.02)
    assert [is_known({"number": number}) for number in range(4)] == [True, False, True, True]
    assert home.stat().st_mode & 0o777 == 0o700
    assert all(each.stat().st_mode & 0o077 == 0 for each in entries(home))
    assert (home.parent / "mine").read_text() == "not ours"


def test_a_folder_that_others_could_read_is_closed_or_left_alone(home, tmp_path, monkeypatch):
    home.mkdir(parents=True, mode=0o755)
    assert not is_known({})
    assert home.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: home.stat().st_uid + 1)
    assert not is_known({})
    monkeypatch.undo()
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "answers").symlink_to(home)
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "link"))
    assert not is_known({})


def test_a_place_that_cannot_be_used_costs_no_answer(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", Path("/proc/nowhere")):
        monkeypatch.setenv(cache.FOLDER, str(place))
        assert not is_known({})


def test_nothing_is_kept_where_that_is_asked(home, monkeypatch):
    monkeypatch.setenv(cache.FOLDER, "x")  # so that what follows is taken back
    cache.keep_nothing()
    assert not is_known({})
    assert not is_known({})
    assert entries(home) == []


def test_many_at_once_disturb_nobody(home, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 5_000)

    def ask(number: int) -> bool:
        return cache.kept("it", {"n": number % 9}, lambda: ["x" * 900, number % 9])[1] == number % 9

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))
    assert sum(each.stat().st_size for each in entries(home)) <= 6_000


# --- the program that answers -----------------------------------------------------------------------


def test_a_line_of_the_package_is_part_of_the_question(tmp_path, monkeypatch):
    package = tmp_path / "nrrsim"
    shutil.copytree(ROOT / "nrrsim", package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    before = cache._files_of(package)
    rng = random.Random(SEED)
    files = sorted(file for file in package.rglob("*") if file.is_file())
    for file in rng.sample(files, 12):
        text = file.read_bytes()
        place = rng.randrange(len(text) + 1)
        file.write_bytes(text[:place] + b" " + text[place:])
        assert cache._files_of(package) != before, file
        file.write_bytes(text)
        assert cache._files_of(package) == before
    file.rename(file.with_name("other.py"))
    assert cache._files_of(package) != before
    # of what was changed after it was loaded nobody knows what answers
    monkeypatch.setattr(cache, "BEGUN", time.time() - 60)
    assert cache._is_edited(package)


def test_an_edit_while_an_answer_is_made_is_not_kept(home, monkeypatch):
    def edited():
        monkeypatch.setattr(cache, "BEGUN", 0.0)
        return 1

    assert cache.kept("it", {}, edited) == 1
    monkeypatch.setattr(cache, "BEGUN", time.time() + 3600)
    assert entries(home) == []
    assert not is_known({})


def test_who_has_no_home_has_no_cache(tmp_path, monkeypatch):
    monkeypatch.delenv(cache.FOLDER)
    # what stands where a system does not know its user
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: Path("~/.cache/nrrsim"))
    monkeypatch.chdir(tmp_path)
    assert not is_known({})
    assert entries(tmp_path) == []


def test_a_program_that_was_changed_keeps_nothing(home, monkeypatch):
    monkeypatch.setattr(cache, "BEGUN", 0.0)
    assert not is_known({})
    assert not is_known({})
    assert entries(home) == []


def test_a_package_is_part_of_the_question(tmp_path):
    (tmp_path / "numpy-2.3.1.dist-info").mkdir()
    before = cache._packages([tmp_path])
    (tmp_path / "numpy-2.3.1.dist-info").rename(tmp_path / "numpy-2.3.2.dist-info")
    assert before != cache._packages([tmp_path]) == ["numpy-2.3.2.dist-info"]


# --- two hundred edits ------------------------------------------------------------------------------


def table() -> pd.DataFrame:
    """Three years of some customers, with every column that a ledger knows."""
    rng = np.random.default_rng(SEED)
    rows = []
    for number, name in enumerate(NAMES):
        first, last = int(rng.integers(0, 12)), 36 - int(rng.integers(0, 4)) * (number % 3)
        for month in range(first, last):
            quantity = 5 + number + month // 12
            price = 20.0 + number
            rows.append(
                {
                    "customer": name,
                    "month": f"{2024 + month // 12}-{month % 12 + 1:02d}",
                    "mrr": round(quantity * price, 2),
                    "segment": ("smb", "enterprise")[number % 2],
                    "product": ("Core", "Plus")[number // 2 % 2],
                    "quantity": quantity,
                    "unit_price": price,
                    "renewal": f"{2024 + month // 12}-{first % 12 + 1:02d}",
                    "term": ("monthly", "annual")[number % 2],
                    "region": ("Europe", "Americas")[number // 3 % 2],
                    "currency": "USD",
                }
            )
    return pd.DataFrame(rows).astype(object)


FILES = {
    "signals.csv": "customer,date,users\n"
    + "".join(f"{name},2026-0{month}-15,{month + 3}\n" for name in NAMES for month in (1, 4, 8)),
    "card.yaml": "signals:\n  users: {because: seen}\n",
    "rates.csv": "month,currency,rate\n"
    + "".join(f"{2024 + m // 12}-{m % 12 + 1:02d},EUR,{1.05 + m / 1000}\n" for m in range(36)),
    "base.yaml": "title: Base\n",
    "wording/stand.md": "One\n",
    "before/manifest.json": '{"nrr": 1.05}\n',
}
NEVER_READ = ("base.yaml", "wording/stand.md", "before/manifest.json")  # by what is kept


@dataclass
class World:
    """All that a person can change: a ledger's table, files, arguments, options of reading."""

    folder: Path
    table: pd.DataFrame
    options: dict
    arguments: dict

    def question(self, prior=None) -> dict:
        """As `backtest` and `at_risk` ask it: everything by its value."""
        rates = self.folder / "rates.csv" if self.options.get("reported") else None
        ledger = nr.read_ledger(self.table, **self.options, rates=rates)
        card = nr.read_signals_card(self.folder / "card.yaml")
        signals = nr.read_signals(pd.read_csv(self.folder / "signals.csv"), ledger, card)
        learning = known_by_value(self.arguments | {"prior": prior})
        return {"ledger": ledger, "signals": signals, "card": card, "learning": learning}


def told(question: dict) -> list[str]:
    """All that an answer could possibly depend on, to the digit."""
    ledger, signals = question["ledger"], question["signals"]
    frames = [ledger.entries.frame, signals.frame]
    words = [frame.map(repr).to_csv() + str(frame.dtypes.to_dict()) for frame in frames]
    rates = "" if ledger.rates is None else ledger.rates.map(repr).to_csv()
    fields = (ledger.currency, ledger.reported, ledger.grace_months, ledger.reading, ledger.notices)
    asked = [f"{name}={value!r}:{type(value)}" for name, value in question["learning"].items()]
    return [*words, rates, repr(fields), repr(ledger.entries.line.tolist()), *asked,
            repr(question["card"]), repr(signals.names)]  # fmt: skip


CELLS = {
    "customer": lambda old, rng: rng.choice(NAMES) + rng.choice(["", "x"]),
    "mrr": lambda old, rng: round(old * rng.choice([1.0, 1.01, 2, 0.5]), 2),
    "segment": lambda old, rng: rng.choice(["smb", "enterprise", "mid_market"]),
    "product": lambda old, rng: rng.choice(["Core", "Plus", "Third"]),
    "quantity": lambda old, rng: old + rng.choice([0, 1]),
    "unit_price": lambda old, rng: old + rng.choice([0.0, 0.01, 5.0]),
    "renewal": lambda old, rng: f"{old[:5]}{rng.randint(1, 12):02d}",
    "term": lambda old, rng: rng.choice(["monthly", "annual"]),
    "region": lambda old, rng: rng.choice(["Europe", "Americas", "Asia"]),
}
ARGUMENTS = {
    "half_life": [None, 24, 24.0, 36],
    "price_months": [(), ("2026-01",), ["2026-01"], ("2026-01", "2025-01")],
    "seed": [1, 2],
    "trials": [100, 101],
    "term": [None, {"smb": "monthly"}, {"smb": "annual"}],
}
OPTIONS = {
    "grace_months": [0, 1, 2],
    "unit": [None, "mrr"],
    "reported": [False, True],
    "currency": [None, "USD", "EUR"],
    "fiscal_year_end": [None, "03"],
}


def edited(world: World, rng: random.Random) -> str:
    """Change one thing of it, now and then to what it was; returns what."""
    kind = rng.choice(["cell"] * 3 + ["column", "row", "file", "argument", "option"])
    if kind == "cell":
        column, row = rng.choice([*CELLS]), rng.randrange(len(world.table))
        if column in world.table:
            old = world.table[column].iloc[row]
            # of the whole history, as a customer has one segment and one renewal at a time
            same = world.table["customer"] == world.table["customer"].iloc[row]
            world.table.loc[same, column] = CELLS[column](old, rng)
        return f"cell of {column}"
    if kind == "column":
        column = rng.choice(["product", "region", "term", "renewal", "currency"])
        if column in world.table:
            world.table = world.table.drop(columns=column)
        else:
            world.table[column] = table()[column].reindex(world.table.index)
        return f"column {column}"
    if kind == "row":
        world.table = world.table.drop(index=rng.choice([*world.table.index]))
        return "row"
    if kind == "file":
        name = rng.choice([*FILES])
        file = world.folder / name
        digits = [place for place, each in enumerate(file.read_text()) if each in "123456789"]
        text, place = file.read_text(), rng.choice(digits) if digits else 0
        new = str(rng.randint(1, 9)) if digits else f"# {rng.random()}\n"
        if name in ("signals.csv", "rates.csv"):  # of their last column, which nothing else checks
            lines = text.splitlines(keepends=True)
            line = rng.randrange(1, len(lines))
            lines[line] = lines[line].rstrip("\n") + f"{rng.randint(1, 9)}\n"
            text, place, new = "".join(lines), 0, ""
        elif name == "card.yaml":
            text, place, new = (
                f"signals:\n  users: {{because: seen {rng.randint(1, 5)} times}}\n",
                0,
                "",
            )
        file.write_text(text[:place] + new + text[place + len(new) :] if new else text)
        return name
    known, values = (world.arguments, ARGUMENTS) if kind == "argument" else (world.options, OPTIONS)
    name = rng.choice([*values])
    known[name] = rng.choice(values[name])
    return f"{kind} {name}"


@pytest.fixture
def world(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return World(tmp_path, table(), {}, {name: values[0] for name, values in ARGUMENTS.items()})


def test_two_hundred_edits_never_give_an_old_answer(world):
    rng, seen, known, refused = random.Random(SEED), {}, 0, 0
    for _ in range(200):
        before = world.table.copy(), {**world.options}, {**world.arguments}
        what = edited(world, rng)
        try:
            question = world.question()
        except nr.errors.NrrsimError:  # which is no answer, either: the edit is taken back
            refused += 1
            world.table, world.options, world.arguments = before
            continue
        fresh, made = told(question), []
        found = cache.kept("it", question, lambda: made.append(1) or fresh)  # noqa: B023
        assert found == fresh, what
        known += not made
        key = cache._key("it", question)
        assert key is not None, what
        # nor is anything asked anew for what cannot move the answer
        assert (key in seen) == (not made)
        seen[key] = what
        if what in NEVER_READ:
            assert not made, what
    # both happen: what is asked again is found, and most edits ask something else
    assert known >= 20, len(seen)
    assert len(seen) >= 60 > refused


def answers(world: World) -> dict:
    """What is kept in truth: past forecasts, the forecast, and how good the accounts' list was."""
    question = world.question()
    ledger = question["ledger"]
    learning = {name: world.arguments[name] for name in ("half_life", "price_months")}
    seed, as_of = world.arguments["seed"], "2026-09"
    term = world.arguments["term"]
    tested = backtest(ledger, first=12, every=12, trials=100, seed=seed, term=term, **learning)
    past = nr.Actuals(ledger, as_of)
    ahead = nr.forecast(past, 100, seed, **learning)
    listed = nr.at_risk(ledger, as_of, signals=question["signals"], learning=learning)
    said = ahead.told() if ahead else ahead.reason
    return {"backtest": tested.told(), "forecast": said, "accounts": listed.told()}


@pytest.mark.parametrize("edits", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_what_is_found_is_what_would_be_made(edits, world, home, monkeypatch):
    rng, own = random.Random(SEED), os.environ[cache.FOLDER]

    def told_in(folder: str) -> str:
        monkeypatch.setenv(cache.FOLDER, folder)
        try:
            return json.dumps(answers(world))
        except nr.errors.UsageError as error:
            return str(error)

    for _ in range(edits):
        before = world.table.copy(), {**world.options}, {**world.arguments}
        what = edited(world, rng)
        try:
            world.question()
        except nr.errors.NrrsimError:
            world.table, world.options, world.arguments = before
            continue
        made, found, fresh = told_in(own), told_in(own), told_in(cache.OFF)
        assert made == found == fresh, what
    assert len(entries(home)) >= 4
    for file in entries(home):
        assert not any(name in file.read_text() for name in NAMES), file


@pytest.mark.slow
@pytest.mark.parametrize("name", ["2026Q3", "accounts", "backtest"])
def test_a_report_of_what_is_kept_is_the_same_bytes(name, tmp_path, home, monkeypatch):
    own = os.environ[cache.FOLDER]
    made = []
    for place, folder in (("off", cache.OFF), ("made", own), ("found", own)):
        monkeypatch.setenv(cache.FOLDER, folder)
        report = run_card(ROOT / "params" / f"{name}.yaml", out=tmp_path / place)
        made.append({file.name: file.read_bytes() for file in report.iterdir() if file.is_file()})
        manifest = json.loads(made[-1].pop("manifest.json"))
        made[-1]["numbers"] = json.dumps(manifest["numbers"]).encode()
    assert entries(home)
    for found in made[1:]:
        assert found.keys() == made[0].keys()
        assert [file for file in found if found[file] != made[0][file]] == []
