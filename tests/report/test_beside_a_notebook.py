"""What works beside a report's notebook: the kernel that loads ahead, the process that draws."""

import base64
import json

import nbformat
import pytest

from nrrsim.errors import NrrsimError
from nrrsim.report.charts.picture import Beside, png_of, svg_of
from nrrsim.report.kernel import loaded_by

SPEC = {
    "data": {"values": [{"a": 1}, {"a": 2}]},
    "mark": "point",
    "encoding": {"x": {"field": "a"}},
}


def test_a_picture_drawn_beside_is_the_same_one():
    with Beside() as pictures:
        pictures.begin()
        wide, narrow = json.dumps(SPEC), json.dumps({**SPEC, "width": 90})
        asked = [pictures.ask(wide, png=True), pictures.ask(narrow), pictures.ask("{}")]
        assert asked[0] is pictures.ask(wide, png=True)  # what was drawn is drawn
        drawn = asked[0].result()
        assert drawn["svg"] == svg_of(SPEC)
        assert base64.b64decode(drawn["png"]) == png_of(drawn["svg"])
        assert pictures.svg_of({**SPEC, "width": 90}) == svg_of({**SPEC, "width": 90})
        with pytest.raises(ValueError, match=r"\w"):
            asked[2].result()
        assert pictures.svg_of(SPEC) == drawn["svg"]  # after what could not be drawn, too

        pictures._process.kill()
        with pytest.raises(NrrsimError, match="the process that draws was killed"):
            pictures.svg_of({**SPEC, "width": 91})


LOADED = {
    # cells: what a kernel is told to load
    "import a.b\na.b.c(1)": "import a.b\na.b",
    "from x import y as z, w\nz.f(z.g)\nother.h": "from x import y as z, w\nz.f\nz.g",
    "%matplotlib inline\nimport q": "",
    "x = 1\nx.real": "",
}


@pytest.mark.parametrize(("source", "expected"), LOADED.items(), ids=range(len(LOADED)))
def test_a_kernel_loads_what_its_cells_import_and_name(source, expected):
    cells = [nbformat.v4.new_markdown_cell("import m"), nbformat.v4.new_code_cell(source)]
    assert loaded_by(cells) == expected
