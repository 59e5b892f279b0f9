"""A scenario file and what was moved in, what a page then shows out; never overwrites a file.

Beside it lie `whatif.js`, which draws the panel and sends what was moved, and `whatif.css`. Every
number is worked out here: the page shows texts and draws rows. Moves go through
`Scenario.extended`, as a saved file would: what is on the screen is what the file says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize  # noqa: F401  a moved belief needs it: loaded before the first answer

from nrrsim.accounts.worth import uncertain
from nrrsim.analysis import summary
from nrrsim.analysis.assumptions import scenario_file
from nrrsim.analysis.bridge import LEAST, bridge
from nrrsim.analysis.paired import comparable
from nrrsim.engine import switched
from nrrsim.engine.draws import SEED
from nrrsim.engine.law import nrr_before, nrr_of
from nrrsim.engine.outcomes import SHARES, Computed, Distribution, foreseen
from nrrsim.engine.simulation import simulate
from nrrsim.errors import NrrsimError, UsageError
from nrrsim.files import whole
from nrrsim.notation import count, label, money, percent, points, share, signed_money
from nrrsim.report.wording import labels
from nrrsim.report.wording.labels import DOES_NOT_RECUR, STEPS, assumption, span
from nrrsim.scenario.drivers import DRIVERS
from nrrsim.scenario.scenario import MOST_MONTHS, Scenario, is_scenario, read_scenario
from nrrsim.scenario.table import PLAIN_NUMBERS
from nrrsim.scenario.workbook.read import (
    SCENARIO_FILES,
    holds_a_scenario,
    is_workbook,
    read_stated,
    read_workbook,
)
from nrrsim.whatif import sliders
from nrrsim.whatif.reports import NAME
from nrrsim.yamlfile import read_yaml, yaml_text

FAR_MONTHS = 60  # where the slider of the horizon ends
POINTS = 5  # of the fan, today included
PLACES = 121  # of the curve
TRIALS = (10_000, 50_000, 200_000)
SAME = 1e-9  # of NRR: what was on the screen, and what the file says
LEAST_ERROR = 1e-4  # of NRR that is printed: a hundredth of a point
MEANINGS = {
    "churn.rate": "Customers that churn within a year",
    "churn.curve": "Churn by tenure, relative change",
    "contraction.rate": "Contractions per customer and year",
    "contraction.size": "ARR lost per contraction",
    "adoption.rate": "Expansions of a product, per customer and year",
    "adoption.size": "ARR gained per expansion",
    "cross_sell.rate": "Cross-sells per customer and year",
    "cross_sell.size": "ARR gained per cross-sell",
    "price.uplift": "Annual price increase",
    "price.acceptance": "Customers that accept the increase",
    "price.churn_per_point": "Points of churn per point of price increase",
    "reactivation.rate": "Churned customers that return within a year",
    "reactivation.size": "Share of former ARR at which they return",
}


@dataclass(frozen=True)
class Moves:
    """What is asked on the panel: where sliders start, what to compare with, and what was moved."""

    preset: str
    base: str
    values: Mapping[str, float] = field(default_factory=dict)
    mix: Mapping[str, float] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    months: int | None = None
    target: float | None = None


class WhatIf:
    """The scenarios of a folder, and what follows when one is moved; no widget is needed for that.

    `folder` holds the presets, and gets what is saved. `start`: the name of the one that the
    sliders start from, whose currency all have. `files`: each preset's, as seen from the folder.
    `bases`: the preset that each extends, or itself. `left_out`: what is wrong with those that
    cannot be presets.
    """

    def __init__(self, scenario: str | Path) -> None:
        file = Path(scenario)
        self.folder = file.parent
        self.presets: dict[str, Scenario] = {}
        self.files: dict[str, str] = {}
        self.bases: dict[str, str] = {}
        self.left_out: list[str] = []
        # of each file that was saved here, the preset it extends and what it states
        self._saved: dict[str, tuple[str, dict[str, Any]]] = {}

        self.start = self._take(file)
        beside = (each for each in self.folder.iterdir() if each.suffix in SCENARIO_FILES)
        for each in sorted(each for each in beside if not each.name.startswith((".", "~$"))):
            try:
                self._take(each)
            except NrrsimError as error:
                if _means_to_be_one(each):
                    said = str(error).splitlines()[0]
                    self.left_out.append(said.removeprefix(f"{self.folder}{os.sep}"))
        self.presets = dict(sorted(self.presets.items()))
        self._base = cache(self._outlook)

    def _take(self, file: Path) -> str:
        """One preset more, and what it extends, wherever that lies; its name.

        Raises NrrsimError where the file is no scenario that can be read.
        """
        seen = Path(os.path.relpath(file, self.folder))
        name = preset_name(seen)
        if name not in self.presets:
            scenario = read_scenario(file)
            currency = scenario.opening.currency
            if self.presets and currency != self.currency:
                raise UsageError(
                    f"{file}: is in {currency or 'no stated currency'}, and the scenario that the"
                    f" sliders start from in {self.currency or 'none'}; a panel has one currency"
                )
            self.presets[name], self.files[name] = scenario, seen.as_posix()
            self.bases[name] = name
            if parent := read_stated(file).values.get("extends"):
                # which may be a part alone that others share, and no scenario
                with suppress(NrrsimError):
                    self.bases[name] = self._take(file.parent / parent)
        return name

    @property
    def currency(self) -> str:
        """That of every preset; "" where they state none."""
        return next(iter(self.presets.values())).opening.currency

    def start_moves(self, preset: str | None = None, base: str | None = None) -> Moves:
        """Nothing moved yet; without a base it is the one that the preset extends."""
        chosen = preset or self.start
        return Moves(chosen, base or self.bases[chosen])

    def over(self, moves: Moves) -> dict[str, Any]:
        """What a file would state that extends the preset and holds what was moved."""
        preset = self.presets[moves.preset]
        stated: dict[str, Any] = {}
        if moves.months is not None and moves.months != preset.months:
            stated["months"] = moves.months
        if moves.target is not None and moves.target != preset.target:
            stated["target"] = moves.target
        if decided := sliders.decided(preset, moves.accounts):
            stated["book"] = {"decided": decided}
        return stated | sliders.over(preset, moves.values, moves.mix)

    def scenario(self, moves: Moves) -> Scenario:
        """The preset with what was moved; raises UsageError where that cannot be."""
        return self.presets[moves.preset].extended(self.over(moves))

    # --- what follows -----------------------------------------------------------------------------

    def answer(self, moves: Moves) -> dict[str, Any]:
        """What the panel shows: texts, rows of pictures, and what a file would state."""
        over = self.over(moves)
        now = _Outlook(self.presets[moves.preset].extended(over))
        base = self._base(moves.base, now.scenario.months)
        target = now.scenario.target
        return {
            "nrr": now.nrr,
            "figures": _figures(now, base, target),
            "said": _said(now, base, target),
            "rows": {**_curve(now, base, target), "fan": _fan(now, base), **_bridge(base, now)},
            "spans": _spans(now.scenario, moves.values),
            "quality": _quality(now),
            "changed": yaml_text(over) if over else "",
            "notices": list(now.scenario.notices),
            "problem": "",
        }

    def _outlook(self, name: str, months: int) -> _Outlook:
        known = self.presets[name]
        return _Outlook(known if known.months == months else known.extended({"months": months}))

    def play(
        self, moves: Moves, trials: int, progress: Callable[[int], None] | None = None
    ) -> dict[str, Any]:
        """A full simulation beside what is computed: a row a figure, each as a text."""
        scenario = self.scenario(moves)
        run = simulate(scenario, trials, SEED, progress=progress)
        summed_up, now = summary.simulated(scenario, run, SEED), _Outlook(scenario)
        low, mid, high = now.last.quantiles(SHARES)
        told = summed_up["forecast"] or summed_up
        played = {**summed_up["nrr"], **told["nrr"]}
        errors = summed_up["standard_errors"]

        above = {
            "mean": ("Expected NRR", now.nrr),
            "p05": ("90% range, low end", low),
            "p50": ("Median", mid),
            "p95": ("90% range, high end", high),
        }
        rows = [
            [name, percent(value), percent(played[key]), _error(errors["nrr"][key])]
            for key, (name, value) in above.items()
        ]

        if scenario.target is not None:
            reached = now.last.reaches(scenario.target)
            name = f"Probability of {percent(scenario.target)}"
            rows.append([name, share(reached), share(told["p_target"]), _error(errors["p_target"])])
        rows += [
            [name, "", percent(summed_up[key]["mean"]), _error(errors[key]["mean"])]
            for key, name in (("grr", "Expected GRR"), ("logo", "Expected logo retention"))
        ]
        return {
            "heads": ["", "Shown above", f"{count(trials)} trials", "Standard error"],
            "rows": rows,
        }

    # --- what is saved ----------------------------------------------------------------------------

    def save(self, moves: Moves, name: str, title: str, because: str) -> Path:
        """A file in the folder that extends the preset and states only what was moved, and why; by
        a name that ends in .xlsx, a workbook that holds the whole.

        Raises UsageError where nothing was moved, a text is missing, the name cannot be one or is
        taken.
        """
        title, because, name = title.strip(), because.strip(), name.strip().removesuffix(".yaml")
        is_book = name.lower().endswith(".xlsx")
        over = self.over(moves)
        problems = []
        if not over:
            problems.append("nothing was moved: there is nothing to save")
        if not title:
            problems.append("title: say what it is called")
        if not because:
            problems.append("because: give the reason; whoever reads the file will ask")
        path = self.folder / (name if is_book else f"{name}.yaml")
        taken = f"file: {path.name} is there already; choose another name"
        if not NAME.fullmatch(name):
            problems.append(
                "file: letters, digits, dots and dashes, 80 at most, such as onboarding-2027"
            )
        elif (kind := Path(name).suffix.lower()) in (".xls", ".xlsb", ".xlsm", ".ods", ".csv"):
            problems.append(f"file: no scenario is saved as {kind}; take .xlsx, or leave it out")
        elif path.exists() or path.is_symlink():
            problems.append(taken)
        if problems:
            raise UsageError("\n".join(problems))

        # read once more before it gets its name: what it says is to be what was on the screen
        file = self.files[moves.preset]
        told = {"title": title, "because": because}
        moved = self.scenario(moves)
        text = yaml_text({"extends": file, **told, **over}).encode()
        if is_book:
            # a workbook holds the whole: it computes by itself, and extends nothing
            text = scenario_file(moved.with_(told), path)
        shown = switched.expected_nrr(moved)
        try:
            with whole(path, "file: {path} cannot be written ({why})", new=True) as unfinished:
                unfinished.write_bytes(text)
                read = self._saved_in(unfinished, is_book)
                if abs(switched.expected_nrr(read) - shown) > SAME:
                    raise UsageError(
                        f"{file}: has changed since it was read; start again from what it says now"
                    )
        except FileExistsError:
            raise UsageError(taken) from None
        self.presets.pop(name, None)  # of a file that is no more
        self._take(path)
        self.presets = dict(sorted(self.presets.items()))
        self._base.cache_clear()
        self._saved[name] = (moves.preset, over)
        return path

    def _saved_in(self, file: Path, is_book: bool) -> Scenario:
        """What a file says that has no name of its own yet."""
        if is_book:
            return Scenario.of(read_workbook(file).values, self.folder)
        return read_scenario(file)

    def files_to_report(self, moves: Moves) -> list[Path]:
        """The files of the base and of what is on the screen, or of one where they are the same.

        Raises UsageError where what was moved is not saved, or the two cannot be compared.
        """
        over = self.over(moves)
        kept = {moves.preset: (moves.preset, {}), **self._saved}
        name = next((name for name, said in kept.items() if said == (moves.preset, over)), None)
        if name is None:
            raise UsageError("save what you moved as a scenario first: a report is made of files")
        if name == moves.base:
            return [self.folder / self.files[name]]
        comparable(self.presets[moves.base], self.presets[name])
        return [self.folder / self.files[each] for each in (moves.base, name)]

    # --- what the panel is made of ----------------------------------------------------------------

    def form(self, moves: Moves) -> dict[str, Any]:
        """The controls of a preset: its sliders by driver, its mix, what can be chosen, and why."""
        preset = self.presets[moves.preset]
        levers = sliders.sliders(preset)
        groups = [
            {
                "name": driver,
                "title": STEPS[driver],
                "parts": _parts([each for each in levers if each.driver == driver]),
            }
            for driver in DRIVERS
        ]
        mix = sliders.mix_of(preset)

        # a title that two files have stands with the file's name
        titles = [each.title for each in self.presets.values()]
        presets = []
        for name, each in self.presets.items():
            is_alone = titles.count(each.title) == 1
            title = each.title if is_alone else f"{each.title} ({self.files[name]})"
            presets.append([name, title])
        return {
            "presets": presets,
            "bases": dict(self.bases),
            "left_out": self.left_out,
            "preset": moves.preset,
            "base": moves.base,
            "title": preset.title,
            "because": preset.because,
            "months": preset.months,
            "far_months": max(FAR_MONTHS, preset.months),
            "most_months": MOST_MONTHS,
            "target": preset.target,
            "groups": groups,
            "mix": [
                {"segment": name, "label": label(name), "value": value}
                for name, value in mix.items()
            ],
            "accounts": _accounts(preset),
            "no_mix": "" if mix else "The customers are those of a ledger: their mix is fixed.",
            "trials": [[each, count(each)] for each in TRIALS],
        }


def _accounts(preset: Scenario) -> list[dict[str, Any]]:
    """The switches of the accounts that move NRR most, each with what is forecast of it."""

    def note(arr: float, p: float) -> str:
        known = f"ARR {money(arr, preset.opening.currency)}; {share(p)} probability of churn"
        return f"{known} within {span(preset.months)}"

    return [
        {"name": str(name), "value": sliders.decision_of(preset, str(name)), "note": note(arr, p)}
        for name, arr, p in uncertain(preset).itertuples()
    ]


def preset_name(file: Path) -> str:
    """What a preset is called: as its file, a workbook with its ending."""
    return (file if is_workbook(file) else file.with_suffix("")).as_posix()


def _means_to_be_one(file: Path) -> bool:
    """Whether a file that is no scenario was to be one: run cards and others lie there, too."""
    if is_workbook(file):
        return holds_a_scenario(file)
    try:
        values = read_yaml(file, "scenario").values
    except UsageError:  # who can tell
        return True
    return is_scenario(values)


class _Outlook:
    """A scenario and what follows from it, each worked out when it is asked for."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.currency = scenario, scenario.opening.currency
        self.arr = scenario.opening.total
        self.ends = sorted(
            {max(1, round(each)) for each in np.linspace(0, scenario.months, POINTS)[1:]}
        )

    @cached_property
    def own(self) -> Computed:
        """How NRR may turn out at the last month, by what the drivers say."""
        return nrr_of(self.scenario)

    @cached_property
    def last(self) -> Distribution:
        """At the last month: the forecast that the scenario states, or what its drivers say."""
        return foreseen(self.own, self.scenario)

    @property
    def nrr(self) -> float:
        """On average, as `expect` has it."""
        return self.own.expected

    @property
    def closing(self) -> float:
        """Expected ARR at the last month."""
        return self.nrr * self.arr

    @cached_property
    def quantiles(self) -> np.ndarray:
        """P5, the median and P95 of NRR at each end, `ndarray[end, 3]`; without a forecast, the
        mean in the median's place.
        """
        laws = [*nrr_before(self.scenario, self.ends[:-1]), self.own]
        own = np.stack([each.quantiles(SHARES) for each in laws])
        if self.scenario.transport() is None:
            own[:, 1] = [each.expected for each in laws]
            return own
        # a forecast is of the last month: what sets it apart from the drivers grows with time
        apart = self.last.quantiles(SHARES) - own[-1]
        return np.asarray(own + np.array(self.ends)[:, None] / self.ends[-1] * apart)


def _figures(now: _Outlook, base: _Outlook, target: float | None) -> list[list[str]]:
    """Name, label, value and what it is compared with, of each figure."""
    months, (low, middle, high) = span(now.scenario.months), now.quantiles[-1]
    # what drivers expect is not the middle of a forecast that rests on more than them
    of = months if now.scenario.transport() is None else f"{months}, median {percent(middle)}"
    closing = money(now.closing, now.currency)
    figures = [
        ["nrr", "Expected NRR", percent(now.nrr), f"{points(now.nrr - base.nrr)} vs base"],
        ["range", "90% range", f"{percent(low)} to {percent(high)}", of],
        ["arr", f"ARR after {months}", closing, f"{_gained(now, base)} vs base"],
    ]
    if target is not None:
        reached, before = now.last.reaches(target), base.last.reaches(target)
        figures.append(
            ["target", f"Probability of {percent(target)}", share(reached), f"base {share(before)}"]
        )
    return figures


def _said(now: _Outlook, base: _Outlook, target: float | None) -> str:
    low, _, high = now.quantiles[-1]
    reached = ""
    if target is not None:
        likely = share(now.last.reaches(target))
        reached = f" Probability of {percent(target)}: {likely}."
    return (
        f"Expected NRR {percent(now.nrr)}, 90% range {percent(low)} to {percent(high)}.{reached}"
        f" ARR after {span(now.scenario.months)}: {_gained(now, base)} vs base."
    )


def _gained(now: _Outlook, base: _Outlook) -> str:
    return signed_money(now.closing - base.closing, now.currency)


def _quality(now: _Outlook) -> str:
    error = _error(max(now.own.error, LEAST_ERROR))
    said = f"Computed, without trials: the 90% range is accurate to {error}."
    outlook = now.scenario.outlook
    if outlook is None or now.scenario.transport() is None:
        return said
    # where drivers do not tell, what moves them tells nothing of the year
    warned = "" if outlook.recurs else f" {DOES_NOT_RECUR}"
    return f"{said} Range: the forecast's, moved by the drivers as far as they move NRR.{warned}"


def _error(error: float | None) -> str:
    return "n/a" if error is None else f"{100 * error:.2f} points"


def _spans(scenario: Scenario, values: Mapping[str, float]) -> dict[str, str]:
    return {each.name: _span(each) for each in sliders.sliders(scenario) if each.name in values}


def _span(slider: sliders.Slider) -> str:
    if slider.span is None:
        return ""
    form = _form(slider)
    return f"90% range {form(slider.span[0])} to {form(slider.span[1])}"


def _form(slider: sliders.Slider) -> Callable[[float], str]:
    return (lambda each: f"{each:.2f}") if _is_number(slider) else percent


def _is_number(slider: sliders.Slider) -> bool:
    return f"{slider.driver}.{slider.field}" in PLAIN_NUMBERS


def _parts(levers: list[sliders.Slider]) -> list[dict[str, Any]]:
    """The sliders of a driver, by field; a field's name and meaning once."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for each in levers:
        stated = {
            name: getattr(each, name)
            for name in ("name", "segment", "value", "low", "high", "most")
        }
        parts.setdefault(each.field, []).append(
            stated
            | {"label": label(each.segment), "is_share": not _is_number(each), "span": _span(each)}
        )
    return [
        {
            "field": name,
            "meaning": MEANINGS[f"{levers[0].driver}.{name}"],
            "label": assumption(levers[0].driver, "rate" if name == sliders.CURVE else name),
            "relative": name == sliders.CURVE,
            "sliders": each,
        }
        for name, each in parts.items()
    ]


def _curve(now: _Outlook, base: _Outlook, target: float | None) -> dict[str, list[dict[str, Any]]]:
    # where all but four in a thousand cases of both lie, with some air, and the target
    ends = np.concatenate([each.last.quantiles((0.002, 0.998)) for each in (now, base)])
    goal = [] if target is None else [target]
    low, high = min([*ends, *goal]), max([*ends, *goal])
    air = 0.01 + 0.1 * (high - low)
    at = np.linspace(low - air, high + air, PLACES)
    rows = [
        {"series": name, "nrr": round(float(x), 6), "density": round(float(y), 6)}
        for name, each in (("base", base), ("now", now))
        for x, y in zip(at, each.last.density(at), strict=True)
    ]
    return {
        "curve": rows,
        "goal": [{"nrr": each, "label": f"Target {percent(each)}"} for each in goal],
    }


def _fan(now: _Outlook, base: _Outlook) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, each in (("base", base), ("now", now)):
        levels = np.vstack([np.ones(3), each.quantiles]) * each.arr
        for month, (low, middle, high) in zip([0, *each.ends], levels.tolist(), strict=True):
            rows.append(
                {"series": name, "month": month, "low": low, "middle": middle, "high": high}
            )
    return rows


def _bridge(base: _Outlook, now: _Outlook) -> dict[str, Any]:
    """The steps from the base to now; and why there are none, where the two cannot be compared."""
    try:
        found = bridge(base.scenario, now.scenario, (base.nrr, now.nrr))
    except UsageError as error:
        return {"bridge": [], "no_bridge": str(error)}
    steps = found.steps("Base", "Now", least=0.0)
    if not any(abs(each["amount"]) >= LEAST for each in steps[1:-1]):
        return {"bridge": [], "no_bridge": "No difference from the base."}
    names = [labels.GROUP_WORDS.get(each["step"], each["step"]) for each in steps]
    rows = []
    for each, name, following in zip(steps, names, [*names[1:], None], strict=True):
        is_total = each["kind"] == "total"
        # changes are counted from the base, and a total is a level of its own
        end = each["end"] - base.nrr
        start = end if is_total else each["start"] - base.nrr
        is_there = is_total or abs(each["amount"]) >= LEAST
        label = percent(each["amount"]) if is_total else points(each["amount"])
        rows.append(
            {
                "step": name,
                "kind": each["kind"] if is_there else "none",
                "lower": min(start, end),
                "upper": max(start, end),
                "end": end,
                "next": following,
                "label": label if is_there else "–",
                "place": max(start, end),
            }
        )
    return {"bridge": rows, "no_bridge": ""}
