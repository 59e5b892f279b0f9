"""A chart's Vega-Lite in, its SVG and its PNG out; never knows the house's style.

Apart from the style, so that a page can have a picture made without all that draws charts. A report
has its pictures drawn by a process of their own (`Beside`), while its kernel goes on.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any, Self

from nrrsim.errors import NrrsimError
from nrrsim.files import shared

SPEC = "application/vnd.nrrsim.spec+json"  # a picture that is drawn beside the kernel
BESIDE = "NRRSIM_DRAWN_BESIDE"  # tells a kernel that its pictures are
# what lies in the folder that one works in is no module of ours
COMMAND = (sys.executable, "-P", "-c", f"from {__name__} import serve; serve()")


def svg_of(spec: dict[str, Any]) -> str:
    """The SVG of a specification, its config included; the same one gives the same bytes."""
    # no names for its marks: a picture has one text that says it all
    config = {**spec.get("config", {}), "aria": False}
    drawn = _converter().vegalite_to_svg({**spec, "config": config})

    # Vega counts its gradients up for ever: the second chart of a process would differ
    for number, name in enumerate(re.findall(r'<linearGradient id="(\w+)"', drawn)):
        used = rf'(<linearGradient id="|"url\(#){name}\b'
        drawn = re.sub(used, rf"\1gradient{number or ''}", drawn)

    # a chart unit is a point on paper: without a unit it would be a pixel, 3/4 of that
    return re.sub(r'(<svg [^>]*?width="[\d.]+)(" height="[\d.]+)', r"\1pt\2pt", drawn, count=1)


def png_of(svg: str) -> bytes:
    """The PNG of an SVG on white, twice as many pixels to a side."""
    # on no ground the converter makes grey of every colour that is half seen through
    white = re.sub("(<svg [^>]*>)", r'\1<rect width="100%" height="100%" fill="white"/>', svg)
    return bytes(_converter().svg_to_png(white, scale=2))


class Beside:
    """Pictures drawn by a process beside this one, in the order in which they are asked for.

    It is started by the first `begin`, and ends with us.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._asked: dict[tuple[str, bool], Future[dict[str, str]]] = {}
        # one thread: a question waits for the answer to the one before
        self._line = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.shutdown(cancel_futures=True)
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def begin(self) -> None:
        """Start what draws, which takes longer than a picture, before anything is asked for."""
        if self._process is None:
            self._process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                # what ends a command is for us alone, and we end it
                start_new_session=True,
            )

    def ask(self, spec: str, *, png: bool = False) -> Future[dict[str, str]]:
        """`svg`, and `png` in base64 where it is wanted, of a specification as JSON."""
        self.begin()
        if (spec, png) not in self._asked:
            self._asked[spec, png] = self._line.submit(self._answer, spec, png)
        return self._asked[spec, png]

    def svg_of(self, spec: dict[str, Any]) -> str:
        """As the function of that name, drawn before or now."""
        return self.ask(json.dumps(spec)).result()["svg"]

    def _answer(self, spec: str, png: bool) -> dict[str, str]:
        told = ""
        # a process that ended is found out below
        if self._process is not None and self._process.stdin and self._process.stdout:
            with suppress(OSError):
                self._process.stdin.write(f"{int(png)}{spec}\n")
                self._process.stdin.flush()
                told = self._process.stdout.readline()
        if not told:
            raise NrrsimError("the process that draws was killed (for want of memory?)")
        answer: dict[str, str] = json.loads(told)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer


def serve() -> None:
    """What the process of `Beside` does: draw what each line asks for, until there is none."""
    said, out = os.fdopen(0, encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed is no answer
    svg_of({"data": {"values": [{}]}, "mark": "point"})
    for line in said:
        try:
            answer = {"svg": svg_of(json.loads(line[1:]))}
            if line[0] == "1":
                answer["png"] = base64.b64encode(png_of(answer["svg"])).decode()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


@cache
def _converter() -> Any:
    import vl_convert

    inter = shared("reports", "_extensions", "nrrsim", "fonts")
    for fonts in (inter, files("noto_cjk_sans_jp_regular")):
        vl_convert.register_font_directory(str(fonts))
    return vl_convert
