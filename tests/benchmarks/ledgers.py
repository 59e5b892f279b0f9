"""Made-up ledgers as Parquet and CSV go in, a Markdown table comes out: what it costs to read one, check it and have
NRR, GRR and logo retention of twelve months by segment, beside what others take; passes whatever it says.

Each is a process of its own, its start included, in turn with the others; processor seconds are user and system. Before
a time counts, what came out is held to the others' to the cent. A peer that is not installed is left out, and said:
`--python` names a Python that has polars, saas-metrics, pandas and pyarrow, `--before` a clone of an older nrrsim.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
SEED = 20260930
LAST = 2026 * 12 + 8  # 2026-09
START, END = "2025-09-01", "2026-09-01"
SMALL, SEVERAL = 1_000_000, 3
CENT = 0.01
MISSING = 3  # exit code of a process whose library is not there


# --- the ledgers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """What a ledger is like; `wrong` rows each break a rule, the rules in turn."""

    rows: int
    customers: int
    segments: int = 5
    suffix: str = "parquet"
    shuffled: bool = False
    long_names: bool = False
    wrong: int = 0

    @property
    def name(self) -> str:
        more = [
            *(["shuffled"] if self.shuffled else []),
            *(["long names"] if self.long_names else []),
            *([f"{self.wrong:,} errors"] if self.wrong else []),
        ]
        of = f"{self.rows / 1e6:.3g} M rows, {self.customers:,} customers, {self.segments} segments"
        return ", ".join([of, self.suffix if self.suffix == "parquet" else "CSV", *more])

    def write(self, folder: Path) -> Path:
        """Sorted by customer and month if not `shuffled`; who leaves may come back."""
        import duckdb

        path = folder / f"ledger.{self.suffix}"
        name = "printf('C%08d', customer)"
        if self.long_names:
            name = "printf('%08d International Holdings and Subsidiaries Corporation', customer)"
        order = "order by hash(customer * 10000 + month)" if self.shuffled else ""
        how = "(format parquet)" if self.suffix == "parquet" else "(format csv, header)"
        with duckdb.connect() as database:
            database.register("made", self._columns())
            database.execute(
                f"copy (select {name} as customer,"
                " make_date(month // 12, (month % 12 + 1)::int, 1) as month,"
                " printf('segment %02d', segment) as segment, arr::decimal(18, 2)::double as arr"
                f" from made {order}) to '{path}' {how}"
            )
        return path

    def _columns(self) -> dict[str, Any]:
        import numpy as np

        rng = np.random.default_rng(SEED)
        each = self.rows / self.customers
        months = max(40, round(1.1 * each))
        stays = rng.random(self.customers) < min(1.0, each / months)
        begins = np.where(stays, 0, rng.integers(0, months, self.customers))
        unit, low, high = rng.exponential(1.0, self.customers), 0.0, float(months) ** 2
        for _ in range(60):  # the mean of a life that makes so many rows
            mean = (low + high) / 2
            life = np.clip(np.ceil(mean * unit), 1, months - begins).astype(int)
            low, high = (mean, high) if life.sum() < self.rows else (low, mean)
        n = int(life.sum())
        first = np.cumsum(life) - life
        customer = np.repeat(np.arange(self.customers, dtype=np.int32), life)
        age = np.arange(n) - first[customer]
        month = (LAST - months + 1 + begins[customer] + age).astype(np.int32)
        step = np.where(rng.random(n) < 0.06, rng.normal(0.05, 0.15, n), 0.0).cumsum()
        base = rng.lognormal(8, 1.2, self.customers)[customer]
        arr = np.round(base * np.exp((step - step[first][customer]).clip(-2, 2)) + 12, 2)
        segment = rng.choice(self.segments, self.customers).astype(np.int16)[customer]
        there = rng.random(n) > 0.002  # a gap in a life: left, and came back
        table = {"customer": customer, "month": month, "segment": segment, "arr": arr}
        table = {name: column[there] for name, column in table.items()}
        return self._broken(table, rng) if self.wrong else table

    def _broken(self, table: dict[str, Any], rng: Any) -> dict[str, Any]:
        """Amounts below 0, and rows that stand there twice, as many of each."""
        import numpy as np

        at = rng.choice(len(table["arr"]), self.wrong, replace=False)
        table["arr"][at[::2]] *= -1
        twice = np.sort(at[1::2])
        return {name: np.insert(column, twice, column[twice]) for name, column in table.items()}


# --- what each does: in a process of its own ------------------------------------------------------
# The same five checks: duplicates, missing values, amounts of 0 or less, months without a row, customers with two
# segments in a month. Then of each segment: opening, closing, retained, customers then and those still there.


CHECKS = """
select count(*) filter (customer is null or customer = '' or month is null or segment is null
           or arr is null) as missing,
       count(*) filter (not arr > 0) as nonpositive,
       date_diff('month', min(month), max(month)) + 1 - count(distinct month) as holes
from ledger
"""
PAIRS = """
select count(*) filter (n > 1) as twice, count(*) filter (least <> most) as two_segments
from (select count(*) as n, min(segment) as least, max(segment) as most
      from ledger group by customer, month)
"""
RETENTION = f"""
select a.segment, sum(a.arr), sum(coalesce(b.arr, 0)), sum(least(a.arr, coalesce(b.arr, 0))),
       count(*), count(b.arr)
from (select customer, segment, arr from ledger where month = date '{START}') a
left join (select customer, arr from ledger where month = date '{END}') b using (customer)
group by a.segment
"""
LINES = """
select row_number + 1 as line, customer, month, arr, what from (
    select *, 'amount' as what from numbered where not arr > 0 or arr is null
    union all
    select *, 'missing' from numbered where customer is null or month is null or segment is null
    union all
    select *, 'twice' from numbered semi join
        (select customer, month from numbered group by all having count(*) > 1) using (customer, month)
) order by line
"""


def _database(path: str) -> Any:
    import duckdb

    read = "read_parquet" if path.endswith("parquet") else "read_csv"
    database = duckdb.connect()
    database.execute("set enable_progress_bar = false")
    database.execute(f"create view ledger as select * from {read}('{path}')")
    return database


def duckdb_checks(path: str) -> Any:
    database = _database(path)
    return [database.sql(CHECKS).fetchall()[0], database.sql(PAIRS).fetchall()[0]]


def duckdb_sql(path: str) -> Any:
    database = _database(path)
    checked = [database.sql(CHECKS).fetchall()[0], database.sql(PAIRS).fetchall()[0]]
    return {"found": checked, "segments": _told(database.sql(RETENTION).fetchall())}


def duckdb_lines(path: str) -> Any:
    """Each broken line, printed as a table into a file."""
    database = _database(path)
    numbered = "select *, row_number() over () as row_number from ledger"
    if path.endswith("parquet"):
        numbered = f"select *, file_row_number as row_number from read_parquet('{path}', file_row_number=true)"
    database.execute(f"create view numbered as {numbered}")
    rows = database.sql(LINES).fetchall()
    with tempfile.TemporaryFile("w") as file:
        file.writelines(
            f"line {line}: {who} {month} {arr}: {what}\n" for line, who, month, arr, what in rows
        )
    return len(rows)


def pandas_frames(path: str) -> Any:
    """Its own reader where that is there (it needs pyarrow), else DuckDB's."""
    import pandas as pd

    try:
        is_text = path.endswith("csv")
        book = pd.read_csv(path, parse_dates=["month"]) if is_text else pd.read_parquet(path)
    except ImportError:
        book = _database(path).sql("from ledger").df()
    book["month"] = pd.to_datetime(book["month"])
    months = book["month"].dt.to_period("M").unique()
    of = book.groupby(["customer", "segment"]).ngroups
    pairs = book.duplicated(["customer", "month"])
    two = 0
    if of != book["customer"].nunique():
        two = int((book.groupby(["customer", "month"])["segment"].nunique() > 1).sum())
    found = [
        [
            int(book.isna().any(axis=1).sum() + (book["customer"] == "").sum()),
            int((~(book["arr"] > 0)).sum()),
            (months.max() - months.min()).n + 1 - len(months),
        ],
        [int(pairs.sum()), two],
    ]
    opening = book[book["month"] == START]
    closing = book.loc[book["month"] == END, ["customer", "arr"]]
    both = opening.merge(closing, on="customer", how="left", suffixes=("", "_now"))
    both = both.fillna({"arr_now": 0.0})
    both["kept"], both["stays"] = both[["arr", "arr_now"]].min(axis=1), both["arr_now"] > 0
    sums = both.groupby("segment").agg(
        {"arr": "sum", "arr_now": "sum", "kept": "sum", "customer": "count", "stays": "sum"}
    )
    return {"found": found, "segments": _told(sums.itertuples())}


def polars_frames(path: str) -> Any:
    import datetime

    import polars as pl

    lazy = (
        pl.scan_parquet(path)
        if path.endswith("parquet")
        else pl.scan_csv(path, try_parse_dates=True)
    )
    month = pl.col("month").dt.year() * 12 + pl.col("month").dt.month()
    checks = lazy.select(
        pl.any_horizontal(pl.all().is_null()).sum() + (pl.col("customer") == "").sum(),
        (~(pl.col("arr") > 0)).sum().alias("nonpositive"),
        (month.max() - month.min() + 1 - month.n_unique()).alias("holes"),
    )
    pairs = lazy.group_by("customer", "month").agg(
        pl.len().alias("n"), (pl.col("segment").min() != pl.col("segment").max()).alias("two")
    )
    start, end = (datetime.date.fromisoformat(each) for each in (START, END))
    opening = lazy.filter(pl.col("month") == start)
    closing = lazy.filter(pl.col("month") == end).select("customer", pl.col("arr").alias("now"))
    now = pl.col("now").fill_null(0.0)
    sums = (
        opening.join(closing, on="customer", how="left")
        .group_by("segment")
        .agg(
            pl.col("arr").sum(),
            now.sum(),
            pl.min_horizontal("arr", now).sum().alias("kept"),
            pl.len(),
            pl.col("now").count().alias("stays"),
        )
    )
    pairs = pairs.select((pl.col("n") > 1).sum(), pl.col("two").sum())
    frames = pl.collect_all([checks, pairs, sums], engine="streaming")
    found = [list(frame.row(0)) for frame in frames[:2]]
    return {"found": found, "segments": _told(frames[2].iter_rows())}


def expert_numpy(path: str) -> Any:
    """Codes of a dictionary, one matrix of customer by month, no sort: as it would be written for speed."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    coded = ["customer", "segment"]
    if path.endswith("parquet"):
        table = pa.parquet.read_table(path, read_dictionary=coded)
    else:
        kinds = dict.fromkeys(coded, pa.dictionary(pa.int32(), pa.string()))
        options = pa.csv.ConvertOptions(column_types=kinds)
        table = pa.csv.read_csv(path, convert_options=options)
    table = table.unify_dictionaries()
    missing = sum(column.null_count for column in table.columns)
    names = {}
    codes = {}
    for word in coded:
        chunks = table[word].chunks
        names[word] = (
            chunks[0].dictionary.to_pylist() if word == "segment" else chunks[0].dictionary
        )
        codes[word] = np.concatenate([each.indices.to_numpy() for each in chunks])
    days = table["month"].to_numpy().astype("datetime64[M]").astype(np.int32)
    arr = table["arr"].to_numpy()
    del table
    begin, n = int(days.min()), int(days.max() - days.min()) + 1
    cell = codes["customer"].astype(np.int64) * n + (days - begin)
    customers = len(names["customer"])
    seen = np.bincount(cell, minlength=customers * n).astype(np.int32)
    holes = n - np.count_nonzero(np.bincount(days - begin, minlength=n))
    held = np.full(customers * n, -1, np.int8)
    held[cell] = codes["segment"]
    two = int((held[cell] != codes["segment"]).sum())
    found = [[missing, int((~(arr > 0)).sum()), int(holes)], [int((seen > 1).sum()), two]]
    then = days == np.datetime64(START, "M").astype(int)
    now = np.zeros(customers)
    at_end = days == np.datetime64(END, "M").astype(int)
    now[codes["customer"][at_end]] = arr[at_end]
    opening, closing = arr[then], now[codes["customer"][then]]
    parts = (opening, closing, np.minimum(opening, closing), np.ones(len(opening)), closing > 0)
    sums = [np.bincount(codes["segment"][then], part, len(names["segment"])) for part in parts]
    return {"found": found, "segments": _told(zip(names["segment"], *sums, strict=True))}


def saas_metrics(path: str) -> Any:
    """Its whole report, as it has no smaller one; it tells retention of the whole book, month by month."""
    import saas_metrics as sm

    mapping = {"customer_id": "customer", "period": "month", "revenue": "arr", "segment": "segment"}
    made = sm.analyze(path, mapping=mapping, allow_warnings=True)
    last = made.metrics.iloc[-1]
    return {"all": [float(last[f"{name}_12m"]) for name in ("nrr", "grr", "logo_retention")]}


def _told(rows: Any) -> dict[str, list[float]]:
    return {str(name): [float(each) for each in of] for name, *of in rows}


PEERS: dict[str, Callable[[str], Any]] = {
    each.__name__: each
    for each in (
        duckdb_checks,
        duckdb_sql,
        duckdb_lines,
        pandas_frames,
        polars_frames,
        expert_numpy,
        saas_metrics,
    )
}
WORDS = {
    "nrrsim_metrics": ["metrics", "LEDGER", "--as-of", "2026-09", "--json", "--quiet"],
    "nrrsim_check": ["check", "LEDGER", "--quiet"],
}
SHOWN = {
    "nrrsim_metrics": "**nrrsim** `metrics`",
    "nrrsim_check": "**nrrsim** `check`",
    "before_metrics": "nrrsim before, `metrics`",
    "before_check": "nrrsim before, `check`",
    "duckdb_checks": "DuckDB SQL, the checks alone",
    "duckdb_lines": "DuckDB SQL, broken lines listed",
    "duckdb_sql": "DuckDB SQL",
    "pandas_frames": "pandas",
    "polars_frames": "Polars",
    "expert_numpy": "NumPy, by an expert",
    "saas_metrics": "saas-metrics",
}


# --- how it is measured ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    wall: float
    cpu: float
    peak: float  # MiB
    printed: str


class NotThereError(Exception):
    """A peer's library is not installed."""


def run(name: str, path: Path, how: argparse.Namespace) -> Run:
    """One process; exit code 3 of nrrsim (errors found) is an answer, too."""
    command, where = _command(name, path, how)
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as wrong:
        process = subprocess.Popen(command, stdout=said, stderr=wrong, cwd=where, env=_env(where))
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        wrong.seek(0)
        printed, told = said.read(), wrong.read()
    if name in PEERS and process.returncode == MISSING:
        raise NotThereError(told.strip())
    if process.returncode not in ((0, 3) if how.wrong and name.endswith("_check") else (0,)):
        raise RuntimeError(f"it failed ({process.returncode}): {told.strip()[-500:]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, printed)


def _command(name: str, path: Path, how: argparse.Namespace) -> tuple[list[str], Path]:
    if name in PEERS:
        return [str(how.python), str(Path(__file__)), "--do", name, str(path)], ROOT
    which, _, what = name.partition("_")
    words = [str(path) if word == "LEDGER" else word for word in WORDS[f"nrrsim_{what}"]]
    nrrsim = Path(sys.executable).with_name("nrrsim")
    return [str(nrrsim), *words], ROOT if which == "nrrsim" else how.before


def _env(where: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(where)}


def several(names: list[str], path: Path, how: argparse.Namespace) -> dict[str, list[Run]]:
    """In turn, so that a busy minute of the machine meets all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for turn in range(how.times):
        for name in list(runs):
            if turn and name in how.once:
                continue
            try:
                runs[name].append(run(name, path, how))
            except (NotThereError, RuntimeError) as why:
                print(f"{SHOWN[name]} is left out: {str(why).splitlines()[0]}", file=sys.stderr)
                del runs[name]
    return runs


def agree(runs: dict[str, list[Run]]) -> None:
    """Every peer's amounts are the others' to the cent, their counts and ratios the same."""
    told = {
        name: object_in(of[-1].printed, name)
        for name, of in runs.items()
        if name in SHOWN
        and of
        and name not in ("duckdb_checks", "duckdb_lines", "nrrsim_check", "before_check")
    }
    plain = told.get("duckdb_sql")
    if plain is None:
        return
    whole = [sum(each) for each in zip(*plain["segments"].values(), strict=True)]
    for name, other in told.items():
        if name == "saas_metrics":
            near(other["all"], ratios(whole), 1e-9, name)
        elif name.endswith("_metrics"):
            near([other[key] for key in ("nrr", "grr", "logo")], ratios(whole), 1e-9, name)
            for segment, amounts in plain["segments"].items():
                of = other["segments"][segment]
                near([of["nrr"], of["grr"], of["logo"]], ratios(amounts), 1e-9, name)
                near([of["opening"], of["closing"]], amounts[:2], CENT, name)
        else:
            assert other["found"] == plain["found"], (name, other["found"], plain["found"])
            for segment, amounts in plain["segments"].items():
                near(other["segments"][segment], amounts, CENT, name)


def object_in(printed: str, name: str) -> Any:
    try:
        return json.loads(printed)
    except ValueError:
        raise RuntimeError(f"{name} printed no JSON: {printed[:300]!r}") from None


def ratios(amounts: list[float]) -> list[float]:
    opening, closing, retained, customers, stays = amounts
    return [closing / opening, retained / opening, stays / customers]


def near(these: list[float], those: list[float], within: float, who: str) -> None:
    for one, other in zip(these, those, strict=True):
        assert abs(one - other) <= within, f"{who}: {one} is not {other}"


def table(made: Made, names: list[str], how: argparse.Namespace) -> Iterator[str]:
    print(f"{made.name} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="nrrsim-ledgers-", dir=how.folder) as folder:
        # by a process of its own: what one has held counts as the peak of those that it starts
        write = [sys.executable, __file__, "--write", json.dumps(asdict(made)), folder]
        subprocess.run(write, check=True)
        path = Path(folder, f"ledger.{made.suffix}")
        size = path.stat().st_size / 2**20
        runs = several(names, path, how)
    agree(runs)
    yield f"\n{made.name} ({size:,.0f} MiB)\n"
    yield "| what | wall | processor time | peak memory | times nrrsim's processor time |"
    yield "|---|--:|--:|--:|--:|"
    ours = {
        name.partition("_")[2]: median(of, "cpu")
        for name, of in runs.items()
        if name.startswith("nrrsim")
    }
    for name, of in runs.items():
        checks = name in ("duckdb_checks", "duckdb_lines") or name.endswith("_check")
        own = ours.get("check" if checks else "metrics")
        cpu = median(of, "cpu")
        cells = [
            SHOWN[name] + ("" if len(of) > 1 else " (once)"),
            f"{median(of, 'wall'):.2f} s",
            f"{cpu:.2f} s",
            f"{max(each.peak for each in of):,.0f} MiB",
            f"{cpu / own:.2f}" if own else "",
        ]
        yield f"| {' | '.join(cells)} |"


def median(of: list[Run], what: str) -> float:
    return statistics.median(getattr(each, what) for each in of)


def do(name: str, path: str) -> None:
    try:
        print(json.dumps(PEERS[name](path)))
    except ImportError as error:
        print(error, file=sys.stderr)
        raise SystemExit(MISSING) from error


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, default=SMALL)
    words.add_argument("--customers", type=int)
    words.add_argument("--segments", type=int, default=5)
    words.add_argument("--csv", action="store_true")
    words.add_argument("--shuffled", action="store_true")
    words.add_argument("--long-names", action="store_true")
    words.add_argument("--wrong", type=int, default=0, metavar="ROWS")
    words.add_argument("--times", type=int, default=SEVERAL)
    words.add_argument("--only", nargs="+", choices=SHOWN, help="in this order")
    words.add_argument("--once", nargs="+", choices=SHOWN, default=[], help="not several times")
    words.add_argument("--python", type=Path, default=Path(sys.executable), help="of the peers")
    words.add_argument("--before", type=Path, help="a clone of an older nrrsim")
    words.add_argument("--folder", type=Path, help="for the ledgers, which may be large")
    how = words.parse_args()
    made = Made(
        how.rows,
        how.customers or max(100, how.rows // 35),
        how.segments,
        "csv" if how.csv else "parquet",
        how.shuffled,
        how.long_names,
        how.wrong,
    )
    listing = ["nrrsim_check", "before_check", "duckdb_lines"]
    names = how.only or [
        name for name in (listing if made.wrong else SHOWN) if made.wrong or name != "duckdb_lines"
    ]
    names = [name for name in names if how.before or not name.startswith("before")]
    for line in table(made, names, how):
        print(line, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--do"]:
        do(*sys.argv[2:])
    elif sys.argv[1:2] == ["--write"]:
        Made(**json.loads(sys.argv[2])).write(Path(sys.argv[3]))
    else:
        main()
