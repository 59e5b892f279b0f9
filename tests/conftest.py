"""What the tests share: where the real ledgers are, and small ledgers made by hand."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest

import nrrsim as nr

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


def pytest_report_header() -> str:
    return f"real ledgers: {'found beside the project' if SHARED.is_dir() else 'NOT FOUND: tests marked shared are skipped'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SHARED.is_dir():
        for item in items:
            if "shared" in item.keywords:
                item.add_marker(
                    pytest.mark.skip(reason="the real ledgers are not beside the project")
                )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write text (or bytes) to a file of the test's own folder."""

    def _write(text: str | bytes, name: str = "ledger.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


def shared_json(name: str):
    return json.loads((SHARED / name).read_text())


def rejected(*sources: Path, **how: object) -> list[str]:
    """The findings of a ledger that must be rejected, without the folder they stand in."""
    with pytest.raises(nr.DataError) as caught:
        nr.read_ledger(*sources, **how)
    return [str(finding).replace(f"{sources[0].parent}/", "") for finding in caught.value.findings]


def squeezed(text: str) -> str:
    """Without white space: where a line ends is not what these tests are about."""
    return re.sub(r"\s+", "", text)


def text_of(pdf: Path) -> str:
    """What stands on a PDF's pages, as text."""
    document = pypdfium2.PdfDocument(pdf)
    return "\n".join(page.get_textpage().get_text_bounded() for page in document)
