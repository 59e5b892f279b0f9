"""What Quarto would be given, and what its own Typst makes of it; Quarto itself is not here."""

import json
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pikepdf
import pypandoc
import pytest
from test_render import SAMPLE, STYLE, TIMESTAMP, fake_quarto, fonts_of, made, pages_of, write

from nrrsim.report import tables
from nrrsim.report.card import Card
from nrrsim.report.pages.markdown import font_folders, quarto_markdown
from nrrsim.report.pages.notebook import read_cells
from nrrsim.report.pages.pdf import typst_document
from nrrsim.report.pages.render import render
from nrrsim.report.run import _front_matter
from nrrsim.report.wording import quarterly

__all__ = ["fake_quarto"]  # a fixture, found by its name

# What Quarto 1.9 has inside. Installed for this test alone: no other part of the project asks for it.
OLDER_TYPST = "typst==0.14.*"
COMPILE = """
import json, sys, typst
asked = json.load(sys.stdin)
_, warnings = typst.compile_with_warnings(
    asked["document"], output=asked["pdf"], root=asked["root"], font_paths=asked["fonts"],
    ignore_system_fonts=True, pdf_standards=["ua-1"],
)
print(json.dumps([warning.message for warning in warnings]))
"""


@pytest.fixture(scope="module")
def older_typst(tmp_path_factory):
    """Typst 0.14 in a folder of its own: the environment of a process that has it."""
    folder = tmp_path_factory.mktemp("typst")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    installed = subprocess.run([*pip, OLDER_TYPST], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"{OLDER_TYPST} cannot be installed: {installed.stderr.strip()[-300:]}")
    return {"PYTHONPATH": str(folder)}


def test_quartos_own_typst_prints_bold_and_the_same_text(older_typst, tmp_path):
    notebook = write(tmp_path, *SAMPLE)
    work = tmp_path / "work"
    work.mkdir()
    asked = {
        "document": str(typst_document(*read_cells(notebook, STYLE), STYLE, work)),
        "pdf": str(tmp_path / "older.pdf"),
        "root": str(work),
        "fonts": sorted({str(font.parent) for font in font_folders()}),
    }
    ran = subprocess.run(
        [sys.executable, "-c", COMPILE],
        input=json.dumps(asked),
        env=older_typst,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads(ran.stdout) == []
    older, ours = tmp_path / "older.pdf", made(tmp_path, *SAMPLE, to=("pdf",))["pdf"]
    assert {"Inter-Bold", "Inter-SemiBold", "Inter-Regular"} <= fonts_of(older)
    assert fonts_of(older) == fonts_of(ours)
    assert pages_of(older) == pages_of(ours)
    assert tags_of(older) == tags_of(ours)
    assert ("/Figure", "Bridge, 100 to 104.6") in tags_of(ours)


def tags_of(pdf):
    """The kinds of elements that a screen reader meets, in order, with their alternative texts.

    Without spans, which mark a style alone.
    """

    def walk(element):
        if isinstance(element, pikepdf.Array):
            return [found for each in element for found in walk(each)]
        if not isinstance(element, pikepdf.Dictionary):
            return []
        below = walk(element.get("/K", []))
        kind, alt = str(element.get("/S", "/Span")), str(element.get("/Alt", ""))
        return below if kind == "/Span" else [(kind, alt), *below]

    with pikepdf.open(pdf) as document:
        return walk(document.Root.StructTreeRoot.K)


def test_both_engines_get_the_same_markdown(fake_quarto, tmp_path):
    notebook = write(tmp_path, *SAMPLE)
    render(notebook, tmp_path / "out", engine="quarto", style=STYLE, timestamp=TIMESTAMP)
    given = tmp_path / "given.ipynb"
    given.write_text(json.dumps(json.loads(fake_quarto.read_text())["notebook"]))
    texts = []
    for book in (notebook, given):
        meta, cells = read_cells(book, STYLE)
        pictures = tmp_path / book.stem
        pictures.mkdir()
        text = quarto_markdown(cells, "pdf", pictures)
        drawn = {file.name: file.read_bytes() for file in sorted(pictures.iterdir())}
        texts.append((meta, text, drawn))
    assert texts[0] == texts[1]
    assert texts[0][2]


@pytest.mark.parametrize(
    "name",
    [
        "{{< env HOME >}}",
        "{{{< env HOME >}}}",
        "{{{{< env HOME >}}}}",
        "Acme {{<env HOME>}} Ltd",
        "{{< include /etc/passwd >}}",
        r"\{\{\< env HOME \>\}\}",
        r"\{{< env HOME >}}",
        "{{&lt; env HOME &gt;}}",
        "{{<!-- --> < env HOME >}} {{< meta title >}}",
        '"{{< var x >}}": [{{< pagebreak >}}]',
        "*{{*<\n env HOME >}}",
    ],
)
def test_no_text_of_a_card_is_a_shortcode(name, tmp_path):
    """In the tree that Quarto's filters see, pandoc has taken every backslash away."""
    notebook = nbformat.read(write(tmp_path), as_version=4)
    said = dict.fromkeys(("company", "title", "subtitle", "confidentiality"), name)
    _front_matter(notebook, Card(tmp_path / "card.yaml", tmp_path, said, {}))
    tree = json.loads(pypandoc.convert_text(notebook.cells[0].source, "json", format="markdown"))
    for key in said:
        read = printed(tree["meta"][key])
        assert "{{<" not in read
        assert read.replace("\u2060", "") == " ".join(name.split())


@pytest.mark.parametrize(("step", "line"), [(3, "Quarterly report"), (12, "Annual report")])
def test_a_notebook_says_what_its_title_page_is(step, line, tmp_path):
    """An annual ledger's report is not a quarterly one."""
    notebook = nbformat.read(write(tmp_path), as_version=4)
    said = tables.front(subtitle=quarterly.subtitle(SimpleNamespace(pace=step))).bundle
    notebook.cells.append(
        nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", dict(said))])
    )
    _front_matter(notebook, Card(tmp_path / "card.yaml", tmp_path, {}, {"subtitle": None}))
    assert f"subtitle: {line}\n" in notebook.cells[0].source


def printed(node):
    """The text of a piece of pandoc's tree, however it is cut."""
    if isinstance(node, list):
        return "".join(map(printed, node))
    if node["t"] in {"Str", "Space", "SoftBreak"}:
        return node.get("c", " ")
    return printed([each for each in node["c"] if isinstance(each, (dict, list))])
