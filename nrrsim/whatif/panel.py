"""A scenario's file in, the panel with its sliders and pictures out; never computes a number."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from math import isfinite
from pathlib import Path
from threading import Thread
from typing import Any

from nrrsim.engine import switched
from nrrsim.engine.simulation import MOST_TRIALS
from nrrsim.errors import NrrsimError, UsageError
from nrrsim.files import to_install
from nrrsim.messages import shown
from nrrsim.notation import percent
from nrrsim.report.charts.live import live
from nrrsim.scenario.numbers import TARGET
from nrrsim.scenario.scenario import Scenario
from nrrsim.whatif.live import Moves, WhatIf, preset_name
from nrrsim.whatif.reports import make_report, new_card

try:
    import anywidget
    import traitlets
except ModuleNotFoundError as missing:
    raise UsageError(
        f"the what-if panel needs {missing.name}, which is not installed; this installs it:\n"
        f"{to_install('lab')}"
    ) from None

# What the panel tells its page.
TOLD = ("specs", "form", "answer", "saved", "run", "report")


@cache
def _script() -> str:
    """The panel's script, with the drawing library in it: nothing is fetched from anywhere."""
    import vl_convert

    source = (files("nrrsim.whatif") / "whatif.js").read_text(encoding="utf-8")
    return str(vl_convert.javascript_bundle(source))


class Panel(anywidget.AnyWidget):
    """The panel of a WhatIf in a notebook. `scenario`: what is on the screen, for Python."""

    _css = (files("nrrsim.whatif") / "whatif.css").read_text(encoding="utf-8")
    specs = traitlets.Dict().tag(sync=True)
    form = traitlets.Dict().tag(sync=True)
    asked = traitlets.Any({}).tag(sync=True)  # what the page sent, whatever it is
    answer = traitlets.Dict().tag(sync=True)
    saved = traitlets.Dict().tag(sync=True)
    run = traitlets.Dict().tag(sync=True)
    report = traitlets.Dict().tag(sync=True)

    def __init__(self, model: WhatIf) -> None:
        self.model, self.moves = model, model.start_moves()
        self._stops = False
        start = {
            "form": model.form(self.moves),
            "answer": {"number": 0, **model.answer(self.moves)},
        }
        super().__init__(_esm=_script(), specs=live(model.currency), **start)
        self.observe(self._asked, "asked")
        self.on_msg(self._received)

    @property
    def scenario(self) -> Scenario:
        """The scenario as it is on the screen."""
        return self.model.scenario(self.moves)

    def _handle_msg(self, msg: Any) -> None:
        """What the page sends, told apart before ipywidgets takes it for a message of its own.

        What is none is answered with what is wrong: an error in here would reach nobody.
        """
        data = msg.get("content", {}).get("data")
        known = {"update": "state", "custom": "content", "request_state": None}
        method = data.get("method") if isinstance(data, Mapping) else None
        held = known.get(method, "") if isinstance(method, str) else ""
        if not isinstance(data, Mapping) or held == "":
            self._refuse("this page sent what the panel does not know; load it anew")
        elif held and not isinstance(data.get(held), Mapping):
            self._refuse(f"this page sent a message ({method}) without its {held}; load it anew")
        elif held == "state":
            # a page asks, and shows; what it shows is the kernel's to say
            asked = {name: value for name, value in data["state"].items() if name not in TOLD}
            super()._handle_msg({**msg, "content": {"data": {"method": method, "state": asked}}})
        else:
            super()._handle_msg({"buffers": [], **msg})

    def _refuse(self, problem: str) -> None:
        self.answer = {**self.answer, "problem": problem}

    def _asked(self, change: Mapping[str, Any]) -> None:
        """Answer what was moved; where that cannot be, say why and leave the figures."""
        asked, before = change["new"], self.moves
        try:
            moves = _moves(asked, self.model.presets)
            answer = self.model.answer(moves)
            if moves.preset != before.preset:
                self.form = self.model.form(moves)
            self.moves = moves
        except Exception as error:  # on the screen rather than in a log that nobody reads
            answer = {**self.answer, "problem": _problem(error)}
        self.answer = {**answer, "number": _number_of(asked)}

    def _received(self, _: Any, content: Mapping[str, Any], buffers: Any) -> None:
        kind = content.get("kind")
        if kind == "save":
            self._save(content)
        elif kind == "report":
            self._report(content)
        elif kind == "stop":
            self._stops = True
        elif kind != "run":
            self._refuse("this page asked for what the panel does not know; load it anew")
        else:
            try:
                trials = _number("trials", content.get("trials"))
                moves = _moves(content.get("asked"), self.model.presets)
            except NrrsimError as error:
                self.run = {"state": "stopped", "problem": str(error)}
                return
            trials = min(max(round(trials), 1), MOST_TRIALS)
            number = _number_of(content["asked"])
            Thread(target=self._play, args=(moves, trials, number), daemon=True).start()

    def _save(self, content: Mapping[str, Any]) -> None:
        """What the page shows as it asks, whatever it asked before and has no answer to yet."""
        number = _number_of(content.get("asked"))
        texts = [content.get(each) for each in ("name", "title", "because")]
        try:
            name, title, because = (each if isinstance(each, str) else "" for each in texts)
            moves = _moves(content.get("asked"), self.model.presets)
            path = self.model.save(moves, name, title, because)
        except (NrrsimError, OSError) as error:
            self.saved = {"number": number, "problem": str(error), "text": ""}
            return
        nrr = percent(switched.expected_nrr(self.model.presets[preset_name(Path(path.name))]))
        self.saved = {
            "number": number,
            "problem": "",
            "text": f"Saved as {path.name}; its expected NRR is {nrr}.",
        }
        now = self.model.form(self.moves)
        self.form = {**self.form, **{each: now[each] for each in ("presets", "bases")}}

    def _report(self, content: Mapping[str, Any]) -> None:
        """Make the report of what the page shows, in a thread that passes on what is said."""
        if self.report.get("state") == "running":
            return
        name = content.get("name")
        try:
            moves = _moves(content.get("asked"), self.model.presets)
            files = self.model.files_to_report(moves)
            card = new_card(files, name if isinstance(name, str) else "")
        except (NrrsimError, OSError) as error:
            self.report = {"state": "stopped", "problem": str(error)}
            return
        self.report = {"state": "running", "lines": [f"{card}: written"]}
        Thread(target=self._make, args=(card,), daemon=True).start()

    def _make(self, card: Path) -> None:
        lines = list(self.report["lines"])

        def tell(line: str) -> None:
            lines.append(line)
            self.report = {"state": "running", "lines": [*lines]}

        try:
            folder = make_report(card, tell)
        except Exception as error:  # on the screen rather than in a log that nobody reads
            self.report = {"state": "stopped", "lines": lines, "problem": _problem(error)}
            return
        if folder is None:
            problem = f"No report was made; {card} was removed."
            self.report = {"state": "stopped", "lines": lines, "problem": problem}
        else:
            self.report = {"state": "done", "lines": lines, "text": f"The report is in {folder}."}

    def _play(self, moves: Moves, trials: int, number: int) -> None:
        """A full simulation, in a thread of its own, so that the sliders go on answering."""
        self._stops, last = False, 0.0

        def progress(done: int) -> None:
            nonlocal last
            if self._stops:
                raise _StoppedError
            # ten times a second is as often as anybody looks
            if time.monotonic() - last > 0.1:
                last = time.monotonic()
                self.run = {"state": "running", "done": done, "total": trials}

        self.run = {"state": "running", "done": 0, "total": trials}
        try:
            answer = self.model.play(moves, trials, progress)
            self.run = {
                "state": "done",
                "done": trials,
                "total": trials,
                "number": number,
                **answer,
            }
        except _StoppedError:
            self.run = {"state": "stopped", "problem": "Stopped."}
        except Exception as error:  # on the screen rather than in a log that nobody reads
            self.run = {"state": "stopped", "problem": _problem(error)}


class _StoppedError(Exception):
    """The person does not want to wait."""


def _problem(error: Exception) -> str:
    return str(error) if isinstance(error, NrrsimError) else f"{type(error).__name__}: {error}"


def _moves(asked: Any, presets: Collection[str]) -> Moves:
    """What the page sent; raises UsageError for what none of ours sends and no scenario can be."""
    if not isinstance(asked, Mapping):
        raise UsageError(f"this page sent no moves, but {shown(asked)}; load it anew")
    for each in ("preset", "base"):
        if not isinstance(asked.get(each), str) or asked[each] not in presets:
            name = shown(asked.get(each))
            raise UsageError(f"{each}: no scenario here is called {name}; load the page anew")
    target, months = asked.get("target"), asked.get("months")
    try:
        target = None if target is None else float(TARGET.check(_number("target", target)))
    except ValueError as error:
        raise UsageError(f"target: {error}") from None
    return Moves(
        asked["preset"],
        asked["base"],
        _numbers("values", asked.get("values")),
        _numbers("mix", asked.get("mix")),
        _choices(asked.get("accounts")),
        None if months is None else round(_number("months", months)),
        target,
    )


def _numbers(name: str, given: Any) -> dict[str, float]:
    """The numbers of what was moved, by name; nothing moved where there are none."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UsageError(f"{name}: must be numbers by name, got {shown(given)}")
    return {each: _number(f"{name}.{each}", value) for each, value in given.items()}


def _choices(given: Any) -> dict[str, str]:
    """What was decided of accounts, by name."""
    given = {} if given is None else given
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in given.values()):
        raise UsageError(f"accounts: must be choices by name, got {shown(given)}")
    return dict(given)


def _number(name: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        if is_number and isfinite(value):
            return float(value)
    except OverflowError:  # a whole number that no float is
        pass
    raise UsageError(f"{name}: must be a finite number, got {shown(value)}")


def _number_of(asked: Any) -> int:
    """Which of a page's questions it is, so that it knows the answer."""
    number = asked.get("number") if isinstance(asked, Mapping) else None
    return number if isinstance(number, int) else 0


def what_if(scenario: str | Path) -> Panel:
    """The panel: sliders that start at a scenario file.

    The files of its folder are the presets, and what is saved goes there. Raises UsageError where
    the file cannot be read.
    """
    return Panel(WhatIf(scenario))
