"""A scenario's file in, the panel with its sliders and pictures out; never computes a number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any

from nrrsim.engine import switched
from nrrsim.engine.simulation import MOST_TRIALS
from nrrsim.errors import NrrsimError, UsageError
from nrrsim.notation import percent
from nrrsim.report.charts.live import live
from nrrsim.scenario.numbers import TARGET
from nrrsim.scenario.scenario import Scenario
from nrrsim.whatif.live import Moves, WhatIf

try:
    import anywidget
    import traitlets
except ModuleNotFoundError as missing:
    raise UsageError(
        f"the what-if panel needs {missing.name}: install nrrsim with its extra lab"
    ) from None


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
    asked = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    saved = traitlets.Dict().tag(sync=True)
    run = traitlets.Dict().tag(sync=True)

    def __init__(self, model: WhatIf) -> None:
        self.model, self.moves = model, model.start_moves()
        self._stops = False
        currency = model.presets[model.start].opening.currency
        start = {
            "form": model.form(self.moves),
            "answer": {"number": 0, **model.answer(self.moves)},
        }
        super().__init__(_esm=_script(), specs=live(currency), **start)
        self.observe(self._asked, "asked")
        self.on_msg(self._received)

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

    def _received(self, _: Any, content: Mapping[str, Any], buffers: Any) -> None:
        try:
            if content["kind"] == "save":
                self._save(content)
            elif content["kind"] == "run":
                trials = min(max(int(content["trials"]), 1), MOST_TRIALS)
                asked = content["asked"]
                Thread(
                    target=self._play, args=(_moves(asked), trials, asked["number"]), daemon=True
                ).start()
            else:
                self._stops = True
        except NrrsimError as error:
            self.run = {"state": "stopped", "problem": str(error)}

    def _save(self, content: Mapping[str, Any]) -> None:
        """What the page shows as it asks, whatever it asked before and has no answer to yet."""
        number = content["asked"]["number"]
        try:
            path = self.model.save(
                _moves(content["asked"]), content["name"], content["title"], content["because"]
            )
        except (NrrsimError, OSError) as error:
            self.saved = {"number": number, "problem": str(error), "text": ""}
            return
        nrr = percent(switched.expected_nrr(self.model.presets[path.stem]))
        self.saved = {
            "number": number,
            "problem": "",
            "text": f"Saved as {path.name}; its expected NRR is {nrr}.",
        }
        self.form = {**self.form, "presets": self.model.form(self.moves)["presets"]}

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


def _moves(asked: Mapping[str, Any]) -> Moves:
    """What the page sent; raises UsageError for a target that cannot be."""
    target = asked.get("target")
    try:
        target = None if target is None else float(TARGET.check(float(target)))
    except ValueError as error:
        raise UsageError(f"target: {error}") from None
    months = asked.get("months")
    values, mix = (
        {name: float(each) for name, each in asked.get(key, {}).items()}
        for key in ("values", "mix")
    )
    return Moves(
        asked["preset"],
        asked["base"],
        values,
        mix,
        None if months is None else round(months),
        target,
    )


def what_if(scenario: str | Path) -> Panel:
    """The panel: sliders that start at a scenario file.

    The files of its folder are the presets, and what is saved goes there. Raises UsageError where
    the file cannot be read.
    """
    return Panel(WhatIf(scenario))
