"""Reports as people meet them: the page on a telephone and on a desk, by day and by night, and the notebook in JupyterLab.

`make test` runs it in the environment of the extras lab and browser. Without them, or without Chromium, it is skipped.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CHROMIUM, ROOT, until

from nrrsim.report.run import run_card

for module in ("axe_playwright_python", "jupyterlab", "playwright"):
    pytest.importorskip(
        module, reason=f"{module} is in the environment of the extras lab and browser"
    )
if CHROMIUM is None:
    pytest.skip("no Chromium; .ci/run installs it", allow_module_level=True)
CARDS = ("2026Q3", "105-vs-128")
WIDTHS = (390, 1400)
READY = 90_000  # milliseconds
# What holds words or is a picture, and is seen: its box, the box that it must stay in, and what it says.
BOXES = """
(root, outer) => [...root.querySelectorAll("*")].filter(each =>
    ["svg", "IMG"].includes(each.tagName) ||
    (!each.closest("svg") && [...each.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())))
  .filter(each => each.checkVisibility() && !each.closest("mjx-container"))
  .map(each => [each.getBoundingClientRect(), each.closest(outer).getBoundingClientRect(), each])
  .map(([box, out, each]) => ({
    tag: each.tagName, text: each.textContent.slice(0, 40),
    within: each.parentElement.closest("p, li, dt, dd, td, th, h1, h2, h3, pre, summary, figcaption, span") ? 1 : 0,
    left: box.left, right: box.right, top: box.top, bottom: box.bottom, most: out.right, least: out.left}))
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reports")
    for card in CARDS:
        # how many trials stand behind a figure changes no box
        run_card(ROOT / "params" / f"{card}.yaml", to=("html",), out=out, over={"trials": 200})
    return out


@pytest.fixture(
    scope="module", params=[(card, width) for card in CARDS for width in WIDTHS], ids=str
)
def opened(request: Any, chromium: Any, reports: Path) -> Iterator[Any]:
    card, width = request.param
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.asked = []
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.goto((reports / card / "report.html").as_uri())
    yield page
    page.close()


def overlaps(boxes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Pairs that cover each other by more than a hair; words inside of a sentence are the sentence's."""
    whole = [box for box in boxes if not box["within"]]
    return [
        (a["text"], b["text"])
        for i, a in enumerate(whole)
        for b in whole[i + 1 :]
        if min(a["right"], b["right"]) - max(a["left"], b["left"]) > 1
        and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 1
    ]


def test_nothing_is_wider_than_the_screen_and_nothing_covers_anything(opened: Any) -> None:
    assert opened.evaluate(
        "document.documentElement.scrollWidth === document.documentElement.clientWidth"
    )
    boxes = opened.evaluate(f"({BOXES})(document.querySelector('main'), 'main')")
    scrolled = opened.evaluate(
        "[...document.querySelectorAll('.scroll, .equation')].every(n => n.getBoundingClientRect().right <= innerWidth)"
    )
    assert scrolled
    # nobody can scroll to what begins left of its box
    begins = (
        "n => n.firstElementChild.getBoundingClientRect().left >= n.getBoundingClientRect().left"
    )
    assert opened.evaluate(f"[...document.querySelectorAll('.equation')].every({begins})")
    pictures = [box for box in boxes if box["tag"] in ("svg", "IMG")]
    assert len(pictures) >= 4
    assert all(box["right"] <= box["most"] and box["left"] >= box["least"] for box in pictures)
    assert overlaps([box for box in boxes if box["tag"] not in ("TD", "TH")]) == []


def test_one_of_two_pictures_and_one_of_two_contents(opened: Any) -> None:
    narrow = opened.viewport_size["width"] < 700
    shown = "[...document.querySelectorAll('{}')].map(n => n.checkVisibility())"
    for both in (".chart", ".contents"):
        for kind in ("wide", "narrow"):
            seen = opened.evaluate(shown.format(f"{both}.{kind}"))
            assert seen
            assert set(seen) == {narrow == (kind == "narrow")}
    if narrow:
        assert not opened.locator("details.contents nav").is_visible()
        opened.locator("details.contents summary").click()
        assert opened.locator("details.contents nav").is_visible()
        opened.locator("details.contents summary").click()
    else:
        contents, main = (
            opened.locator(each).bounding_box() for each in ("nav.contents.wide", "main")
        )
        assert contents["x"] + contents["width"] <= main["x"]


def test_numbers_stand_on_one_line(opened: Any) -> None:
    lines = opened.evaluate(
        """[...document.querySelectorAll("td")].filter(n => n.checkVisibility() && /^[^A-Za-z]*[0-9.,]+(%|[KMBT]| pts)?$/.test(n.textContent))
        .map(n => { const r = document.createRange(); r.selectNodeContents(n); return new Set([...r.getClientRects()].map(b => Math.round(b.top))).size })"""
    )
    assert len(lines) > 20
    assert set(lines) == {1}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_who_reads_with_ears_or_keys_or_by_night(opened: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    opened.emulate_media(color_scheme=scheme)
    found = Axe().run(opened).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    turned = opened.evaluate("getComputedStyle(document.querySelector('.chart > svg')).filter")
    assert (turned == "none") == (scheme == "light")


def test_all_can_be_saved_without_a_network(opened: Any, tmp_path: Path) -> None:
    opened.context.set_offline(True)
    links = opened.locator(".downloads a:visible")
    assert links.count() > 10
    for file in ("csv", "png"):
        link = opened.locator(f".downloads a[download$='.{file}']:visible").first
        with opened.expect_download() as saving:
            link.click()
        saving.value.save_as(tmp_path / file)
    assert (tmp_path / "csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert (tmp_path / "png").read_bytes().startswith(b"\x89PNG")
    opened.context.set_offline(False)
    assert all(url.startswith(("file:", "data:")) for url in opened.asked)


def test_no_text_leaves_its_picture(opened: Any) -> None:
    outside = opened.evaluate(
        """[...document.querySelectorAll(".chart > svg")].filter(n => n.checkVisibility()).flatMap(svg => {
        const box = svg.getBoundingClientRect();
        return [...svg.querySelectorAll("text")].map(n => [n.textContent, n.getBoundingClientRect()])
          .filter(([, t]) => t.width && (t.left < box.left - 2 || t.right > box.right + 2)).map(([text]) => text) })"""
    )
    assert outside == []


@pytest.mark.parametrize("card", CARDS)
def test_the_page_at_most_doubles(reports: Path, card: str) -> None:
    """By what can be saved from it, and by the pictures for narrow screens."""
    page = (reports / card / "report.html").read_text("utf-8")
    added = re.findall(r'href="data:[^"]+"', page) + re.findall(
        r'<div class="chart narrow">.*?</div>', page
    )
    assert len(page) <= 2 * (len(page) - sum(map(len, added)))


@pytest.fixture(scope="module")
def lab(reports: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab that shows all of a notebook: `sent.ipynb`, and `own.ipynb`, which it trusts."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "folder"
    folder.mkdir()
    for name in ("sent", "own"):
        shutil.copy(reports / CARDS[0] / "report.ipynb", folder / f"{name}.ipynb")
    settings = {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false"},
    }
    for name, values in settings.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    places = {
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTER_DATA_DIR": "data", "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "run", "IPYTHONDIR": "ipython",
    }  # fmt: skip
    environment = os.environ | {name: str(home / place) for name, place in places.items()}
    jupyter = [sys.executable, "-m", "jupyter"]
    trust = [*jupyter, "trust", str(folder / "own.ipynb")]
    subprocess.run(trust, env=environment, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        *jupyter, "lab", "--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=t",
        "--LabApp.news_url=",
    ]  # fmt: skip
    with (home / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert process.poll() is None, (home / "log").read_text()[-2000:]
            try:
                return urllib.request.urlopen(f"{address}/api?token=t", timeout=5).status == 200
            except OSError:
                return False

        try:
            until(answers, 60)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(scope="module", params=["sent", "own"])
def notebook(request: Any, chromium: Any, lab: str) -> Iterator[Any]:
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    page.set_default_timeout(READY)
    # A workspace of its own: JupyterLab restores the tabs of the last one, and may show one of those instead.
    page.goto(f"{lab}/lab/workspaces/{request.param}/tree/{request.param}.ipynb?token=t")
    page.wait_for_selector(".jp-Notebook dl dd")
    page.wait_for_function("document.querySelectorAll('.jp-OutputArea-output table').length >= 7")
    page.wait_for_function(
        "(all => all.length >= 7 && all.every(n => n.checkVisibility() && (n.tagName === 'svg' || n.complete && n.naturalWidth)))([...document.querySelectorAll('.jp-OutputArea-output img, .jp-OutputArea-output svg')])"
    )
    page.wait_for_selector("mjx-container", state="attached")  # the one formula is set
    page.trusted = request.param == "own"
    yield page
    page.close()


def test_in_jupyterlab_no_two_boxes_overlap_and_none_is_wider_than_its_cell(notebook: Any) -> None:
    outputs = notebook.locator(".jp-OutputArea-output")
    assert outputs.count() > 30
    pictures = 0
    for boxes in outputs.evaluate_all(
        f"all => all.map(each => ({BOXES})(each, '.jp-OutputArea-output'))"
    ):
        assert overlaps(boxes) == []
        wider = [
            box["text"]
            for box in boxes
            if box["right"] > box["most"] + 1 or box["left"] < box["least"] - 1
        ]
        assert wider == []
        pictures += sum(box["tag"] in ("svg", "IMG") for box in boxes)
    assert pictures >= 7


def test_in_jupyterlab_amounts_are_no_formulas_and_texts_stand_left(notebook: Any) -> None:
    assert notebook.locator(".jp-OutputArea-output mjx-container").count() == 0
    assert (
        notebook.locator(".jp-OutputArea-output p", has_text=re.compile(r"\$[\d.]+M")).count() > 0
    )
    sides = notebook.evaluate(
        """[...document.querySelectorAll(".jp-OutputArea-output tbody th[scope=row]")].map(n => getComputedStyle(n).textAlign)"""
    )
    assert len(sides) > 10
    assert set(sides) == {"left"}
