"""Scenario files in, the answers of a comparison report out as frames; never draws or words.

Each scenario is compared with the first: how far apart, why, what it takes, what compounding makes
of it. One alone has no difference: those frames are empty. Amounts are ARR, ratios are plain
(1.05). Expected figures are exact; each scenario's range of NRR and its probability of the target
are computed. Differences by trial and ARR over years are simulated, the former with common random
numbers, and the trials check what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim import metrics
from nrrsim.analysis import summary
from nrrsim.analysis.bridge import Bridge, bridge
from nrrsim.analysis.frontier import all_together, chance, frontier, needed, with_factors
from nrrsim.analysis.paired import common_currency, comparable, paired
from nrrsim.analysis.programmes import Share, programmes
from nrrsim.analysis.sensitivity import Sensitivity, sensitivity
from nrrsim.engine.draws import SEED
from nrrsim.engine.law import Law, law_of
from nrrsim.engine.outcomes import SHARES, Distribution, Sample, foreseen
from nrrsim.engine.simulation import TRIALS, simulate
from nrrsim.engine.switched import expected_closing
from nrrsim.errors import UsageError
from nrrsim.messages import of_percent, whole_of
from nrrsim.months import shift
from nrrsim.movements import LOSSES, json_ratio
from nrrsim.notation import distinct_labels, money, percent, points, share, table_html
from nrrsim.scenario.numbers import SOME_NRR, TARGET
from nrrsim.scenario.scenario import Scenario, read_scenario

PATH_TRIALS = 1_000  # of the ARR paths, which are of some years
PLACES = 161  # of a distribution's curve
LIKELY = 0.8
MOST_SCENARIOS, MOST_YEARS = 6, 10


@dataclass(frozen=True)
class Multiple:
    """A rule of thumb: companies with an NRR from `low` (included) to `high` are worth `times`
    their revenue.
    """

    low: float
    high: float
    times: float


@dataclass(frozen=True)
class Comparison:
    """One to six scenarios of different titles; `target` is the NRR to reach. See
    `read_comparison`. `labels`: what segments are called on a page.
    """

    scenarios: tuple[Scenario, ...]
    target: float
    trials: int = TRIALS
    seed: int = SEED
    years: int = 5
    multiples: tuple[Multiple, ...] = ()
    multiples_source: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = dict.fromkeys(name for each in self.scenarios for name in each.segments)
        try:
            labels = distinct_labels(known, self.labels)
        except ValueError as error:
            raise UsageError(f"labels: {error}") from None
        object.__setattr__(self, "labels", labels)

    @property
    def names(self) -> list[str]:
        return [each.title for each in self.scenarios]

    @property
    def first(self) -> Scenario:
        return self.scenarios[0]

    @property
    def proposed(self) -> Scenario:
        """The scenario that is judged: the second, or the only one."""
        return self.scenarios[:2][-1]

    @property
    def currency(self) -> str:
        """That of all books; "" where one of them does not state it."""
        return common_currency(*self.scenarios)

    @cached_property
    def opening(self) -> float:
        """The first scenario's opening ARR, on which differences of NRR are stated as money."""
        return self.first.opening.total

    @cached_property
    def actual(self) -> float | None:
        """NRR of the twelve months (point to point) to the first scenario's `start`; None where its
        book is of no ledger, or of one that does not reach back so far.
        """
        ledger = self.first.ledger()
        months = {self.first.start, shift(self.first.start, -12)} if ledger else set()
        if ledger is None or not months <= set(ledger.months):
            return None
        return json_ratio(metrics.measure(ledger, self.first.start, 12).nrr)

    # --- how far apart ----------------------------------------------------------------------------

    @cached_property
    def expected(self) -> list[dict[str, Any]]:
        """Of each scenario, what `nrrsim expect --json` prints."""
        return [summary.expected(each) for each in self.scenarios]

    @cached_property
    def _played(self) -> list[tuple[list[np.ndarray], float]]:
        """The first scenario beside each other one, or alone where there is none.

        NRR by trial of each of the two, with common random numbers; and by how much, at most, a
        month does not close, as a share of opening ARR.
        """
        told = []
        for other in self.scenarios[1:] or (None,):
            runs = (
                (simulate(self.first, self.trials, self.seed),)
                if other is None
                else paired(self.first, other, self.trials, self.seed)
            )
            off = max(float(np.abs(run.residual().values).max()) for run in runs)
            told.append(([metrics.ratio(run, "nrr") for run in runs], off / self.opening))
        return told

    @cached_property
    def simulated(self) -> list[Sample]:
        """Of each scenario, the NRR of its trials: what its law is checked by."""
        first, *_ = self._played[0][0]
        rest = [own for (_, *others), _ in self._played for own in others]
        return [Sample(nrr) for nrr in (first, *rest)]

    @cached_property
    def laws(self) -> list[Law]:
        """Of each scenario, how NRR, GRR and logo may turn out, computed."""
        return [law_of(each, self.seed) for each in self.scenarios]

    @cached_property
    def nrr(self) -> list[Distribution]:
        """Of each scenario, how NRR may turn out: computed, or the forecast that it states."""
        pairs = zip(self.laws, self.scenarios, strict=True)
        return [foreseen(law.nrr, scenario) for law, scenario in pairs]

    @cached_property
    def apart_from_trials(self) -> list[dict[str, float]]:
        """Of each scenario, where its law and its trials differ most: at P5, P50 or P95.

        `difference` of the two probabilities to reach that NRR, its `error` (Monte Carlo), and
        their `ratio`.
        """
        told = []
        for law, sample in zip(self.laws, self.simulated, strict=True):
            rows = []
            for at in law.nrr.quantiles(SHARES):
                # where the law may place a point of mass a little off, both are to count it
                reached, seen = law.nrr.reaches(at), sample.reaches(at - law.nrr.near)
                error = float(np.hypot(sample.share_error(reached), law.nrr.reach_error(at)))
                off = abs(seen - reached)
                rows.append({"difference": off, "error": error, "ratio": off / error})
            told.append(max(rows, key=lambda row: row["ratio"]))
        return told

    def overview(self) -> pd.DataFrame:
        """A row a scenario: `name`, `nrr`, `grr_flow`, `logo` (expected), `closing` (ARR), `p05`,
        `p50`, `p95`, `p_target` (computed, too), and NRR less the target (`to_target`) and less the
        first's (`difference`).
        """
        rows = []
        for name, told, sample in zip(self.names, self.expected, self.nrr, strict=True):
            rows.append(
                {"name": name, **{key: told[key] for key in ("nrr", "grr_flow", "logo", "closing")}}
                | {**sample.percentiles(), "p_target": sample.reaches(self.target)}
                | {"to_target": told["nrr"] - self.target}
                | {"difference": told["nrr"] - self.expected[0]["nrr"]}
            )
        return pd.DataFrame(rows)

    def frame(self) -> pd.DataFrame:
        """The overview: a row a scenario."""
        return self.overview()

    def _repr_html_(self) -> str:
        ratios = ("nrr", "grr_flow", "logo", "p05", "p50", "p95")
        formats: dict[str, Callable[[Any], str]] = {
            **dict.fromkeys(ratios, percent),
            "p_target": share,
            **dict.fromkeys(("to_target", "difference"), points),
            "closing": partial(money, currency=self.currency),
        }
        return table_html(self.frame(), formats, "scenario")

    def distributions(self) -> pd.DataFrame:
        """How likely each NRR is, smoothed: `name`, `nrr` and `density`, at the same places for
        all.
        """
        ends = [each.quantiles((0.001, 0.999)) for each in self.nrr]
        low = min(self.target, *(low for low, _ in ends)) - 0.01
        high = max(self.target, *(high for _, high in ends)) + 0.01
        at = np.linspace(low, high, PLACES)
        return pd.concat(
            [
                pd.DataFrame({"name": name, "nrr": at, "density": nrr.density(at)})
                for name, nrr in zip(self.names, self.nrr, strict=True)
            ],
            ignore_index=True,
        )

    @cached_property
    def apart(self) -> list[dict[str, float]]:
        """Of each scenario but the first, NRR less the first's by trial (simulated): mean, sd, se,
        p05, p50, p95, p_above, and `narrower`: by how much common random numbers reduce its
        variance.
        """
        told = []
        for first, own in (nrr for nrr, _ in self._played if len(nrr) > 1):
            apart = own - first
            sample, alone = Sample(apart), float(first.var() + own.var())
            told.append(
                {"mean": sample.expected, "sd": sample.spread}
                | {"se": sample.standard_error, **sample.percentiles()}
                | {"p_above": float((apart > 0).mean())}
                | {"narrower": alone / float(apart.var()) if apart.var() else np.inf}
            )
        return told

    def differences(self) -> pd.DataFrame:
        """`apart` as a frame, with the `name` of each scenario."""
        columns = ["name", "mean", "sd", "se", "p05", "p50", "p95", "p_above", "narrower"]
        rows = zip(self.names[1:], self.apart, strict=True)
        return pd.DataFrame([{"name": name, **told} for name, told in rows], columns=columns)

    # --- what makes the difference ----------------------------------------------------------------

    @cached_property
    def bridges(self) -> list[Bridge]:
        return [bridge(self.first, each) for each in self.scenarios[1:]]

    def bridge(self, number: int = 1) -> pd.DataFrame:
        """From the first's NRR to that of scenario `number`: `step`, `amount`, `start`, `end`,
        `kind`.
        """
        if len(self.scenarios) == 1:
            return pd.DataFrame(columns=["step", "amount", "start", "end", "kind"])
        return pd.DataFrame(self.bridges[number - 1].steps(self.names[0], self.names[number]))

    def movements(self, number: int = 0) -> pd.DataFrame:
        """What scenario `number` expects of the year: `step` (a movement) and `part` (of opening
        ARR; losses are negative). The parts add up to NRR less 1.
        """
        told = self.expected[number]
        rows = [
            (name, (-amount if name in LOSSES else amount) / told["opening"])
            for name, amount in told["movements"].items()
            if amount
        ]
        return pd.DataFrame(rows, columns=["step", "part"])

    def by_driver(self) -> pd.DataFrame:
        """Each scenario's difference of NRR from the first: `group`, and a column a scenario.

        A row a group of drivers that has a part in any of them, then their sum (`all`).
        """
        if len(self.scenarios) == 1:
            return pd.DataFrame(columns=["group"])
        parts = pd.DataFrame(
            {name: told.parts for name, told in zip(self.names[1:], self.bridges, strict=True)}
        )
        shown = parts[(parts.abs() > 1e-9).any(axis=1)]
        return pd.concat([shown, parts.sum().to_frame("all").T]).rename_axis("group").reset_index()

    def parts(self, number: int = 1) -> pd.DataFrame:
        """A row a group of drivers that has a part in the difference, the largest first, and their
        sum: `group`, `part` (of NRR), `share` (of the difference), `arr`, and a column for each
        segment, called "in smb": a segment may have the name of another column.
        """
        if len(self.scenarios) == 1:
            segments = [f"in {name}" for name in self.first.segments]
            return pd.DataFrame(columns=["group", "part", "arr", *segments, "share"])
        told = self.bridges[number - 1]
        rows = [
            {
                "group": name,
                "part": part,
                "arr": part * self.opening,
                **{f"in {segment}": each for segment, each in told.segments[name].items()},
            }
            for name, part in sorted(told.parts.items(), key=lambda each: -abs(each[1]))
            if any(abs(each) > 1e-9 for each in told.segments[name].values())
        ]
        whole = {
            f"in {name}": sum(each[name] for each in told.segments.values())
            for name in told.segments["mix"]
        }
        rows.append(
            {
                "group": "all",
                "part": told.difference,
                "arr": told.difference * self.opening,
                **whole,
            }
        )
        frame = pd.DataFrame(rows)
        return frame.assign(share=frame["part"] / told.difference if told.difference else np.nan)

    # --- what it takes ------------------------------------------------------------------------

    @cached_property
    def frontier(self) -> dict[str, Any]:
        """What `nrrsim frontier --json` prints of the first scenario and the target."""
        return needed(self.first, self.target)

    @cached_property
    def likely(self) -> tuple[float, float] | None:
        """By how much all levers would have to move together for the target to be reached in 80 %
        of all cases, and how likely it then is, computed; None where it cannot be.
        """
        x = frontier(self.first, self.target, LIKELY, levers=()).together
        if x is None:
            return None
        return x, chance(with_factors(self.first, all_together(x)), self.target)

    @cached_property
    def sensitivity(self) -> Sensitivity:
        """What drives the forecast of the scenario that is judged."""
        return sensitivity(self.proposed)

    def tornado(self, most: int = 6) -> pd.DataFrame:
        """The beliefs that matter most in the scenario that is judged.

        `name`, `low` and `high` (NRR at its P5 and P95), `known`, `effect`.
        """
        columns = ["name", "low", "high", "known", "effect"]
        rows = [
            [getattr(each, column) for column in columns]
            for each in self.sensitivity.beliefs[:most]
        ]
        return pd.DataFrame(rows, columns=columns)

    # --- what compounding makes of it -------------------------------------------------------------

    @cached_property
    def _long(self) -> list[tuple[Scenario, np.ndarray]]:
        """Each scenario over all years, and its expected ARR at the end of each, `ndarray[year,
        segment]`.
        """
        long = [each.with_(months=12 * self.years) for each in self.scenarios]
        return [(each, expected_closing(each, range(12, 12 * self.years + 1, 12))) for each in long]

    def paths(self) -> pd.DataFrame:
        """ARR without new customers, year by year from 0: `name`, `year`; `simple` (the first
        year's NRR compounded), `own` (the model's, whose mix drifts), `low` and `high` (P5 and P95
        of a simulation of the model's).
        """
        return self._paths.copy()

    @cached_property
    def _paths(self) -> pd.DataFrame:
        parts = []
        for name, (long, expected) in zip(self.names, self._long, strict=True):
            opening, own = long.opening.total, expected.sum(axis=1)
            trials = (
                simulate(long, PATH_TRIALS, self.seed)["closing"].sum("segment").values[:, 11::12]
            )
            low, high = np.quantile(trials, (0.05, 0.95), axis=0)
            year = np.arange(self.years + 1)
            levels = {"own": own, "low": low, "high": high}
            frame = pd.DataFrame(
                {"name": name, "year": year, "simple": opening * (own[0] / opening) ** year}
            )
            parts.append(
                frame.assign(
                    **{key: np.concatenate([[opening], each]) for key, each in levels.items()}
                )
            )
        return pd.concat(parts, ignore_index=True)

    def ahead(self, number: int = 1) -> pd.DataFrame:
        """By how much ARR scenario `number` is ahead of the first, by `year`: `simple` and `own`;
        on the first's opening ARR, where the books differ.
        """
        if len(self.scenarios) == 1:
            return pd.DataFrame(columns=["year", "simple", "own"])
        paths = self._paths
        first, own = (
            paths[paths["name"] == self.names[each]][["simple", "own"]].to_numpy()
            for each in (0, number)
        )
        gap = (own / own[0] - first / first[0])[1:] * self.opening
        return pd.DataFrame(
            {"year": np.arange(1, self.years + 1), "simple": gap[:, 0], "own": gap[:, 1]}
        )

    def mix(self) -> pd.DataFrame:
        """Each segment's share of ARR at the start and after the last year: `name`, `segment`,
        `start`, `end`.
        """
        parts = []
        for name, (long, expected) in zip(self.names, self._long, strict=True):
            book = long.opening
            start = np.bincount(book.segment, book.arr, len(book.segments))
            shares = {"start": start / start.sum(), "end": expected[-1] / expected[-1].sum()}
            parts.append(pd.DataFrame({"name": name, "segment": list(book.segments), **shares}))
        return pd.concat(parts, ignore_index=True)

    def values(self) -> pd.DataFrame:
        """What a rule of thumb would make of each: `name`, `nrr`, `arr` (after a year), `multiple`,
        `value`.
        """
        first_year = self._paths[self._paths["year"] == 1].set_index("name")
        start = self._paths[self._paths["year"] == 0].set_index("name")
        rows = []
        for name in self.names:
            arr = float(first_year["own"][name])
            nrr = arr / float(start["own"][name])
            times = next(
                (each.times for each in self.multiples if each.low <= round(nrr, 4) < each.high),
                np.nan,
            )
            rows.append(
                {"name": name, "nrr": nrr, "arr": arr, "multiple": times, "value": arr * times}
            )
        return pd.DataFrame(rows)

    # --- what programmes bring --------------------------------------------------------------------

    @cached_property
    def shares(self) -> list[tuple[str, tuple[Share, ...]]]:
        """Of each scenario that has programmes, what each of them adds."""
        told = [(each.title, programmes(each)) for each in self.scenarios]
        return [(name, shares) for name, shares in told if shares]

    def programmes(self) -> pd.DataFrame:
        """A row a programme: `scenario`, `name`, `nrr` (its Shapley share of the gain), `arr`,
        `cost`, `returned`, `begins` (month) and `complete`.
        """
        listed = {each.title: each.programmes for each in self.scenarios}
        columns = ["scenario", "name", "begins", "complete", "nrr", "arr", "cost", "returned"]
        rows = []
        for title, shares in self.shares:
            for each in shares:
                programme = listed[title][each.name]
                told = (each.nrr, each.arr, each.cost or np.nan, each.returned)
                rows.append([title, each.name, programme.begins, programme.complete, *told])
        return pd.DataFrame(rows, columns=columns).astype({"returned": float})

    # --- can it be trusted ------------------------------------------------------------------------

    def checks(self) -> pd.DataFrame:
        """What ties: `check`, `difference`, `limit` and whether it `holds`."""
        residual = max(off for _, off in self._played)
        parts = [abs(sum(each.parts.values()) - each.difference) for each in self.bridges]
        rows = [
            ("Every trial: closing = opening + gains - losses (share of opening)", residual, 1e-9)
        ]
        if parts:
            rows.append(("Bridge: the parts add up to the difference (NRR)", max(parts), 1e-12))
        for name, told, own in zip(self.names, self.expected, self.simulated, strict=True):
            rows.append(
                (
                    f"{name}: simulated less exact NRR",
                    abs(own.expected - told["nrr"]),
                    4 * own.standard_error + 1e-9,
                )
            )
        for name, most in zip(self.names, self.apart_from_trials, strict=True):
            what = f"{name}: simulated less computed range (probability)"
            rows.append((what, most["difference"], 4 * most["error"]))
        frame = pd.DataFrame(rows, columns=["check", "difference", "limit"])
        return frame.assign(holds=frame["difference"] <= frame["limit"])

    def record(self) -> dict[str, Any]:
        """Every headline number, for a report's manifest."""
        overview = self.overview().drop(columns="name").to_dict("records")
        return {
            "target": self.target,
            "actual": self.actual,
            "trials": self.trials,
            "seed": self.seed,
            "scenarios": {
                name: _rounded(row) for name, row in zip(self.names, overview, strict=True)
            },
            "apart_from_trials": {
                name: _rounded(told)
                for name, told in zip(self.names, self.apart_from_trials, strict=True)
            },
            "apart": {
                name: _rounded(told) for name, told in zip(self.names[1:], self.apart, strict=True)
            },
            "bridges": {
                name: told.parts for name, told in zip(self.names[1:], self.bridges, strict=True)
            },
            "frontier": {
                "together": self.frontier["together"],
                "likely": self.likely and list(self.likely),
            }
            | {name: lever["factor"] for name, lever in self.frontier["levers"].items()},
            "programmes": {
                f"{title}: {each.name}": each.arr for title, told in self.shares for each in told
            },
            "checks_hold": bool(self.checks()["holds"].all()),
        }


def _rounded(row: Mapping[Any, Any]) -> dict[str, float | None]:
    return {
        str(name): round(float(value), 12) if np.isfinite(value) else None
        for name, value in row.items()
    }


def read_comparison(
    scenarios: Sequence[str],
    target: float | None = None,
    trials: int = TRIALS,
    seed: int = SEED,
    years: int = 5,
    multiples: Sequence[dict[str, float]] | None = None,
    multiples_source: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Comparison:
    """The comparison of scenario files, each with the first, as a run card names them.

    target : the NRR to reach (default: the second scenario's, else the first's).
    years : of the ARR paths.
    multiples : `{from, to, times}` each, a rule of thumb for what revenue is worth by NRR; needs
        `multiples_source`. labels : what segments are called on a page, where not as usual.

    Raises UsageError for what cannot be compared, and for a scenario with mistakes.
    """
    if not isinstance(scenarios, list | tuple) or not all(
        isinstance(each, str) for each in scenarios
    ):
        raise UsageError(f"scenarios: must be a list of scenario files, got {scenarios!r}")
    if not 1 <= len(scenarios) <= MOST_SCENARIOS:
        raise UsageError(f"scenarios: name one to {MOST_SCENARIOS}, got {len(scenarios)}")
    trials, seed, years = (
        whole_of(name, value)
        for name, value in (("trials", trials), ("seed", seed), ("years", years))
    )
    if not 1 <= years <= MOST_YEARS:
        raise UsageError(f"years: must be from 1 to {MOST_YEARS}, got {years}")
    read = [read_scenario(each) for each in scenarios]
    titles = [each.title for each in read]
    named = [
        each.with_(title=f"{each.title} ({Path(path).stem})")
        if titles.count(each.title) > 1
        else each
        for each, path in zip(read, scenarios, strict=True)
    ]
    if len({each.title for each in named}) < len(named):
        raise UsageError("scenarios: the same file stands twice; each can be compared once")
    for other in named[1:]:
        comparable(named[0], other)
    stated = (target, *(each.target for each in reversed(named[:2])))
    wanted = next((each for each in stated if each is not None), None)
    if wanted is None:
        raise UsageError(
            "target: neither the card nor the scenarios say which NRR to reach; add target: 1.10"
        )
    try:
        TARGET.check(float(wanted))
    except ValueError as error:
        raise UsageError(f"target: {error}") from None
    found = _multiples(multiples or [])
    if found and not multiples_source:
        raise UsageError(
            "multiples_source: say where the multiples are from; they are printed with their source"
        )
    said = (found, multiples_source or "", labels or {})
    return Comparison(tuple(named), float(wanted), trials, seed, years, *said)


def _multiples(given: Any) -> tuple[Multiple, ...]:
    found = []
    for each in given if isinstance(given, list | tuple) else [given]:
        known = isinstance(each, dict) and set(each) <= {"from", "to", "times"} and "times" in each
        stated = {key: of_percent(value) for key, value in each.items()} if known else {}
        if not known or not all(isinstance(value, int | float) for value in stated.values()):
            raise UsageError(
                "multiples: each is {from: 1.00, to: 1.10, times: 6.0} (NRR and multiple),"
                f" got {each!r}"
            )
        for key in stated.keys() - {"times"}:
            try:
                SOME_NRR.check(stated[key])
            except ValueError as error:
                raise UsageError(f"multiples: {key}: {error}") from None
        band = Multiple(stated.get("from", 0.0), stated.get("to", np.inf), stated["times"])
        if not (0 <= band.low < band.high and band.low < 10 and band.times > 0):
            raise UsageError(
                "multiples: from must be below to, both NRR such as 1.10, times above 0;"
                f" got {each!r}"
            )
        found.append(band)
    return tuple(found)
