"""How long nrrsim takes, and how much memory: `make bench` prints a Markdown table, and passes whatever it says.

Each measurement runs in a process of its own, some times over; the table has the median, and the largest memory
that any of the processes held (its resident peak). What is compared is measured in the same run, on the same file.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "nrrsim" / "data" / "meridian.csv"
CARD = ROOT / "params" / "2026Q3.yaml"
COMPARISON = ROOT / "params" / "105-vs-128.yaml"
SEED = 20260930
ROWS, MONTHS = 1_000_000, 37
LAST = 2026 * 12 + 8  # 2026-09
SEGMENTS = ("enterprise", "mid", "smb")
SEVERAL = 5


# --- the ledger that is read ----------------------------------------------------------------------


def write_ledger(path: Path) -> None:
    """A million rows: 37 months of a book of some 27,000 customers.
    Who leaves makes room for someone new.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(SEED)
    places = -(-ROWS // MONTHS)
    segment = rng.choice(len(SEGMENTS), places, p=[0.1, 0.3, 0.6])
    churn = np.array([0.004, 0.010, 0.025])[segment]
    customer, newest = np.arange(places), places
    amount = np.round(rng.lognormal(np.array([8.5, 6.5, 4.5])[segment], 0.8) + 1, 2)
    months = []
    for month in range(LAST - MONTHS + 1, LAST + 1):
        written = f"{month // 12:04d}-{month % 12 + 1:02d}"
        months.append(
            pd.DataFrame(
                {"customer": customer, "month": written, "mrr": amount, "segment": segment}
            )
        )
        leaves = rng.random(places) < churn
        customer = np.where(leaves, newest + np.cumsum(leaves) - 1, customer)
        newest += leaves.sum()
        changed = np.round(
            amount
            * np.where(rng.random(places) < 0.06, rng.normal(1.06, 0.15, places).clip(0.3), 1),
            2,
        )
        amount = np.where(
            leaves, np.round(rng.lognormal(np.array([8.5, 6.5, 4.5])[segment], 0.8) + 1, 2), changed
        )
    ledger = pd.concat(months).iloc[:ROWS]
    ledger["customer"] = "Customer " + ledger["customer"].astype(str).str.zfill(6)
    ledger["segment"] = ledger["segment"].map(dict(enumerate(SEGMENTS)))
    ledger.to_csv(path, index=False, float_format="%.2f")


def write_schedules(folder: Path) -> list[Path]:
    """5,000 customers down and 60 months across, below a title: a workbook, and the same as CSV."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(SEED)
    customers, months = 5_000, 60
    steps = np.where(rng.random((customers, months)) < 0.06, 1.1, 1.0)
    paid = np.round(rng.lognormal(6, 1, (customers, 1)) * steps.cumprod(axis=1), 2)
    paid[rng.random(customers)[:, None] < np.arange(months) / 200] = np.nan
    heads = [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(LAST - 59, LAST + 1)]
    sheet = pd.DataFrame(paid, columns=heads)
    sheet.insert(0, "customer", [f"Customer {number:04d}" for number in range(customers)])
    sheet.insert(1, "segment", rng.choice(SEGMENTS, customers))
    paths = [folder / "schedule.xlsx", folder / "schedule.csv"]
    with pd.ExcelWriter(paths[0], engine="xlsxwriter") as book:
        sheet.to_excel(book, sheet_name="MRR", startrow=2, index=False)
    paths[1].write_text("MRR\n\n" + sheet.to_csv(index=False))
    return paths


def write_accounts(folder: Path, number: int) -> Path:
    """A ledger of so many accounts, and their signals."""
    import accounts

    return accounts.write_book(folder / f"accounts-{number}", number)


def month_ends() -> list[str]:
    return [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(LAST - 23, LAST + 1)]


# --- what is measured: each runs in a process of its own, and only what `clock` holds is timed ----


class Clock:
    """Seconds spent inside `with clock:`."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._begin


def read_by_nrrsim(clock: Clock, ledger: str) -> Any:
    import nrrsim as nr

    nr.read_ledger(EXAMPLE)  # all that is imported on the way
    with clock:
        return nr.read_ledger(ledger).entries.rows


def read_by_pandas(clock: Clock, ledger: str) -> Any:
    """Rows only: nothing is checked, no line is known."""
    import pandas as pd

    with clock:
        return len(pd.read_csv(ledger))


def metrics_by_nrrsim(clock: Clock, ledger: str) -> Any:
    import nrrsim as nr

    nr.measure(nr.read_ledger(EXAMPLE), month_ends()[-1])  # all that is imported on the way
    book = nr.read_ledger(ledger)
    with clock:
        measured = [nr.measure(book, end) for end in month_ends()]
    return [
        [
            each.nrr,
            each.grr,
            each.logo,
            *(float(each.by_segment[name].sel(segment=segment)) for name in NAMES),
        ]
        for each in measured
        for segment in SEGMENTS
    ]


def metrics_by_pandas(clock: Clock, ledger: str) -> Any:
    """What one writes in a notebook: the two months of each window, merged."""
    import pandas as pd

    book = pd.read_csv(ledger)
    results = []
    with clock:
        for end in month_ends():
            start = f"{int(end[:4]) - 1}{end[4:]}"
            opening = book[book["month"] == start]
            closing = book.loc[book["month"] == end, ["customer", "mrr"]]
            both = opening.merge(closing, on="customer", how="left", suffixes=("", "_now")).fillna(
                {"mrr_now": 0.0}
            )
            both["kept"] = both[["mrr", "mrr_now"]].min(axis=1)
            both["stays"] = both["mrr_now"] > 0
            of = both.groupby("segment")
            sums = of[["mrr", "mrr_now", "kept"]].sum()
            by_segment = pd.DataFrame(
                {
                    "nrr": sums["mrr_now"] / sums["mrr"],
                    "grr": sums["kept"] / sums["mrr"],
                    "logo": of["stays"].mean(),
                }
            )
            total = sums.sum()
            whole = [
                total["mrr_now"] / total["mrr"],
                total["kept"] / total["mrr"],
                both["stays"].mean(),
            ]
            results += [[*whole, *by_segment.loc[segment]] for segment in SEGMENTS]
    return [list(map(float, row)) for row in results]


def render_report(clock: Clock, notebook: str) -> Any:
    from nrrsim.files import shared
    from nrrsim.report.pages.render import render

    with tempfile.TemporaryDirectory() as folder, clock:
        made = render(
            Path(notebook),
            Path(folder),
            to=("pdf", "html"),
            engine="embedded",
            style=shared("reports"),
            timestamp=0,
        )
    return sorted(made)


def calibrate_by_nrrsim(clock: Clock, ledger: str) -> Any:
    import nrrsim as nr

    nr.calibrate(nr.read_ledger(EXAMPLE), month_ends()[-1])  # all that is imported on the way
    book = nr.read_ledger(ledger)
    with clock:
        return len(nr.calibrate(book, month_ends()[-1]).learnt)


def backtest_by_nrrsim(clock: Clock, ledger: str) -> Any:
    """20 origins of the last 2,000 customers or so, 4,000 trials each."""
    import pandas as pd

    import nrrsim as nr

    example = nr.read_ledger(EXAMPLE)
    nr.backtest(example, trials=10)  # all that is imported and compiled on the way
    frame = pd.read_csv(ledger)
    kept = frame["customer"].drop_duplicates().sample(2_000, random_state=SEED)
    years = [frame[frame["customer"].isin(kept)]]
    for back in (1, 2):  # the same once more, as other customers in earlier years
        earlier = years[0].assign(customer=years[0]["customer"] + f" ({back})")
        month = earlier["month"].str[:4].astype(int) - 3 * back
        years.append(earlier.assign(month=month.astype(str) + earlier["month"].str[4:]))
    path = Path(ledger).with_name("years.csv")
    pd.concat(years).drop_duplicates(["customer", "month"]).to_csv(path, index=False)
    book = nr.read_ledger(path)
    first = f"{int(book.months[-1][:4]) - 6}-{book.months[-1][5:]}"
    with clock:
        told = nr.backtest(book, trials=4_000, first=first)
    return len(told.told()["origins"])


def sweep_by_processes(clock: Clock, where: str) -> Any:
    """As `nrrsim sweep` does it: the start of its worker processes counts."""
    return swept(clock, workers=None)


def sweep_by_dask(clock: Clock, where: str) -> Any:
    """On a scheduler of this machine with as many workers,
    one thread each, that have been used before.
    """
    from nrrsim.engine.simulation import available_threads

    file = Path(where) / f"scheduler-{os.getpid()}.json"
    both = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    alone = ["--no-nanny", "--nthreads", "1", "--local-directory", where]
    parts = [["scheduler", "--port", "0"], *([["worker", *alone]] * available_threads())]
    started = []
    try:
        for name, *words in parts:
            command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *words, *both]
            started.append(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
        while not file.exists() or not file.read_text().strip().endswith("}"):
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        # all that is imported and compiled on the way
        swept(Clock(), scheduler=address, sides=(4, 4))
        return swept(clock, scheduler=address)
    finally:
        for each in started:
            each.kill()
            each.wait()


def swept(clock: Clock, sides: tuple[int, int] = (21, 21), **how: Any) -> Any:
    """A sweep over churn and price of the engine's W1: 1,000 customers a point."""
    import engine

    import nrrsim as nr
    from nrrsim.analysis.sweep import read_axis, sweep

    scenario = engine.book(1_000, 12)
    nr.law_of(scenario)  # all that is imported and compiled on the way
    axes = [
        read_axis(f"drivers.churn.smb.rate=0.05:0.25:{sides[0]}"),
        read_axis(f"drivers.price.all.uplift=0:0.1:{sides[1]}"),
    ]
    with clock:
        frame = sweep(scenario, axes, seed=SEED, **how)
    return frame.to_numpy().tolist()


def list_accounts(clock: Clock, folder: str) -> Any:
    """Fit, proof and list a year ahead, of signals that are read."""
    import accounts

    return accounts.listed(Path(folder), clock)


NAMES = ("nrr", "grr", "logo")
MEASURED: dict[str, Callable[[Clock, str], Any]] = {
    each.__name__: each
    for each in (
        read_by_nrrsim,
        read_by_pandas,
        metrics_by_nrrsim,
        metrics_by_pandas,
        calibrate_by_nrrsim,
        backtest_by_nrrsim,
        sweep_by_processes,
        sweep_by_dask,
        list_accounts,
        render_report,
    )
}


# --- how it is measured ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Taken:
    """What the runs of one measurement took:
    the median of the seconds, the largest peak in MiB, what came out.
    """

    seconds: float
    spread: str
    peak: float
    result: Any = None


def run(command: list[str], **how: Any) -> tuple[float, float, str]:
    """Seconds, peak MiB of the largest process among it and its children, and what it printed."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, cwd=ROOT, **how)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begin
        said.seek(0)
        printed = said.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, usage.ru_maxrss / unit, printed


def several(once: Callable[[], tuple[float, float, Any]], times: int = SEVERAL) -> Taken:
    runs = [once() for _ in range(times)]
    seconds = [each[0] for each in runs]
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}" if times > 1 else "one run"
    return Taken(statistics.median(seconds), spread, max(each[1] for each in runs), runs[-1][2])


def measured(name: str, argument: Path) -> Callable[[], tuple[float, float, Any]]:
    def once() -> tuple[float, float, Any]:
        # what is kept of an earlier run would be found, not made
        env = {**os.environ, "NRRSIM_CACHE": "off"}
        command = [sys.executable, str(Path(__file__)), name, str(argument)]
        _, peak, printed = run(command, env=env)
        told = json.loads(printed)
        return told["seconds"], peak, told["result"]

    return once


def report(out: Path, card: Path = CARD, **how: Any) -> tuple[float, float, Any]:
    """The first of several finds no answer kept, and the others its own."""
    nrrsim = Path(sys.executable).with_name("nrrsim")
    how.setdefault("env", {**os.environ, "NRRSIM_CACHE": str(out / "kept")})
    return run(
        [str(nrrsim), "report", str(card), "--out", str(out), "--quiet", "--engine", "embedded"],
        **how,
    )


@contextmanager
def said_to_stderr(what: str) -> Iterator[None]:
    print(f"{what} ...", file=sys.stderr, flush=True)
    yield


# --- the table ------------------------------------------------------------------------------------


def measure_all(folder: Path) -> list[list[str]]:
    ledger = folder / "ledger.csv"
    with said_to_stderr("writing a ledger of 1,000,000 rows"):
        write_ledger(ledger)
    size = ledger.stat().st_size / 2**20
    # In turn, so that a busy minute of the machine meets both sides of a ratio.
    with said_to_stderr("reading it"):
        read, plain = in_turn(
            measured("read_by_nrrsim", ledger), measured("read_by_pandas", ledger)
        )
    assert read.result == plain.result == ROWS
    with said_to_stderr("reading 5,000 customers by 60 months"):
        workbook, text = (
            several(measured("read_by_nrrsim", path)) for path in write_schedules(folder)
        )
    assert workbook.result == text.result
    with said_to_stderr("24 month-ends"):
        ours, naive = in_turn(
            measured("metrics_by_nrrsim", ledger), measured("metrics_by_pandas", ledger)
        )
    pairs = zip(ours.result, naive.result, strict=True)
    differ = max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))
    assert differ < 1e-9, f"nrrsim and pandas differ by {differ}"
    with said_to_stderr("learning from it, and forecasts in its past"):
        learnt = several(measured("calibrate_by_nrrsim", ledger), times=3)
        tested = several(measured("backtest_by_nrrsim", ledger), times=1)
    with said_to_stderr("a sweep of 441 points"):
        alone, cluster = in_turn(
            measured("sweep_by_processes", folder), measured("sweep_by_dask", folder), times=3
        )
    assert alone.result == cluster.result, "a Dask cluster gives other bits"
    with said_to_stderr("lists of accounts"):
        few, many = (
            several(measured("list_accounts", write_accounts(folder, number)), times=times)
            for number, times in ((2_000, 3), (50_000, 1))
        )
    with said_to_stderr("the whole report"):
        cold = several(lambda: cold_report(folder), times=1)
        warm = several(lambda: report(folder / "reports"))
        comparison = several(lambda: report(folder / "reports", COMPARISON))
    with said_to_stderr("rendering"):
        rendered = several(
            measured("render_report", folder / "reports" / CARD.stem / "report.ipynb")
        )
    return [
        row(f"read and check a ledger of 1,000,000 rows (CSV, {size:.0f} MiB)", read, "5 s, 2 GiB"),
        row("pandas.read_csv of it, nothing checked", plain, "", ratio(read, plain)),
        row("read and check 5,000 customers by 60 months, a workbook", workbook, "5 s"),
        row("the same as CSV", text, "5 s"),
        row("NRR, GRR and logo retention by segment, 24 month-ends of it", ours, ""),
        row("the same numbers by a merge of pandas for each", naive, "", ratio(ours, naive)),
        row("calibrate on it", learnt, "10 s"),
        row(
            f"a back-test of {tested.result} origins, 4,000 trials each, 2,000 customers a month",
            tested,
            "60 s",
        ),
        row(
            f"a sweep of {len(alone.result)} points, 1,000 customers each",
            alone,
            "60 s",
        ),
        row(
            "the same on a Dask scheduler of this machine", cluster, "", ratio(cluster, alone, "it")
        ),
        row(
            f"who is at risk, of {few.result[0]:,} accounts, 48 months and ten signals: fit, proof and list",
            few,
            "10 s",
        ),
        row(f"the same of {many.result[0]:,} accounts", many, "90 s, 2 GiB"),
        row(f"the whole report, {CARD.name} to PDF and HTML, again", warm, "4 s"),
        row("the same, cold", cold, ""),
        row("of it, the rendering of PDF and HTML alone", rendered, "1 s"),
        row(
            f"the comparison of three scenarios, {COMPARISON.name} to PDF and HTML, warm",
            comparison,
            "15 s",
        ),
    ]


def in_turn(*each: Callable[[], tuple[float, float, Any]], times: int = SEVERAL) -> list[Taken]:
    runs = [[once() for once in each] for _ in range(times)]
    return [several(iter(of_one).__next__, times) for of_one in zip(*runs, strict=True)]


def cold_report(folder: Path) -> tuple[float, float, Any]:
    """An empty home (no settings or caches of Jupyter,
    IPython or fonts), and nothing of nrrsim compiled.
    """
    for cache in (ROOT / "nrrsim").rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    home = folder / "home"
    home.mkdir()
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("XDG_", "IPYTHON", "JUPYTER", "NRRSIM_CACHE"))
    }
    return report(folder / "cold", env={**kept, "HOME": str(home)})


def row(what: str, taken: Taken, goal: str, against: str = "") -> list[str]:
    return [what, f"{taken.seconds:.2f} s", taken.spread, f"{taken.peak:,.0f} MiB", goal, against]


def ratio(ours: Taken, other: Taken, who: str = "nrrsim") -> str:
    return f"{who} takes {ours.seconds / other.seconds:.2f} times as long"


def machine() -> str:
    from importlib.metadata import version

    names = [
        line.partition(":")[2].strip()
        for line in _lines("/proc/cpuinfo")
        if line.startswith("model name")
    ]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores ({names[0] if names else platform.processor() or platform.machine()}),"
        f" Python {platform.python_version()}, pandas {version('pandas')};"
        f" the machine's load when it began: {os.getloadavg()[0]:.1f}."
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def main() -> None:
    about = machine()
    with tempfile.TemporaryDirectory(prefix="nrrsim-bench-") as folder:
        rows = measure_all(Path(folder))
    print("| what | time (median) | from, to (s) | peak memory | goal | compared |")
    print("|---|--:|--:|--:|---|---|")
    for cells in rows:
        print(f"| {' | '.join(cells)} |")
    print(
        f"\nMedian of {SEVERAL} runs, each in a new process; times of reading, metrics, accounts and rendering without the"
    )
    print(
        "start of Python and imports, those of the report with all. Peak memory: of the largest single process. Cold: one"
    )
    print(
        "run with an empty home folder and none of nrrsim's own modules compiled; the libraries are, and are in the"
    )
    print(f"disk's cache. {about}\n", flush=True)
    for part in (
        "starts.py",
        "ledgers.py",
        "engine.py",
        "segments.py",
        "accounts.py",
        "installed.py",
    ):
        subprocess.run([sys.executable, str(Path(__file__).with_name(part))], check=True)
    print(
        "\nRecovery of the drivers of 200 known ledgers (tests/calibration/test_calibration.py):",
        flush=True,
    )
    tests = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-k",
        "recovery",
        str(ROOT / "tests" / "calibration" / "test_calibration.py"),
    ]
    subprocess.run(tests, env={**os.environ, "NRRSIM_LEDGERS": "200"}, check=False)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in MEASURED:
        clock = Clock()
        outcome = MEASURED[sys.argv[1]](clock, sys.argv[2])
        print(json.dumps({"seconds": clock.seconds, "result": outcome}))
    else:
        main()
