"""The what-if panel as people meet it: a real browser on what `nrrsim lab` and `nrrsim app` serve.

`make test` runs it in the environment of the extras lab and browser. Without them, or without Chromium, it is skipped.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import CHROMIUM, ROOT, until

import nrrsim as nr
from nrrsim.cli.commands import main
from nrrsim.engine.switched import expected_nrr

for module in ("axe_playwright_python", "jupyterlab", "playwright", "voila"):
    pytest.importorskip(
        module, reason=f"{module} is in the environment of the extras lab and browser"
    )
if CHROMIUM is None:
    pytest.skip("no Chromium; .ci/run installs it", allow_module_level=True)
READY = 60_000  # milliseconds
CHURN = "churn.smb.rate"
OURS = """\
title: Ours
book: {ledger: ours.csv, as_of: 2026-01}
drivers: {churn: {all: 0.2}}
"""
KINDS = ("lab", "app")
# From the key to the moment at which number and curve are new, in the page's own clock.
WATCH = """
() => {
  const root = document.querySelector(".nrrsim"), seen = (window.seen = {});
  const now = (name) => () => { seen[name] = performance.now() - seen.start; };
  root.addEventListener("keydown", () => { for (const each of ["number", "chart"]) delete seen[each]; seen.start = performance.now(); }, true);
  const all = { childList: true, subtree: true, attributes: true, characterData: true };
  new MutationObserver(now("number")).observe(root.querySelector('[data-figure="nrr"]'), all);
  new MutationObserver(now("chart")).observe(root.querySelector('[data-picture="curve"] svg'), all);
}
"""


@dataclass
class Served:
    """A page on which the panel stands, the folder that it saves in,
    and all that the browser said and asked for.
    """

    kind: str
    page: Any
    folder: Path
    address: str
    process: subprocess.Popen[str]
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def end(self) -> int:
        """Ctrl-C, as in a terminal."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture(scope="session")
def servers(tmp_path_factory) -> Iterator[dict[str, tuple[Path, subprocess.Popen[str]]]]:
    """Both are started at once: the folder that each has to itself, and its process."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # see conftest.started
    code += "from nrrsim.cli import main; main()"
    with ExitStack() as ending:
        running = {}
        for kind in KINDS:
            folder = tmp_path_factory.mktemp(kind)
            shutil.copytree(ROOT / "params" / "scenarios", folder / "scenarios")
            shutil.copy(ROOT / "params" / "2026Q3.yaml", folder / "scenarios")
            deeper = "extends: recession.yaml\ntitle: Deeper\ndrivers: {churn: {smb: 0.4}}\n"
            (folder / "scenarios" / "deeper.yaml").write_text(deeper)
            (folder / "scenarios" / "ours.yaml").write_text(OURS)
            months = ("2025-12", "2026-01")
            rows = [f"{n},{m},{100 + n},smb,USD" for n in range(40) for m in months]
            rows += [f"Elm & Söhne,{m},2000,smb,USD" for m in months]
            text = "\n".join(["customer,month,mrr,segment,currency", *rows])
            (folder / "scenarios" / "ours.csv").write_text(text)
            (folder / "scenarios" / "half.yaml").write_text("extends: nrr-105.yaml\nmonths: some\n")
            # each looks for a free port: at the same moment both would find the same
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = str(free.getsockname()[1])
            words = [sys.executable, "-c", code, kind, "scenarios/nrr-105.yaml", "--no-browser"]
            words += ["--port", port]
            log = ending.enter_context((folder / "stderr").open("w"))
            # Settings of its own: JupyterLab restores the tabs that somebody's last session had open.
            own = os.environ | {"JUPYTER_CONFIG_DIR": str(tmp_path_factory.mktemp("settings"))}
            process = subprocess.Popen(
                words, cwd=folder, env=own, stdout=subprocess.PIPE, stderr=log, text=True
            )
            running[kind] = folder, ending.enter_context(process)
            ending.callback(process.kill)
        yield running


@pytest.fixture(scope="session", params=KINDS)
def served(request, chromium, servers) -> Served:
    """The panel in JupyterLab, after all cells were run, and as an app."""
    folder, process = servers[request.param]
    address = process.stdout.readline().strip()
    page = chromium.new_page(viewport={"width": 1400, "height": 1300})
    page.set_default_timeout(READY)
    it = Served(request.param, page, folder / "scenarios", address, process)
    page.on("console", lambda said: it.errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: it.errors.append(str(error)))
    page.on(
        "request",
        lambda asked: it.hosts.add(re.sub(r"^(?:blob:)?\w+://([^/:]*).*", r"\1", asked.url)),
    )
    _open(page, address, process)
    if request.param == "lab":
        _run_all(page)
    page.wait_for_selector(".nrrsim [data-figure=nrr] dd")
    page.wait_for_selector(".nrrsim [data-picture=fan] svg")
    return it


def _open(page: Any, address: str, process: subprocess.Popen[str]) -> None:
    from playwright.sync_api import Error

    for _ in range(100):
        assert process.poll() is None, "the server has ended"
        try:
            page.goto(address)
            return
        except Error:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")


def _run_all(page: Any) -> None:
    """Run all cells, once the kernel is idle;
    again, where the click came before JupyterLab listened to it.
    """
    from playwright.sync_api import Error

    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_selector("text=/Python 3 .ipykernel. . Idle/")
    for _ in range(5):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        try:
            # the prompt of a cell that runs, or has run
            page.wait_for_selector("text=/^.[*1].:$/", timeout=10_000)
            return
        except Error:
            continue
    raise AssertionError("JupyterLab runs no cell")


def figure(page, name="nrr"):
    return page.locator(f".nrrsim [data-figure={name}] dd").first


def nrr(page):
    return float(page.locator(".nrrsim .figures").get_attribute("data-nrr"))


def slider(page, name=CHURN):
    return page.locator(f'.nrrsim [data-name="{name}"]')


def settled(page):
    """The answer to the last move is on the screen."""
    page.wait_for_timeout(800)


def reset(page):
    page.get_by_role("button", name="Reset all").click()
    page.wait_for_function(
        "document.querySelector('.nrrsim [data-figure=nrr] dd').textContent === '105.0%'"
    )
    settled(page)


def expected(capsys, path) -> float:
    with pytest.raises(SystemExit):
        main(["expect", str(path), "--json", "--quiet"])
    return json.loads(capsys.readouterr().out)["nrr"]


def test_it_opens_with_the_scenario(served, capsys):
    assert figure(served.page).text_content() == "105.0%"
    assert nrr(served.page) == pytest.approx(
        expected(capsys, served.folder / "nrr-105.yaml"), abs=1e-9
    )
    assert served.page.locator(".nrrsim figure svg").count() == 3


def test_nothing_is_red_when_it_opens(served):
    """A card is no scenario; a scenario that is half done is told, as a hint."""
    left_out = served.page.locator(".nrrsim .form p", has_text="Left out")
    assert left_out.count() == 1
    assert left_out.text_content().startswith("Left out: half.yaml:2:9 months: ")
    assert served.page.locator(".nrrsim .problem:not(:empty)").count() == 0
    bridge = served.page.locator(".nrrsim [data-picture=bridge] p")
    assert bridge.text_content() == "No difference from the base."
    colours = {
        each.evaluate("node => getComputedStyle(node).color")
        for each in (left_out, bridge, served.page.locator(".nrrsim .because"))
    }
    assert len(colours) == 1, "hints are grey, as what is said in small"


def test_the_base_is_what_the_preset_extends_until_another_is_chosen(served):
    page, base = served.page, served.page.get_by_label("Compare with")
    assert base.input_value() == "nrr-105"
    page.get_by_label("Start from").select_option("deeper")
    page.wait_for_function("document.querySelectorAll('.nrrsim select')[1].value === 'recession'")
    settled(page)
    assert page.locator(".nrrsim [data-picture=bridge] .picture").is_visible()
    page.get_by_label("Start from").select_option("nrr-105")
    page.wait_for_function("document.querySelectorAll('.nrrsim select')[1].value === 'nrr-105'")
    reset(page)


def test_a_slider_by_keyboard_answers_each_time(served, record_property):
    """Number and chart are new after each key; how soon is told (the median of twenty, measured in the page)."""
    page = served.page
    page.evaluate(WATCH)
    slider(page).focus()
    took = []
    for press in range(22):
        page.keyboard.press("ArrowRight" if press < 11 else "ArrowLeft")
        page.wait_for_function("window.seen.number && window.seen.chart")
        page.wait_for_timeout(60)
        took.append(page.evaluate("Math.max(window.seen.number, window.seen.chart)"))
    median = statistics.median(took[2:])
    record_property("median_ms", median)
    print(
        f"\n{served.kind}: number and chart after {median:.0f} ms (median of 20; slowest {max(took[2:]):.0f})"
    )
    page.keyboard.press("PageDown")
    settled(page)
    assert nrr(page) > 1.051
    assert page.locator(".nrrsim :focus, .nrrsim:focus-within").count() >= 1
    reset(page)


def test_a_slider_by_mouse(served):
    page = served.page
    curve = page.locator(".nrrsim [data-picture=curve] svg path").first
    before, drawn = nrr(page), page.locator(".nrrsim [data-picture=curve] svg").inner_html()
    slider(page).scroll_into_view_if_needed()
    box = slider(page).bounding_box()
    at = float(slider(page).input_value()) / float(slider(page).get_attribute("max"))
    page.mouse.move(box["x"] + 8 + at * (box["width"] - 16), box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    settled(page)
    assert nrr(page) < before - 0.03
    assert curve.count() == 1
    assert page.locator(".nrrsim [data-picture=curve] svg").inner_html() != drawn
    assert "vs base" in figure(page).locator("xpath=following-sibling::dd").text_content()
    page.get_by_role("button", name="Reset Churn, SMB").click()
    settled(page)
    assert nrr(page) == pytest.approx(before, abs=1e-12)


def test_numbers_can_be_typed_and_all_segments_moved_at_once(served):
    page = served.page
    page.get_by_label("Churn, SMB, in %, as a number").fill("10")
    page.get_by_label("Churn, SMB, in %, as a number").press("Tab")
    settled(page)
    changed = nr.read_scenario(served.folder / "nrr-105.yaml").with_(
        {"drivers.churn.smb.rate": {"between": [0.07125, 0.1343]}}
    )
    assert nrr(page) == pytest.approx(expected_nrr(changed), abs=1e-9)
    page.get_by_label("Churn, all segments, in %, as a number").fill("-20")
    page.get_by_label("Churn, all segments, in %, as a number").press("Tab")
    settled(page)
    assert page.get_by_label("Churn, Enterprise, in %, as a number").input_value() == "4.22"
    assert "3 moved" in page.locator(".nrrsim summary", has_text="Churn").text_content()
    reset(page)


def test_a_preset_and_what_it_is_compared_with(served, capsys):
    page = served.page
    page.get_by_label("Start from").select_option("recession")
    page.wait_for_function(
        "document.querySelector('.nrrsim [data-figure=nrr] dd').textContent === '92.1%'"
    )
    assert nrr(page) == pytest.approx(expected(capsys, served.folder / "recession.yaml"), abs=1e-9)
    assert "Customers cut seats" in page.locator(".nrrsim .because").text_content()
    assert page.locator(".nrrsim [data-picture=bridge] svg").text_content().count("pts") >= 4
    page.get_by_label("Compare with").select_option("nrr-128")
    page.wait_for_function(
        "document.querySelector('.nrrsim [data-figure=nrr] .beside').textContent.includes('35.9')"
    )
    for choice in ("Start from", "Compare with"):
        page.get_by_label(choice).select_option("nrr-105")
        settled(page)
    assert figure(page).text_content() == "105.0%"


def test_mix_and_horizon(served):
    page = served.page
    page.locator(".nrrsim summary", has_text="Segment mix").click()
    page.get_by_label("Share of ARR, SMB, in %, as a number").fill("0")
    page.get_by_label("Share of ARR, SMB, in %, as a number").press("Tab")
    settled(page)
    assert page.get_by_label("Share of ARR, Enterprise, in %, as a number").input_value() == "53.33"
    assert nrr(page) > 1.06
    slider(page, "months").focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    assert "13 months" in page.locator(".nrrsim [data-figure=arr] dt").text_content()
    reset(page)


def test_an_account_is_switched_by_keyboard_and_saved(served, capsys):
    """One that renews, leaves, or is as forecast, in a book that is a ledger's."""
    page = served.page
    assert page.locator(".nrrsim .account").count() == 0  # of a book of numbers
    page.get_by_label("Start from").select_option("ours")
    page.wait_for_selector(".nrrsim .account", state="attached")
    page.locator(".nrrsim summary", has_text="Accounts").click()
    group = page.get_by_role("group", name="Elm & Söhne")
    assert group.locator("p").text_content() == (
        "ARR $24.0K; 20% probability of churn within 12 months"
    )
    before = nrr(page)
    assert group.get_by_label("As forecast").is_checked()
    group.get_by_label("As forecast").focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert group.get_by_label("Leaves").is_checked()
    share = 2000 / (2000 + sum(range(100, 140)))
    assert before - nrr(page) == pytest.approx(0.8 * share, abs=1e-9)
    shown = nrr(page)
    page.get_by_label("Title", exact=True).fill("Without Elm")
    page.get_by_label("Because", exact=True).fill("They gave notice.")
    page.get_by_role("button", name="Save as scenario").click()
    page.wait_for_function(
        "document.querySelector('.nrrsim .answer').textContent.startsWith('Saved')"
    )
    path = served.folder / "without-elm.yaml"
    assert path.read_text().endswith("book:\n  decided: {Elm & Söhne: leaves}\n")
    assert expected(capsys, path) == pytest.approx(shown, abs=1e-9)
    for choice in ("Start from", "Compare with"):
        page.get_by_label(choice).select_option("nrr-105")
        settled(page)
    for each in ("Title", "Because"):  # for the next scenario
        page.get_by_label(each, exact=True).fill("")
    reset(page)


def test_what_is_saved_is_what_is_on_the_screen(served, capsys):
    page = served.page
    slider(page).focus()
    page.keyboard.press("PageDown")
    page.locator(".nrrsim summary", has_text="Price").click()
    slider(page, "price.enterprise.uplift").focus()
    page.keyboard.press("PageUp")
    settled(page)
    shown = nrr(page)
    assert shown > 1.06
    page.get_by_role("button", name="Save as scenario").click()
    page.wait_for_selector(".nrrsim .answer.problem")
    assert "give the reason" in page.locator(".nrrsim .answer").text_content()
    page.get_by_label("Title", exact=True).fill("Onboarding, and a price for it")
    page.get_by_label("Because", exact=True).fill(
        "The pilot of spring lost fewer customers: 12 of 214."
    )
    page.get_by_role("button", name="Save as scenario").click()
    page.wait_for_function(
        "document.querySelector('.nrrsim .answer').textContent.startsWith('Saved')"
    )
    path = served.folder / "onboarding-and-a-price-for-it.yaml"
    assert expected(capsys, path) == pytest.approx(shown, abs=1e-9)
    assert path.read_text().startswith(
        "extends: nrr-105.yaml\ntitle: Onboarding, and a price for it\nbecause:"
    )
    assert page.get_by_label("Start from").locator("option", has_text="Onboarding").count() == 1
    page.get_by_role("button", name="Save as scenario").click()
    page.wait_for_selector(".nrrsim .answer.problem")
    assert "is there already" in page.locator(".nrrsim .answer").text_content()
    reset(page)


def test_what_is_saved_is_what_is_on_the_screen_at_once(served, capsys):
    """The last move counts, also where the kernel has not answered it yet."""
    page = served.page
    slider(page).focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.evaluate(
        """() => {
          const type = (name, text) => { const field = document.querySelector(`.nrrsim ${name}`);
            field.value = text; field.dispatchEvent(new Event("input")); };
          type("[name=title]", "In haste"); type("[name=file]", "in-haste"); type("textarea", "no time");
          document.querySelector(".nrrsim .saver > button").click();
        }"""
    )
    page.wait_for_function(
        "document.querySelector('.nrrsim .answer').textContent.startsWith('Saved as in-haste')"
    )
    settled(page)
    assert expected(capsys, served.folder / "in-haste.yaml") == pytest.approx(nrr(page), abs=1e-9)
    reset(page)


def test_the_focus_stays_and_keys_are_the_panels_own(served):
    page = served.page
    page.get_by_label("Start from").focus()
    page.get_by_label("Start from").select_option("win-back")
    page.wait_for_function(
        "document.querySelector('.nrrsim [data-figure=nrr] dd').textContent === '105.1%'"
    )
    settled(page)
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    page.get_by_label("Start from").select_option("nrr-105")
    settled(page)
    cells = (
        "[...document.querySelectorAll('.jp-Cell')].map((each) => each.textContent.slice(0, 60))"
    )
    before = page.evaluate(cells)
    for place in ("summary >> nth=1", "[data-name='churn.smb.rate']", ".reset-all"):
        page.locator(f".nrrsim {place}").focus()
        for key in ("a", "b", "x", "m", "d", "d", "0"):
            page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert page.evaluate(cells) == before
    assert page.locator(".nrrsim").count() == 1
    reset(page)


def test_what_is_typed_may_go_beyond_the_slider_and_not_beyond_the_model(served):
    page = served.page
    churn, months = (
        page.get_by_label("Churn, SMB, in %, as a number"),
        page.get_by_label("Months, as a number"),
    )
    for typed, shown in (("70", "70"), ("150", "100"), ("-5", "0"), ("", "0")):
        churn.fill(typed)
        churn.press("Tab")
        assert churn.input_value() == shown
    months.fill("12.7")
    months.press("Tab")
    settled(page)
    assert months.input_value() == "13"
    assert "13 months" in page.locator(".nrrsim [data-figure=arr] dt").text_content()
    reset(page)


def test_a_full_simulation_with_its_progress(served):
    page = served.page
    page.get_by_label("Trials").select_option("50000")
    page.get_by_role("button", name="Run full simulation").click()
    page.wait_for_selector(".nrrsim progress", state="visible")
    slider(page).focus()
    page.keyboard.press("ArrowRight")  # the sliders go on answering
    page.wait_for_selector(".nrrsim .runner table")
    rows = [
        each.split("\t")
        for each in page.locator(".nrrsim .runner tbody").inner_text().splitlines()
        if each.strip()
    ]
    assert rows[0][:3] == ["Expected NRR", "105.0%", "105.0%"]
    assert page.locator(".nrrsim .runner thead").inner_text().split("\t")[2] == "50,000 trials"
    assert page.locator(
        ".nrrsim .since"
    ).is_visible()  # what was played is not what is above any more
    reset(page)


def test_the_panel_makes_a_report_and_replaces_nothing(served):
    """A card and a report beside the folder of the scenarios; the command's messages on the page."""
    page, home = served.page, served.folder.parent
    page.get_by_label("Start from").select_option("recession")
    settled(page)
    group = page.get_by_role("group", name="Report")
    group.get_by_label("Name").fill("board")
    group.get_by_role("button", name="Make report").click()
    page.wait_for_function(
        "document.querySelector('.nrrsim .reporter .made').textContent.startsWith('The report is in')",
        timeout=5 * READY,
    )
    assert "rendering pdf, html" in group.locator("pre").text_content()
    made = home / "reports" / "board"
    assert (made / "report.pdf").is_file()
    assert (home / "params" / "board.yaml").is_file()
    assert group.locator(".made").text_content() == f"The report is in {made}."
    group.get_by_role("button", name="Make report").click()
    page.wait_for_selector(".nrrsim .reporter .made.problem")
    assert "is there already" in group.locator(".made").text_content()
    page.get_by_label("Start from").select_option("nrr-105")
    settled(page)


def test_what_cannot_be_is_said(served):
    page = served.page
    page.get_by_label("Title", exact=True).fill("Nothing")
    page.get_by_role("button", name="Save as scenario").click()
    page.wait_for_function(
        "document.querySelector('.nrrsim .answer').textContent.includes('nothing was moved')"
    )


def test_everybody_can_use_it(served):
    """No violation of WCAG 2.1 AA in what the panel draws, with all of it open."""
    from axe_playwright_python.sync_playwright import Axe

    page = served.page
    page.evaluate(
        "for (const each of document.querySelectorAll('.nrrsim details')) each.open = true"
    )
    slider(page).focus()
    page.keyboard.press("PageDown")
    settled(page)
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    told = Axe().run(page, context=".nrrsim", options=rules).response
    assert not [
        (each["id"], [node["html"] for node in each["nodes"]]) for each in told["violations"]
    ]
    assert len(told["passes"]) > 10
    names = page.evaluate(
        "[...document.querySelectorAll('.nrrsim input')].filter((each) => each.type === 'range').length"
    )
    assert names >= 30
    reset(page)


def test_a_page_that_is_loaded_anew_shows_what_was_moved(served):
    if served.kind == "app":
        pytest.skip("an app begins anew")
    page = served.page
    slider(page).focus()
    page.keyboard.press("PageUp")
    settled(page)
    moved, at = nrr(page), slider(page).input_value()
    page.evaluate("document.querySelector('.nrrsim').remove()")
    page.keyboard.press("Control+s")
    page.wait_for_timeout(1500)
    page.reload()
    page.wait_for_selector(".nrrsim [data-picture=fan] svg")
    settled(page)
    assert nrr(page) == moved
    assert slider(page).input_value() == at
    reset(page)


def test_only_this_machine_and_only_with_the_token(served):
    assert served.address.startswith("http://127.0.0.1:")
    bare = served.address.partition("?")[0]
    if served.kind == "lab":
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(bare.replace("/lab/tree/", "/api/contents/"))
        assert refused.value.code == 403
        refused.value.close()
    with urllib.request.urlopen(bare) as answer:
        assert "/login" in answer.url


def answered(address: str, path: str, host: str, **headers: str) -> int:
    """The status of what is asked at an address under some name, as a page elsewhere makes a browser do."""
    port = int(re.search(r":(\d+)/", address)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest("GET", path, skip_host=True)
        for name, value in {"Host": host, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
NOBODY = "/api/kernels/00000000-0000-0000-0000-000000000000/channels"


def test_it_answers_to_no_other_name(served):
    """A name that leads to 127.0.0.1 (DNS rebinding): no page, no file, no socket, token or not."""
    token = served.address.partition("?")[2]
    port = re.search(r":(\d+)/", served.address)[1]
    pages = ("/", "/login", "/voila/static/voila.js", "/api/kernels", "/static/favicon.ico", "/x")
    for host in (
        "evil.example",
        f"evil.example:{port}",
        f"127.0.0.1.evil.example:{port}",
        "0x7f.1",
    ):
        for path in pages if served.kind == "app" else ("/login", "/api/kernels", "/lab"):
            for asked in (path, f"{path}?{token}"):
                assert answered(served.address, asked, host) in (403, 404), (host, asked)
        assert answered(served.address, f"{NOBODY}?{token}", host, **SOCKET) == 403, host
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        assert answered(served.address, "/login", host) == 200, host
        assert answered(served.address, f"{NOBODY}?{token}", host, **SOCKET) == 404, host
    if served.kind == "app":
        for host in ("", "127.0.0.1", "localhost", "127.0.0.1:1", f"[::1]:{port}", "\x1b[31m"):
            assert answered(served.address, f"/?{token}", host) in (400, 403), host


def test_a_log_has_no_tracebacks(served):
    """Whatever is asked of it: nothing, or one line each, and no control character."""
    port = int(re.search(r":(\d+)/", served.address)[1])
    token = served.address.partition("?")[2]
    host = f"127.0.0.1:{port}"
    for path in (
        f"/{'x' * 5000}?{token}",
        f"/api/kernels/x?{token}",
        f"/%1b%5b31m?{token}",
        f"/voila/files/..%2f?{token}",
        f"/api/contents/%00?{token}",
        f"/voila/api/shutdown/x?{token}",
    ):
        assert answered(served.address, path, host) < 600
    for rubbish in (
        b"\x00\x1b[31m\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sent:
            sent.sendall(rubbish)
            sent.shutdown(socket.SHUT_WR)
            sent.recv(1000)
    said = (served.folder.parent / "stderr").read_text()
    assert "Traceback" not in said
    assert not re.search(r'^  File "', said, re.MULTILINE)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", said)


def kernels_of(process: subprocess.Popen[str]) -> list[str]:
    """The processes that a server has started."""
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
def test_the_kernel_of_a_page_that_is_gone_ends(chromium, tmp_path):
    """A page that was closed without a word, and one that never showed anything; one that is open keeps its own."""
    shutil.copy(ROOT / "params" / "scenarios" / "nrr-105.yaml", tmp_path)
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from nrrsim.whatif import serve; serve.GONE, serve.LOOK_EVERY = 4, 1\n"
    code += "from nrrsim.cli import main; main()"
    words = [sys.executable, "-c", code, "app", "nrr-105.yaml", "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=tmp_path, **pipes) as process:
        try:
            address = process.stdout.readline().strip()
            page = chromium.new_page()
            page.set_default_timeout(READY)
            _open(page, address, process)
            page.wait_for_selector(".nrrsim [data-figure=nrr] dd")
            assert len(kernels_of(process)) == 1
            with urllib.request.urlopen(address) as never_shown:
                never_shown.read()
            assert len(kernels_of(process)) == 2
            until(lambda: len(kernels_of(process)) == 1, 60)
            time.sleep(6)
            slider(page).focus()
            page.keyboard.press("PageDown")
            page.wait_for_function("document.querySelector('.nrrsim .figures').dataset.number > 0")
            # as a browser that crashes: the page has no time to say that it goes
            page.route("**/*", lambda route: route.abort())
            page.goto("about:blank")
            until(lambda: not kernels_of(process), 60)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert said == "Only this machine can open it. Ctrl-C ends it.\n"
    assert [each.name for each in tmp_path.iterdir()] == ["nrr-105.yaml"]


def test_zz_nothing_went_wrong_and_it_ends(served):
    """The last of all: no error on the console, no request to another host,
    and Ctrl-C ends it cleanly.
    """
    assert served.errors == []
    assert served.hosts <= {"127.0.0.1", ""}
    served.page.close()
    assert served.end() == 0
    assert "Traceback" not in (served.folder.parent / "stderr").read_text()
