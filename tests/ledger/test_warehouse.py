"""Retention computed in a warehouse: the local answer to the cent, and no row brought back."""

import dataclasses
import itertools
import json
import re
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
from nrrsim.ledger.columns import MONTHS, Named
from nrrsim.ledger.database import Headings, read_query
from nrrsim.ledger.reading import OPTIONS, Reading
from nrrsim.metrics import FORMULAS
from nrrsim.months import shift

duckdb = pytest.importorskip("duckdb")
sqlglot = pytest.importorskip("sqlglot", reason="the extra sql is not installed")

from nrrsim.ledger import warehouse  # noqa: E402
from nrrsim.ledger.statement import rendered  # noqa: E402
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


@pytest.mark.parametrize(
    ("database", "by"),
    [
        ("duckdb", "segment"),
        ("postgresql", "segment"),
        ("postgresql", "industry"),
        ("duckdb", "cohort_quarter"),
        ("duckdb", "size"),
        ("postgresql", "size"),
    ],
)
def test_the_example_is_the_same(request, database, by):
    load = request.getfixturevalue(f"in_{database}")
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


@pytest.mark.parametrize(
    ("database", "seed"),
    [*(("duckdb", seed) for seed in range(8)), *(("postgresql", seed) for seed in (0, 5, 6, 7))],
)
def test_whatever_happens_in_a_ledger_is_the_same(request, tmp_path, database, seed):
    load = request.getfixturevalue(f"in_{database}")
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


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_size_bands_are_the_same_in_several_currencies(in_duckdb, tmp_path, seed):
    in_duckdb(made_up(seed))
    (tmp_path / "rates.csv").write_text(RATES)
    form = {"rates": tmp_path / "rates.csv", "currency": "USD", "reported": seed == 3, **SAID}
    here, there = ledgers("size", size_bands="2k,5k,20k", grace_months=2, **form)
    for definition in FORMULAS:
        told = agree(here, there, here.months[-1], 12, definition, "size")
        assert [*told["segments"]] == ["below 2k", "2k to 5k", "5k to 20k", "above 20k"]
        assert told["large"]["bound"] == 20_000
        assert told["large"]["customers"] > 0


def test_a_table_with_a_column_size_is_asked(in_duckdb):
    frame = pd.DataFrame({"customer": ["a"], "month": ["2025-12"], "arr": [1.0], "size": ["x"]})
    in_duckdb(frame)
    with pytest.raises(nr.DataError, match="--size-bands none for the column"):
        ledgers("size", **SAID)
    here, there = ledgers("size", size_bands="none", **SAID)
    assert (there.by, here.split_by("size")) == ("size", "size")


@fewer
@given(st.data())
def test_made_up_books_are_the_same(in_duckdb, data):
    frame = data.draw(
        data.draw(st.sampled_from([books(), books(prices=True), snapshots_of_lines()]))
    )
    in_duckdb(frame)
    by = data.draw(st.sampled_from(["segment", "cohort_year", "cohort_quarter", "size"]))
    here, there = ledgers(by, grace_months=data.draw(st.integers(0, 3)), **SAID)
    for definition in FORMULAS:
        agree(here, there, here.months[-1], 1, definition, by)


# --- what is wrong with a table -------------------------------------------------------------------


def plain_book() -> pd.DataFrame:
    """Six customers over fourteen months, nothing wrong with them."""
    months = [f"{2024 + month // 12}-{month % 12 + 1:02d}" for month in range(14)]
    rows = [
        (f"c{number}", month, 100.0 + 7 * number + place, f"s{number % 2}")
        for number in range(6)
        for place, month in enumerate(months)
    ]
    return pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"])


def with_cell(column: str, value: Any, row: int = 20) -> pd.DataFrame:
    frame = plain_book().astype({column: object})
    frame.loc[row, column] = value
    return frame


def added(*rows: tuple[Any, ...]) -> pd.DataFrame:
    frame = plain_book()
    return pd.concat([frame, pd.DataFrame(rows, columns=frame.columns)], ignore_index=True)


def of_items() -> pd.DataFrame:
    frame = plain_book().assign(product="core")
    frame.loc[3, "product"] = "Setup fee"
    return frame


def with_products(product: str | None) -> pd.DataFrame:
    frame = plain_book().assign(product="core")
    frame.loc[3, "product"] = product
    return frame


def of_names() -> pd.DataFrame:
    """An id that goes over into another, under one name."""
    frame = plain_book().rename(columns={"customer": "customer_id"})
    frame["customer_name"] = frame["customer_id"]
    at = (frame["customer_id"] == "c3") & (frame["month"] > "2024-08")
    frame.loc[at, "customer_id"] = "c3-new"
    return frame


def a_total() -> pd.DataFrame:
    """Who is as much as all others together, month by month, under a name that says nothing."""
    frame = plain_book()
    sums = frame.groupby("month")["mrr"].sum()
    rows = [("EMEA", month, amount, "s0") for month, amount in sums.items()]
    return pd.concat([frame, pd.DataFrame(rows, columns=frame.columns)], ignore_index=True)


def a_log() -> pd.DataFrame:
    """Half of the customers stand in their first and their last month alone."""
    frame = plain_book()
    ends = frame["month"].isin(["2024-01", "2025-02"]) | (frame["customer"] < "c2")
    return frame[ends]


def payments() -> pd.DataFrame:
    frame = plain_book()
    quarter = frame["month"].str[-2:].isin(["01", "04", "07", "10"]) | (frame["customer"] < "c4")
    return frame[quarter]


without_a_month = plain_book()[lambda frame: frame["month"] != "2024-06"]
every_two_months = plain_book()[
    lambda frame: frame["month"].str[-2:].isin(["02", "04", "06", "08"])
]
with_currencies = plain_book().assign(currency=["USD", "EUR"] * 42)

# The table, and what is said of it; the same tables are refused, or asked, where they are read here.
REFUSED = {
    "an empty customer": (with_cell("customer", None), "customer: in 1 row it is empty"),
    "a blank customer": (with_cell("customer", "  "), "customer: in 1 row it is empty"),
    "an empty segment": (with_cell("segment", None), "segment: in 1 row it is empty"),
    "a month that is none": (with_cell("month", "2024-13"), "month: in 1 row it is not a month"),
    "a day that is none": (with_cell("month", "2024-02-30"), "it is not a month"),
    "a month before all": (with_cell("month", "1850-01"), "it is not a month"),
    "an empty month": (with_cell("month", None), "it is not a month"),
    "an empty amount": (with_cell("mrr", None), "mrr: in 1 row it is empty; fill in"),
    "a negative amount": (with_cell("mrr", -5.0), "mrr: in 1 row it is negative"),
    "an infinite amount": (with_cell("mrr", float("inf")), "mrr: in 1 row it is infinite, no number, or 1e25 or more"),
    "no number": (with_cell("mrr", "NaN").astype(str), "mrr: in 1 row it is infinite, no number, or"),
    "a second row": (added(("c2", "2024-05", 3.0, "s0")), "1 month of a customer stands more than once"),
    "a second segment": (added(("c2", "2024-05", 3.0, "s1")), "1 month of a customer has two segments"),
    "a tab in a name": (with_cell("customer", "c\t1"), "customer: in 1 row it holds a line end"),
    "a hole": (without_a_month, "month: there is no row for 2024-06; add the month"),
    "a step of two months": (every_two_months[lambda frame: frame["month"] < "2025"], "snapshots lie 2 months apart"),
    "a name that says total": (with_cell("customer", "Total"), "1 customer may be the total of others"),
    "a sum of all others": (a_total(), "1 customer may be the total of others"),
    "ids without their zeros": (with_cell("customer", "0c1"), "1 id is written with and without leading zeros"),
    "one-off items": (of_items(), "1 row is of a one-off item such as onboarding"),
    "no product": (with_products(None), "product: in 1 row it is empty"),
    "a name that goes on": (of_names(), "1 name goes on under another id"),
    "a log of changes": (a_log(), "this looks like a log of changes, not a row a month"),
    "payments": (payments(), "these look like payments, not like what recurs"),
    "two currencies": (with_currencies, "currency: there are 2 currencies (EUR, USD) and no rates"),
    "no rows": (plain_book().iloc[:0], "there are no rows"),
    "nothing but zeros": (plain_book().assign(mrr=0.0), "there is no positive amount"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_is_counted_there_and_refused(load, kind):
    frame, said = REFUSED[kind]
    load(frame)
    with pytest.raises(nr.DataError) as refused:
        _ = Warehouse.of(ADDRESS, "ledger").months
    assert said in str(refused.value)
    # here too it is an error or a question, if it is not left out with a word
    if kind not in ("one-off items",):
        with pytest.raises(nr.DataError):
            nr.read_ledger(ADDRESS, query="select * from ledger")


def test_nothing_is_wrong_with_the_plain_book(load):
    load(plain_book())
    agree(*ledgers(), "2025-02")


def test_what_has_no_rate_is_told_in_one_order(in_duckdb, tmp_path):
    months = [f"{2024 + month // 12}-{month % 12 + 1:02d}" for month in range(24)]
    paid = [(code, month) for code in ("EUR", "GBP", "USD") for month in reversed(months)]
    frame = pd.DataFrame(paid, columns=["currency", "month"]).assign(mrr=1.0)
    in_duckdb(frame.assign(customer=frame["currency"]))
    rates = tmp_path / "rates.csv"
    rates.write_text("month,currency,rate\n2026-01,EUR,1.1\n")
    table = Warehouse.of(ADDRESS, "ledger", rates=str(rates), currency="USD", reported=True)
    told = ", ".join(f"EUR in 2024-0{month}" for month in range(1, 6))
    with pytest.raises(nr.UsageError, match=f"there is no rate for {told}; add"):
        table.cohort("2025-12")


def test_all_that_is_wrong_is_said_at_once(in_duckdb):
    frame = added(("c2", "2024-05", 3.0, "s0"), (None, "2024-05", -3.0, "s0"))
    in_duckdb(frame)
    with pytest.raises(nr.DataError) as refused:
        _ = Warehouse.of(ADDRESS, "ledger").months
    assert len(refused.value.findings) == 3
    assert all(
        "run nrrsim check on an extract to see the lines" in str(each)
        for each in refused.value.findings
    )


SETTLED = {
    "a name that says total": {"totals": "keep"},
    "a sum of all others": {"totals": "keep"},
    "ids without their zeros": {"ids": "two"},
    "one-off items": {"one_off": "add"},
    "a log of changes": {"rows": "months"},
    "payments": {"rows": "months"},
    "an empty amount": {"blank": "zero"},
}


@pytest.mark.parametrize("kind", SETTLED)
def test_what_is_asked_is_settled_by_the_same_option(in_duckdb, kind):
    in_duckdb(REFUSED[kind][0])
    agree(*ledgers(**SETTLED[kind]), "2025-02")


COLUMNS = {
    "text amounts": ({"mrr": "varchar"}, {}, "the column mrr holds text; in a warehouse it is computed from a number"),
    "a number for a month": ({"month": "integer"}, {}, "the column month holds a whole number"),
    "times of a zone": ({"month": "timestamptz"}, {}, "the column month holds TIMESTAMP WITH TIME ZONE"),
    "no amount": ({}, {"mrr": "fee"}, "there is no amount; name your heading for it with --column mrr=..."),
    "periods": ({}, {"month": "start"}, "a row is a subscription with its start"),
    "no month": ({}, {"month": "when_"}, "there is no column month"),
    "an amount of what?": ({}, {"mrr": "amount"}, "whether the amounts are MRR or ARR is not in the table"),
    "a status": ({}, {"segment": "status"}, "the column status says which rows count"),
    "thousands": ({}, {"mrr": "mrr (USD k)"}, "amounts are in cents, thousands or millions"),
}  # fmt: skip


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_that_are_not_computed_are_refused_by_their_names(load, kind):
    kinds, headings, said = COLUMNS[kind]
    load(
        plain_book().iloc[:0].rename(columns=headings),
        {**kinds, **dict.fromkeys(headings.values(), "double precision")}
        if "mrr" in headings
        else kinds,
    )
    with pytest.raises(nr.DataError, match=re.escape(said)):
        Warehouse.of(ADDRESS, "ledger")


VALUES = {"fill_down": True, "transpose": True, "scale": 1000, "minor_units": True}
VALUES |= {"count": {"active": True}, "where": {"Metric": "MRR"}}


@pytest.mark.parametrize("option", [each for each in OPTIONS if each not in warehouse.KNOWN])
def test_an_option_that_is_not_in_the_sql_is_refused_by_its_name(option):
    choices = {each.name: each.metadata["choices"] for each in dataclasses.fields(Reading)}[option]
    reading = Reading.of({option: VALUES.get(option) or next(iter(choices), "x")})
    said = f"--{option.replace('_', '-')}: is not computed in a warehouse"
    with pytest.raises(nr.UsageError, match=said):
        Warehouse.of(ADDRESS, "ledger", reading=reading)


def test_parts_of_a_customer_are_refused(in_duckdb):
    frame = plain_book().assign(product="core", region="north")
    twice = frame[frame["customer"] == "c1"].assign(product="plus", region="south")
    in_duckdb(pd.concat([frame, twice]))
    with pytest.raises(nr.UsageError, match="1 customer has lines under several values of region"):
        Warehouse.of(ADDRESS, "ledger", "region").cohort("2025-02", 12, "region")
    agree(*ledgers(), "2025-02")


def test_a_table_that_changes_meanwhile_is_refused(in_duckdb):
    in_duckdb(plain_book())
    there = Warehouse.of(ADDRESS, "ledger")
    assert there.months
    in_duckdb(plain_book().assign(mrr=5.0))
    with pytest.raises(nr.UsageError, match="ledger was changed while it was computed"):
        there.cohort("2025-02")


# --- kinds of columns, and names --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["date", "timestamp", "char(12)", "text"])
def test_a_month_may_be_a_day_or_a_text(load, kind):
    frame = plain_book()
    frame["month"] += "-01" if kind != "text" else "-28"
    load(frame, {"month": kind, "mrr": "numeric(14, 2)"})
    agree(*ledgers(), "2025-02")


def test_ids_may_be_numbers(load):
    frame = plain_book()
    frame["customer"] = frame["customer"].str[1:].astype(int) + 1000
    load(frame, {"customer": "bigint"})
    agree(*ledgers(), "2025-02")


NAMES = ['a"; drop table ledger; --', "a'b", "Größe %s", "select", ":worth", "a.b", "x]y", "a\\b"]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_heading_is_a_heading(load, name):
    frame = plain_book().assign(region="north")
    load(frame)
    quoted = name.replace('"', '""')
    frame = frame.rename(columns={"region": quoted, "segment": "Segment Name"})
    load(frame)
    here, there = ledgers(name)
    agree(here, there, "2025-02", by=name)


@pytest.mark.parametrize(
    "table", ['"ledger; drop table ledger"', '"a""b"', '"Ärger"', '"1"', "LEDGER_2"]
)
def test_a_table_is_named_as_in_sql(load, table):
    load(plain_book(), name=table)
    assert Warehouse.of(ADDRESS, table).cohort("2025-02").books_close()


@pytest.mark.parametrize(
    "table",
    [
        "",
        "a b",
        "ledger; select 1",
        "ledger --",
        "(select 1)",
        "a.b.c.d",
        '"a',
        "a'b",
        "read_csv('x')",
    ],
)
def test_what_is_no_name_of_a_table_is_refused(in_duckdb, table):
    in_duckdb(plain_book())
    with pytest.raises(nr.UsageError, match="is no name of a table"):
        Warehouse.of(ADDRESS, table)


def test_a_table_that_is_not_there_is_named(load):
    load(plain_book())
    with pytest.raises(nr.UsageError, match="nothing"):
        Warehouse.of(ADDRESS, "nothing")


# --- the SQL --------------------------------------------------------------------------------------

# all that ends a name or a text somewhere; but no dot, which BigQuery has in no column's name
HOSTILE = """a"; drop table `x` -- ' %s :worth ]] \\ /* ünter"""
DIALECTS = [
    "postgres",
    "duckdb",
    "snowflake",
    "bigquery",
    "databricks",
    "spark",
    "redshift",
    "tsql",
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("by", ["segment", HOSTILE, "cohort_quarter"])
def test_every_dialect_says_it_in_its_own_words(dialect, by):
    """And each name in it comes back from the dialect's parser as it went in: `rendered` sees to it."""
    kinds = {"customer": "text", "month": "text", "mrr": "number", "currency": "text", by: "text"}
    rates = pd.Series({("EUR", 24300): 1.1, ("a'b\\", 24300): 2.0})
    statement = warehouse.Statement(
        Headings(dialect, sqlglot.exp.to_table("x.ledger"), kinds, ""),
        Named({word: word for word in kinds if word != by}, MONTHS),
        rates,
    )
    for text in (statement.checks(by), statement.rollforward(by, 24300, 24312, "U'S\\D")):
        [query] = sqlglot.parse(text, dialect=dialect)
        assert isinstance(query, sqlglot.exp.Select | sqlglot.exp.SetOperation)


@pytest.mark.parametrize("call", ["to_months(1)", "isfinite(1.0)", "arg_min(a, b)", "nrrsim_x(1)"])
def test_what_only_one_database_knows_is_refused(call):
    tree = sqlglot.parse_one(f"select {call} from ledger", read="duckdb")
    with pytest.raises(nr.UsageError, match="cannot be written as bigquery's SQL"):
        rendered(tree, "bigquery")


def test_no_row_is_brought_back(in_duckdb, monkeypatch):
    """What the database answers holds no customer, and no more rows than labels and months."""
    in_duckdb(pd.read_csv(EXAMPLE, dtype={"renewal": str}))
    answers = []

    def spied(address: str, query: str | None) -> Any:
        answers.append(read_query(address, query))
        return answers[-1]

    monkeypatch.setattr(warehouse, "read_query", spied)
    headline(Warehouse.of(ADDRESS, "ledger"), "2026-09")
    checks, rolled = (each.frame for each in answers)
    assert len(checks) < 150
    assert len(rolled) <= 3 * 2 * 13
    customers = set(pd.read_csv(EXAMPLE)["customer"])
    assert not customers & {cell for frame in (checks, rolled) for cell in frame.to_numpy().ravel()}


# --- the command ----------------------------------------------------------------------------------


def told(tmp_path: Path, *words: str) -> Answer:
    return asked(["metrics", ADDRESS, *words], tmp_path)


def test_the_command_prints_the_object_of_a_file(in_duckdb, tmp_path):
    frame = pd.read_csv(EXAMPLE, dtype={"renewal": str})
    in_duckdb(frame)
    there = told(tmp_path, "--push-down", "--table", "ledger", "--json")
    here = asked(["metrics", EXAMPLE, "--json"], tmp_path)
    assert (there.code, here.code) == (0, 0)
    answer = json.loads(there.out)
    assert answer.pop("computed_in") == "warehouse"
    assert answer == json.loads(here.out)
    assert "computed in the warehouse, and no row was read" in there.err
    assert (
        told(tmp_path, "--push-down", "--table", "ledger").out
        == asked(["metrics", EXAMPLE], tmp_path).out
    )


def test_the_sql_is_printed_and_not_run(in_duckdb, tmp_path, monkeypatch):
    in_duckdb(plain_book())
    monkeypatch.setattr(warehouse, "read_query", pytest.fail)
    words = ("--push-down", "--table", "ledger", "--print-sql", "--as-of", "2025-02")
    printed = told(tmp_path, *words)
    assert (printed.code, printed.err) == (0, "")
    assert len([each for each in sqlglot.parse(printed.out, dialect="duckdb") if each]) == 2


WORDS = {
    ("--table", "ledger"): "--push-down: say it, too",
    ("--print-sql",): "--push-down: say it, too",
    ("--push-down",): "--table: say which table or view holds the ledger",
    ("--push-down", "--table", "ledger", "--print-sql"): "--print-sql: say as of which month",
    ("--push-down", "--table", "ledger", "--as-of", "soon"): "--as-of: 'soon' is not a month",
    (
        "--push-down",
        "--table",
        "ledger",
        "--as-of",
        "2031-01",
    ): "as_of: 2031-01 is not in the ledger",
    ("--push-down", "--table", "ledger", "--by", "colour"): "by: the ledger has no column colour",
    (
        "--push-down",
        "--table",
        "ledger",
        "--several",
        "add",
    ): "--several: is not computed in a warehouse",
    (
        "--push-down",
        "--table",
        "ledger",
        "--totals",
        "drop",
    ): "--totals drop: is not computed in a warehouse",
}


@pytest.mark.parametrize("words", WORDS)
def test_what_does_not_fit_is_told_in_a_line(in_duckdb, tmp_path, words):
    in_duckdb(plain_book())
    answer = told(tmp_path, *words)
    assert (answer.code, answer.out) == (2, "")
    assert WORDS[words] in answer.err
    assert "Traceback" not in answer.err


def test_a_file_is_not_pushed_down(tmp_path):
    answer = asked(["metrics", EXAMPLE, "--push-down", "--table", "x"], tmp_path)
    assert answer.code == 2
    assert "--push-down: computes in a database" in answer.err


def test_sqlite_is_read_here(tmp_path, monkeypatch):
    monkeypatch.setenv("LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    answer = told(tmp_path, "--push-down", "--table", "ledger")
    assert answer.code == 2
    assert "SQLite has no types to compute by" in answer.err


def test_a_reader_who_may_not_see_the_table_is_told(server, in_postgresql, tmp_path):
    in_postgresql(plain_book())
    with server.owner() as connection:
        connection.execute("revoke all on ledger from reader")
    answer = told(tmp_path, "--push-down", "--table", "ledger")
    assert answer.code == 2
    assert "permission denied for table ledger" in answer.err
