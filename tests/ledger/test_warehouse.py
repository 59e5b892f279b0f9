"""Retention computed in a warehouse: the local answer to the cent, and no row brought back."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import Answer, asked
from conftest import SHARED, fewer
from hypothesis import given
from hypothesis import strategies as st
from postgresql import WRITTEN, Server, running_server
from test_properties import books, snapshots_of_lines

import nrrsim as nr
from nrrsim.analysis.actuals import headline
from nrrsim.ledger.reading import Reading
from nrrsim.metrics import FORMULAS
from nrrsim.months import shift

duckdb = pytest.importorskip("duckdb")
sqlglot = pytest.importorskip("sqlglot", reason="the extra sql is not installed")

from nrrsim.ledger import warehouse  # noqa: E402
from nrrsim.ledger.warehouse import Warehouse  # noqa: E402

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "nrrsim" / "data" / "meridian.csv"
ADDRESS = "env:LEDGER_URL"
# A made-up ledger may look like anything: it is said what it is.
SAID = {"rows": "months", "totals": "keep"}
KINDS = {"month": "varchar", "mrr": "double precision", "arr": "double precision"}
KINDS |= {"quantity": "double precision", "unit_price": "double precision"}
RATES = "month,currency,rate\n" + "".join(
    f"{2024 + month // 12}-{month % 12 + 1:02d},{code},{rate + month / 100}\n"
    for month in range(60)
    for code, rate in (("EUR", 1.1), ("GBP", 1.3))
)
Load = Callable[..., None]


# --- a table in a database ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        with running.owner("postgres") as connection:
            connection.execute("create database finance")
        with running.owner() as connection:
            connection.execute("create role reader login password 's3cret/p@ss:wörd%'")
        yield running


@pytest.fixture
def in_duckdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Lays a frame into a DuckDB file as the table `ledger`, and sets its address."""
    path = tmp_path / "ledger.duckdb"
    monkeypatch.setenv("LEDGER_URL", f"duckdb:///{path}")

    def load(
        frame: pd.DataFrame, kinds: dict[str, str] | None = None, name: str = "ledger"
    ) -> None:
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"create table {name} ({_columns(frame, kinds)})")
            connection.register("given", frame)
            connection.execute(f"insert into {name} select * from given")

    return load


@pytest.fixture
def in_postgresql(server: Server, monkeypatch: pytest.MonkeyPatch) -> Load:
    """The same in PostgreSQL, whose reader may SELECT that table, and nothing else."""
    monkeypatch.setenv("LEDGER_URL", server.url(WRITTEN))

    def load(
        frame: pd.DataFrame, kinds: dict[str, str] | None = None, name: str = "ledger"
    ) -> None:
        with server.owner() as connection:
            connection.execute(f"drop table if exists {name}")
            connection.execute(f"create table {name} ({_columns(frame, kinds)})")
            with connection.cursor() as cursor, cursor.copy(f"copy {name} from stdin") as copy:
                for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False):
                    copy.write_row(row)
            connection.execute(f"grant select on {name} to reader")

    return load


@pytest.fixture(params=["duckdb", "postgresql"])
def load(request: pytest.FixtureRequest) -> Load:
    found: Load = request.getfixturevalue(f"in_{request.param}")
    return found


def _columns(frame: pd.DataFrame, kinds: dict[str, str] | None) -> str:
    known = KINDS | (kinds or {})
    return ", ".join(f'"{name}" {known.get(str(name), "varchar")}' for name in frame)


# --- the same answer ------------------------------------------------------------------------------


def ledgers(by: str = "segment", **how: Any) -> tuple[nr.Ledger, Warehouse]:
    """The table's rows, read here, and the table where it lies."""
    names = [name for name in ("rates", "currency", "reported", "grace_months") if name in how]
    form = {name: how.pop(name) for name in names}
    there = Warehouse.of(ADDRESS, "ledger", by, reading=Reading.of(how), **form)
    here = nr.read_ledger(ADDRESS, query="select * from ledger", **form, **how)
    assert there.months == here.months
    return here, there


def agree(
    here: nr.Ledger,
    there: Warehouse,
    as_of: str,
    window: int = 12,
    definition: str = "point_to_point",
    by: str = "segment",
) -> dict[str, Any]:
    """The headline of both, which are equal."""
    local, remote = (headline(each, as_of, window, definition, by) for each in (here, there))
    same(local, remote)
    return local


def same(local: Any, remote: Any) -> None:
    """Equal to the cent and the tenth digit, the names and their order included."""
    if isinstance(local, dict):
        assert list(local) == list(remote)
        for name in local:
            same(local[name], remote[name])
    elif isinstance(local, float):
        assert remote == pytest.approx(local, rel=1e-10, abs=0.006 if abs(local) > 10 else 1e-10)
    else:
        assert local == remote


@pytest.mark.parametrize("by", ["segment", "industry", "cohort_quarter"])
def test_the_example_is_the_same(load, by):
    load(pd.read_csv(EXAMPLE, dtype={"renewal": str}))
    here, there = ledgers(by)
    for definition in nr.DEFINITIONS:
        told = agree(here, there, "2026-09", 12, definition, by)
        assert told["movements"]["price"] > 1e6


REAL = ("six_customers", "sf_retainers", "sf_clients", "finland_journals", "buffer_ledger")


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_real_ledgers_are_the_same(in_duckdb, name):
    in_duckdb(pd.read_csv(SHARED / f"{name}.csv"))
    here, there = ledgers()
    months = here.months
    for as_of in (months[-1], shift(months[0], 12)):
        for definition in FORMULAS:
            agree(here, there, as_of, 12, definition)


def made_up(seed: int) -> pd.DataFrame:
    """A ledger of lines with quantity and price, in which all happens that a roll-forward tells
    apart: gaps, returns, new products, price rises, prices that are not the amount, two currencies.
    """
    random = np.random.default_rng(seed)
    step = (1, 1, 3, 12)[seed % 4]
    months = range(0, 36 if step == 1 else 60, step)
    rows = []
    for number in range(20):
        segment = f"s{random.integers(3)}"
        for product in random.permutation(["core", "plus", "data"])[: random.integers(1, 4)]:
            price, units = random.integers(500, 9000) / 100, int(random.integers(1, 40))
            currency = str(random.choice(["USD", "EUR", "GBP"]))
            away = 0
            begin = int(random.integers(0, len(months))) if number else 0
            stop = int(random.integers(begin + 1, 2 * len(months))) if number else len(months)
            for month in months[begin:stop]:
                gone = int(random.integers(1, 4)) if random.random() < 0.07 else 0
                away = max(away - 1, 0) or gone
                price = round(price * random.choice([1, 1, 1, 1.07, 0.95]), 2)
                units = max(units + int(random.choice([0, 0, 0, 2, -1])), 1)
                currency = str(random.choice([currency] * 30 + ["USD"]))
                if away and number:
                    continue
                amount = round(units * price, 2)
                kind = random.random()
                told = (
                    (units, price) if kind > 0.1 else (None, price) if kind > 0.05 else (units, 1.0)
                )
                amount = 0.0 if number and random.random() < 0.02 else amount
                name = f"{2024 + month // 12}-{month % 12 + 1:02d}"
                rows.append((f"c{number}", name, product, amount, segment, currency, *told))
    columns = [
        "customer",
        "month",
        "product",
        "mrr",
        "segment",
        "currency",
        "quantity",
        "unit_price",
    ]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_in_a_ledger_is_the_same(load, tmp_path, seed):
    frame = made_up(seed)
    load(frame)
    (tmp_path / "rates.csv").write_text(RATES)
    form = {"rates": tmp_path / "rates.csv", "currency": "USD", "reported": seed % 3 == 0}
    form |= {"grace_months": (0, 2, 12)[seed // 2 % 3], **SAID}
    here, there = ledgers(**form)
    found = set()
    for definition, window in itertools.product(FORMULAS, (12, 24)):
        told = agree(here, there, here.months[-1], window, definition)
        found |= {name for name, amount in told["movements"].items() if amount}
    assert found >= {"price", "contraction", "unsplit", "adoption", "cross_sell", "churn"}


@fewer
@given(st.data())
def test_made_up_books_are_the_same(in_duckdb, data):
    frame = data.draw(
        data.draw(st.sampled_from([books(), books(prices=True), snapshots_of_lines()]))
    )
    in_duckdb(frame)
    by = data.draw(st.sampled_from(["segment", "cohort_year", "cohort_quarter"]))
    here, there = ledgers(by, grace_months=data.draw(st.integers(0, 3)), **SAID)
    for definition in FORMULAS:
        agree(here, there, here.months[-1], 1, definition, by)
