"""What the tests share: where the real ledgers are, and small ledgers made by hand."""

import gc
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from hypothesis import HealthCheck, settings

import nrrsim as nr
from nrrsim.cli.commands import main

# what is tested is made anew: a person's own cache knows none of it (kernels and commands inherit this)
os.environ["NRRSIM_CACHE"] = "off"

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"

# What a customer may be called, and must then be called in the report.
HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    '#read("/etc/passwd")',
    "{{< env HOME >}}",
    "*a*_b_$c$@d",
    "日本語株式会社",
    'back\\slash "quote" `tick` ~x~ ^y^ [z](u) :::',
]

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    " --no-first-run"
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser, where the extra `browser` is installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


def pytest_report_header() -> str:
    found = "found beside the project" if SHARED.is_dir() else "NOT FOUND"
    return f"real ledgers: {found}{'' if SHARED.is_dir() else ': tests marked shared are skipped'}"


# How many made-up ledgers each rule is held against: `make test` takes ci, `make test-all` takes night, which looks for
# new ones each time.
either = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("ci", max_examples=50, derandomize=True, **either)
settings.register_profile("night", max_examples=500, print_blob=True, **either)
settings.load_profile("ci")


def fewer(test):
    """A rule that takes long: ten examples by day, at night as many as of the others."""
    by_day = settings().max_examples < settings.get_profile("night").max_examples
    return settings(max_examples=10)(test) if by_day else test


# Files whose tests take longest: where workers share the tests, they begin, so that none is left alone with one of them
# at the end.
LONGEST = [
    "test_report",
    "test_engine",
    "test_properties",
    "test_backtest",
    "test_comparison",
    "test_whatif",
]
LONGEST += ["test_cases", "test_wording", "test_fiscal_report", "test_hostile_files", "test_sweep"]
LONGEST += ["test_calibration", "test_charts", "test_bridge"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        last = len(LONGEST)
        items.sort(
            key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else last
        )
    if not SHARED.is_dir():
        for item in items:
            if "shared" in item.keywords:
                item.add_marker(
                    pytest.mark.skip(reason="the real ledgers are not beside the project")
                )


@pytest.fixture(scope="module", autouse=True)
def _no_garbage_of_files_before() -> Iterator[None]:
    """A command looks for garbage seldom, as it soon ends; a process of tests would grow by gigabytes."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.collect()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write text (or bytes) to a file of the test's own folder."""

    def _write(text: str | bytes, name: str = "ledger.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`nrrsim` with these words, in this process: exit code, stdout and stderr."""

    def _run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(map(str, words)))
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return int(left.value.code or 0), told.out, told.err

    return _run


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """`nrrsim` in a process group of its own, once it has read its words; killed at the end, if it is still there."""
    # A shell lets what it starts in the background ignore Ctrl-C, and so all that is started from there.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from nrrsim.cli import main; print('ready', flush=True); main()"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], start_new_session=True, **pipes
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def until(there: Callable[[], object], seconds: float = 20) -> None:
    """Wait for it; a test that would wait for ever ends."""
    begin = time.monotonic()
    while not there():
        assert time.monotonic() - begin < seconds
        time.sleep(0.01)


def seen_on(terminal: int, process: subprocess.Popen[Any], steps: Sequence[tuple[bytes, bytes]] = (),
            seconds: float = 120) -> tuple[bytes, list[tuple[bytes, bytes]]]:  # fmt: skip
    """What a process writes on a terminal until it ends, and the steps that were not come to.

    steps : at each text that comes, some keys are typed. A process that is silent for so many seconds is killed, and
        the test fails with what was seen: it waits for keys that nobody types.
    """
    seen, left = b"", list(steps)
    with suppress(OSError):  # nobody writes any more
        while True:
            if not select.select([terminal], [], [], seconds)[0]:
                process.kill()
                pytest.fail(f"nothing comes any more; left to type: {left}; seen: {seen.decode()}")
            if not (some := os.read(terminal, 65536)):
                break
            seen += some
            if left and seen.endswith(left[0][0]):
                # a Ctrl-C between what is printed and the read that follows is only noticed at the next key
                time.sleep(0.2)
                os.write(terminal, left.pop(0)[1])
    os.close(terminal)
    return seen, left


def shared_json(name: str):
    return json.loads((SHARED / name).read_text())


def rejected(*sources: Path, **how: object) -> list[str]:
    """The findings of a ledger that must be rejected, without the folder they stand in."""
    with pytest.raises(nr.DataError) as caught:
        nr.read_ledger(*sources, **how)
    return [str(finding).replace(f"{sources[0].parent}/", "") for finding in caught.value.findings]


def page_fill(pdf: Path) -> list[float]:
    """How far down each page of a report is printed: 1 is the foot of what a page has room for.

    Measured in ink, between the margins of the template: neither header nor footer counts.
    """
    top, bottom, height = 27, 24, 297  # mm
    found = []
    for page in pypdfium2.PdfDocument(pdf):
        image = page.render(scale=1, grayscale=True).to_numpy().squeeze()
        a_mm = len(image) / height
        body = image[round(top * a_mm) : round((height - bottom) * a_mm)]
        printed = (body < 250).any(axis=1).nonzero()[0]
        found.append((printed[-1] + 1) / len(body) if len(printed) else 0.0)
    return found


def unmet_rules(pdf: Path) -> list[str]:
    """What a PDF does not keep of the 104 rules of PDF/UA-1, by a judge that did not make it."""
    page = pytest.importorskip("page", reason="PDF/UA is judged by page-validation, not installed")
    judged = page.validate_pdf(pdf, profile=page.ValidationProfile.PDF_UA_1)
    assert judged.rules.total >= 104
    return [f"{failure.rule_id}: {failure.message}" for failure in judged.failures]


def text_of(pdf: Path) -> str:
    """What can be read on a PDF's pages."""
    document = pypdfium2.PdfDocument(pdf)
    return "\n".join(page.get_textpage().get_text_bounded() for page in document)


def said_of(subject: object, *names: str) -> str:
    """What a report says of its subject, as Markdown: the sentences of these names."""
    return " ".join(nr.say(name, subject).bundle["text/markdown"] for name in names)


def squeezed(text: str) -> str:
    """Without white space: where a line ends is not what these tests are about."""
    return re.sub(r"\s+", "", text)
