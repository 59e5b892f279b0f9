"""A scenario file in, a panel that moves its assumptions and shows what follows out; never overwrites a file.

Beside it lie `whatif.js`, which draws the panel and sends what was moved, and `whatif.css`. Every number is worked out
here: the page shows texts and draws rows. Moves go through `Scenario.extended`, as a saved file would: what is on the
screen is what the file says.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from nrrsim import assumptions, charts, compare, outlook, verdicts
from nrrsim.drivers import DRIVERS, TARGET
from nrrsim.errors import NrrsimError, UsageError
from nrrsim.exact import expected_closing
from nrrsim.formats import count, money, percent, points, share, signed_money
from nrrsim.scenario import MOST_MONTHS, Scenario, read_scenario
from nrrsim.simulation import MOST_TRIALS, SEED, simulate
from nrrsim.words import FIELDS, STEPS, span
from nrrsim.yamlfile import yaml_text

try:
    import anywidget
    import traitlets
except ModuleNotFoundError as missing:
    raise UsageError(f"the what-if panel needs {missing.name}: install nrrsim with its extra lab") from None

FAR_MONTHS, POINTS, PLACES = 60, 5, 121  # of the horizon's slider; of the fan, today included; of the curve
TRIALS = (10_000, 50_000, 200_000)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
SAME = 1e-9  # of NRR: what was on the screen, and what the file says
MEANINGS = {
    "churn.rate": "Customers who leave within a year",
    "churn.curve": "Churn by tenure, relative to what it is",
    "contraction.rate": "Smaller contracts: events per customer and year",
    "contraction.size": "Share of its ARR that each takes",
    "adoption.rate": "More of the same: events per customer and year",
    "adoption.size": "Share of its ARR that each adds",
    "cross_sell.rate": "Another product: events per customer and year",
    "cross_sell.size": "Share of its ARR that each adds",
    "price.uplift": "Yearly price increase",
    "price.acceptance": "Customers who take it",
    "price.churn_per_point": "Extra churn per unit of increase",
    "reactivation.rate": "Lapsed customers who return within a year",
    "reactivation.size": "Share of what they left with",
}


@dataclass(frozen=True)
class Moves:
    """What is asked on the panel: where the sliders start, what they are compared with, and what was moved."""

    preset: str
    base: str
    values: Mapping[str, float] = field(default_factory=dict)
    mix: Mapping[str, float] = field(default_factory=dict)
    months: int | None = None
    target: float | None = None


class WhatIf:
    """The scenarios of a folder, and what follows when one is moved; no widget is needed for that.

    `folder` holds the presets, and gets what is saved. `start`: the name of the one that the sliders start from.
    """

    def __init__(self, scenario: str | Path) -> None:
        file = Path(scenario)
        first = read_scenario(file)
        self.folder, self.start = file.parent, file.stem
        self.presets: dict[str, Scenario] = {self.start: first}
        self.files = {self.start: file.name}
        self.left_out: list[str] = []
        for each in sorted([*self.folder.glob("*.yaml"), *self.folder.glob("*.yml")]):
            if each.stem not in self.presets:
                self._add(each)
        self.presets = dict(sorted(self.presets.items()))
        self._base = cache(self._outlook)

    def _add(self, file: Path) -> None:
        try:
            self.presets[file.stem] = read_scenario(file)
            self.files[file.stem] = file.name
        except NrrsimError as error:
            self.left_out.append(str(error).splitlines()[0])

    def start_moves(self, preset: str | None = None, base: str | None = None) -> Moves:
        """Nothing moved yet."""
        return Moves(preset or self.start, base or self.start)

    def over(self, moves: Moves) -> dict[str, Any]:
        """What a file would state that extends the preset and holds what was moved."""
        preset = self.presets[moves.preset]
        stated: dict[str, Any] = {}
        if moves.months is not None and moves.months != preset.months:
            stated["months"] = moves.months
        if moves.target is not None and moves.target != preset.target:
            stated["target"] = moves.target
        return stated | assumptions.over(preset, moves.values, moves.mix)

    def scenario(self, moves: Moves) -> Scenario:
        """The preset with what was moved; raises UsageError where that cannot be."""
        return self.presets[moves.preset].extended(self.over(moves))

    # --- what follows ------------------------------------------------------------------------------------------

    def answer(self, moves: Moves) -> dict[str, Any]:
        """What the panel shows: figures and sentences as texts, pictures as rows, and what a file would state."""
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

    def play(self, moves: Moves, trials: int, progress: Callable[[int], None] | None = None) -> dict[str, Any]:
        """A full simulation beside the exact path: a row a figure, each as a text."""
        scenario = self.scenario(moves)
        run = simulate(scenario, trials, SEED, progress=progress)
        told, now = outlook.simulated(scenario, run, SEED), _Outlook(scenario)
        low, mid, high = now.last.quantiles((0.05, 0.5, 0.95))
        played, errors = told["nrr"], told["standard_errors"]
        above = {"mean": ("Expected NRR", now.nrr), "p05": ("P5", low), "p50": ("P50", mid), "p95": ("P95", high)}
        rows = [
            [name, percent(value), percent(played[key]), _error(errors["nrr"][key])]
            for key, (name, value) in above.items()
        ]
        if scenario.target is not None:
            reached = now.last.reaches(scenario.target)
            name = f"Reaches {percent(scenario.target)}"
            rows.append([name, share(reached), share(told["p_target"]), _error(errors["p_target"])])
        rows += [
            [name, "", percent(told[key]["mean"]), _error(errors[key]["mean"])]
            for key, name in (("grr", "Expected GRR"), ("logo", "Expected logo retention"))
        ]
        return {"heads": ["", "Shown above", f"{count(trials)} trials", "Standard error"], "rows": rows}

    # --- what is saved -----------------------------------------------------------------------------------------

    def save(self, moves: Moves, name: str, title: str, because: str) -> Path:
        """A file in the folder that extends the preset and states only what was moved, with the reason that was given.

        Raises UsageError where nothing was moved, a text is missing, the name cannot be one or is taken.
        """
        title, because, name = title.strip(), because.strip(), name.strip().removesuffix(".yaml")
        over = self.over(moves)
        problems = [
            "nothing was moved: there is nothing to save" if not over else "",
            "title: say what it is called" if not title else "",
            "because: say why you believe it; who reads the file will ask" if not because else "",
            ""
            if NAME.fullmatch(name)
            else "file: letters, digits, dots and dashes, 80 at most, such as onboarding-2027",
        ]
        path = self.folder / f"{name}.yaml"
        taken = f"file: {path.name} is there already; choose another name"
        if NAME.fullmatch(name) and (path.exists() or path.is_symlink()):
            problems.append(taken)
        if any(problems):
            raise UsageError("\n".join(filter(None, problems)))
        file = self.files[moves.preset]
        text = yaml_text({"extends": file, "title": title, "because": because, **over})
        unfinished = path.with_name(f".{path.name}-{os.getpid()}")
        try:
            unfinished.write_text(text, encoding="utf-8")
            saved = read_scenario(unfinished)
            if abs(compare.expected_nrr(saved) - compare.expected_nrr(self.scenario(moves))) > SAME:
                raise UsageError(f"{file}: has changed since it was read; start again from what it says now")
            _place(unfinished, path)
        except FileExistsError:
            raise UsageError(taken) from None
        except OSError as error:
            raise UsageError(f"file: {path} cannot be written ({error.strerror})") from None
        finally:
            unfinished.unlink(missing_ok=True)
        self._add(path)
        self.presets = dict(sorted(self.presets.items()))
        self._base.cache_clear()
        return path

    # --- what the panel is made of -----------------------------------------------------------------------------

    def form(self, moves: Moves) -> dict[str, Any]:
        """The controls of a preset: its sliders by driver, its mix, what can be chosen, and why it is believed."""
        preset = self.presets[moves.preset]
        levers = assumptions.sliders(preset)
        groups = [
            {
                "name": driver,
                "title": STEPS[driver],
                "parts": _parts([each for each in levers if each.driver == driver]),
            }
            for driver in DRIVERS
        ]
        mix = assumptions.mix_of(preset)
        titles = [each.title for each in self.presets.values()]
        return {
            "presets": [
                [name, each.title if titles.count(each.title) == 1 else f"{each.title} ({self.files[name]})"]
                for name, each in self.presets.items()
            ],
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
            "mix": [{"segment": name, "value": value} for name, value in mix.items()],
            "no_mix": "" if mix else "The customers are given: their mix stays as it is.",
            "trials": [[each, count(each)] for each in TRIALS],
        }


def _place(unfinished: Path, path: Path) -> None:
    """A file at its name; raises FileExistsError where another came there meanwhile."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise
    except OSError:  # a drive that has no links
        os.rename(unfinished, path)


class _Outlook:
    """A scenario and what follows from it, each worked out when it is asked for."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.currency = scenario, scenario.opening.currency
        self.arr = scenario.opening.total
        self.ends = sorted({max(1, round(each)) for each in np.linspace(0, scenario.months, POINTS)[1:]})

    @cached_property
    def closing(self) -> np.ndarray:
        return np.asarray(expected_closing(self.scenario, self.ends).sum(axis=1))

    @cached_property
    def chances(self) -> outlook.Chances:
        return outlook.chances(self.scenario, self.ends)

    @property
    def last(self) -> Any:
        return self.chances.at[-1]

    @property
    def nrr(self) -> float:
        return float(self.closing[-1] / self.arr)

    @cached_property
    def quantiles(self) -> np.ndarray:
        """P5 and P95 of NRR at each end, `ndarray[end, 2]`."""
        return np.stack([each.quantiles((0.05, 0.95)) for each in self.chances.at])


# --- texts -------------------------------------------------------------------------------------------------


def _figures(now: _Outlook, base: _Outlook, target: float | None) -> list[list[str]]:
    """Name, label, value and what it is compared with, of each figure."""
    months, (low, high) = span(now.scenario.months), now.quantiles[-1]
    closing = money(now.closing[-1], now.currency)
    figures = [
        ["nrr", "Expected NRR", percent(now.nrr), f"{points(now.nrr - base.nrr)} against the base"],
        ["range", "Nine in ten cases", f"{percent(low)} to {percent(high)}", f"over {months}"],
        ["arr", f"ARR after {months}", closing, f"{_gained(now, base)} against the base"],
    ]
    if target is not None:
        reached, before = now.last.reaches(target), base.last.reaches(target)
        figures.append(["target", f"Reaches {percent(target)}", share(reached), f"base: {share(before)}"])
    return figures


def _said(now: _Outlook, base: _Outlook, target: float | None) -> str:
    low, high = now.quantiles[-1]
    reached = ""
    if target is not None:
        reached = f" It reaches {percent(target)} with a probability of {share(now.last.reaches(target))}."
    return (
        f"NRR is {percent(now.nrr)} on average, and between {percent(low)} and {percent(high)} in nine of ten cases."
        f"{reached} ARR after {span(now.scenario.months)}: {_gained(now, base)} against the base."
    )


def _gained(now: _Outlook, base: _Outlook) -> str:
    return signed_money(float(now.closing[-1] - base.closing[-1]), now.currency)


def _quality(now: _Outlook) -> str:
    error = points(now.chances.error).lstrip("+")
    if now.chances.method == "simulation":
        return f"Simulated, as the book is small or a few customers are large: the range may be off by {error}."
    return f"Worked out from exact moments, without a simulation: the range may be off by {error}."


def _error(error: float | None) -> str:
    return "n/a" if error is None else f"{100 * error:.2f} points"


def _spans(scenario: Scenario, values: Mapping[str, float]) -> dict[str, str]:
    return {each.name: _span(each) for each in assumptions.sliders(scenario) if each.name in values}


def _span(slider: assumptions.Slider) -> str:
    if slider.span is None:
        return ""
    form = _form(slider)
    return f"90%: {form(slider.span[0])} to {form(slider.span[1])}"


def _form(slider: assumptions.Slider) -> Callable[[float], str]:
    return (lambda each: f"{each:.2f}") if _is_number(slider) else percent


def _is_number(slider: assumptions.Slider) -> bool:
    return f"{slider.driver}.{slider.field}" in verdicts.EVENTS


def _parts(levers: list[assumptions.Slider]) -> list[dict[str, Any]]:
    """The sliders of a driver, by field; a field's name and meaning once."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for each in levers:
        told = {name: getattr(each, name) for name in ("name", "segment", "value", "low", "high", "most")}
        parts.setdefault(each.field, []).append(told | {"is_share": not _is_number(each), "span": _span(each)})
    return [
        {
            "field": name,
            "meaning": MEANINGS[f"{levers[0].driver}.{name}"],
            "label": f"{STEPS[levers[0].driver]}{FIELDS.get(name, '')}",
            "relative": name == assumptions.CURVE,
            "sliders": each,
        }
        for name, each in parts.items()
    ]


# --- rows --------------------------------------------------------------------------------------------------


def _curve(now: _Outlook, base: _Outlook, target: float | None) -> dict[str, list[dict[str, Any]]]:
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
    return {"curve": rows, "goal": [{"nrr": each, "label": f"Target {percent(each)}"} for each in goal]}


def _fan(now: _Outlook, base: _Outlook) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, each in (("base", base), ("now", now)):
        ahead = np.column_stack([each.quantiles[:, 0] * each.arr, each.closing, each.quantiles[:, 1] * each.arr])
        levels = np.vstack([np.full(3, each.arr), ahead]).tolist()
        for month, (low, middle, high) in zip([0, *each.ends], levels, strict=True):
            rows.append({"series": name, "month": month, "low": low, "middle": middle, "high": high})
    return rows


def _bridge(base: _Outlook, now: _Outlook) -> dict[str, Any]:
    """The steps from the base to now; and why there are none, where the two cannot be compared."""
    try:
        told = compare.bridge(base.scenario, now.scenario)
    except UsageError as error:
        return {"bridge": [], "no_bridge": str(error)}
    steps = replace(told, a=base.nrr, b=now.nrr).steps("Base", "Now", least=0.0)
    if not any(abs(each["amount"]) >= compare.LEAST for each in steps[1:-1]):
        return {"bridge": [], "no_bridge": "Now is as the base: there is no difference to explain."}
    ends = [each["end"] for each in steps]
    floor = max(0.0, min(ends) - 0.4 * max(max(ends) - min(ends), 0.02))
    rows = []
    for each, after in zip(steps, [*steps[1:], None], strict=True):
        is_total = each["kind"] == "total"
        start = floor if is_total else each["start"]
        is_there = is_total or abs(each["amount"]) >= compare.LEAST
        rows.append(
            {
                "step": verdicts.GROUPS.get(each["step"], each["step"]),
                "kind": each["kind"] if is_there else "none",
                "lower": min(start, each["end"]),
                "upper": max(start, each["end"]),
                "end": each["end"],
                "next": verdicts.GROUPS.get(after["step"], after["step"]) if after else None,
                "label": percent(each["amount"]) if is_total else points(each["amount"]) if is_there else "–",
                "place": max(start, each["end"]),
            }
        )
    return {"bridge": rows, "no_bridge": ""}


# --- the panel ---------------------------------------------------------------------------------------------


@cache
def _script() -> str:
    """The panel's script, with the drawing library in it: nothing is fetched from anywhere."""
    import vl_convert

    source = (files("nrrsim") / "whatif.js").read_text(encoding="utf-8")
    return str(vl_convert.javascript_bundle(source))


class Panel(anywidget.AnyWidget):
    """The panel of a WhatIf in a notebook. `scenario`: what is on the screen, to go on with in Python."""

    _css = (files("nrrsim") / "whatif.css").read_text(encoding="utf-8")
    specs = traitlets.Dict().tag(sync=True)
    form = traitlets.Dict().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    saved = traitlets.Dict().tag(sync=True)
    run = traitlets.Dict().tag(sync=True)

    def __init__(self, model: WhatIf) -> None:
        self.model, self.moves = model, model.start_moves()
        self._stops = False
        currency = model.presets[model.start].opening.currency
        start = {"form": model.form(self.moves), "answer": {"number": 0, **model.answer(self.moves)}}
        super().__init__(_esm=_script(), specs=charts.live(currency), **start)
        self.observe(self._asked, "asked")
        self.on_msg(self._told)

    @property
    def scenario(self) -> Scenario:
        """The scenario as it is on the screen."""
        return self.model.scenario(self.moves)

    def _asked(self, change: Mapping[str, Any]) -> None:
        """Answer what was moved; where that cannot be, say why and leave the figures."""
        asked, before = change["new"], self.moves
        try:
            moves = _moves(asked)
            answer = self.model.answer(moves)
            if moves.preset != before.preset:
                self.form = self.model.form(moves)
            self.moves = moves
        except Exception as error:  # on the screen rather than in a log that nobody reads
            answer = {**self.answer, "problem": _problem(error)}
        self.answer = {**answer, "number": asked.get("number", 0)}

    def _told(self, _: Any, content: Mapping[str, Any], buffers: Any) -> None:
        try:
            if content["kind"] == "save":
                self._save(content)
            elif content["kind"] == "run":
                trials = min(max(int(content["trials"]), 1), MOST_TRIALS)
                asked = content["asked"]
                Thread(target=self._play, args=(_moves(asked), trials, asked["number"]), daemon=True).start()
            else:
                self._stops = True
        except NrrsimError as error:
            self.run = {"state": "stopped", "problem": str(error)}

    def _save(self, told: Mapping[str, Any]) -> None:
        """What the page shows as it asks, whatever it asked before and has no answer to yet."""
        number = told["asked"]["number"]
        try:
            path = self.model.save(_moves(told["asked"]), told["name"], told["title"], told["because"])
        except (NrrsimError, OSError) as error:
            self.saved = {"number": number, "problem": str(error), "text": ""}
            return
        nrr = percent(compare.expected_nrr(self.model.presets[path.stem]))
        self.saved = {"number": number, "problem": "", "text": f"Saved as {path.name}; its expected NRR is {nrr}."}
        self.form = {**self.form, "presets": self.model.form(self.moves)["presets"]}

    def _play(self, moves: Moves, trials: int, number: int) -> None:
        """A full simulation, in a thread of its own, so that the sliders go on answering."""
        self._stops, last = False, 0.0

        def progress(done: int) -> None:
            nonlocal last
            if self._stops:
                raise _StoppedError
            if time.monotonic() - last > 0.1:
                last = time.monotonic()
                self.run = {"state": "running", "done": done, "total": trials}

        self.run = {"state": "running", "done": 0, "total": trials}
        try:
            told = self.model.play(moves, trials, progress)
            self.run = {"state": "done", "done": trials, "total": trials, "number": number, **told}
        except _StoppedError:
            self.run = {"state": "stopped", "problem": "Stopped."}
        except Exception as error:  # on the screen rather than in a log that nobody reads
            self.run = {"state": "stopped", "problem": _problem(error)}


class _StoppedError(Exception):
    """The person does not want to wait."""


def _problem(error: Exception) -> str:
    return str(error) if isinstance(error, NrrsimError) else f"{type(error).__name__}: {error}"


def _moves(asked: Mapping[str, Any]) -> Moves:
    """What the page sent; raises UsageError for a target that cannot be."""
    target = asked.get("target")
    try:
        target = None if target is None else float(TARGET.check(float(target)))
    except ValueError as error:
        raise UsageError(f"target: {error}") from None
    months = asked.get("months")
    values, mix = ({name: float(each) for name, each in asked.get(key, {}).items()} for key in ("values", "mix"))
    return Moves(asked["preset"], asked["base"], values, mix, None if months is None else round(months), target)


def what_if(scenario: str | Path) -> Panel:
    """The panel: sliders that start at a scenario file; the files of its folder are the presets, and what is saved
    goes there. Raises UsageError where the file cannot be read.
    """
    return Panel(WhatIf(scenario))
