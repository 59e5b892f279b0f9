"""Charts in, pictures out: what must be readable is there, and no data is ever markup."""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from itertools import combinations, pairwise, permutations
from typing import Any
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pandas as pd
import pytest
import typst

import nrrsim as nr
from nrrsim.report.charts import accounts, among, grid, outlook, retention, style

HOSTILE = [
    "<script>alert(1)</script>",
    "*a*_b_$c$@d",
    "日本語",
    "a & b \"c\" 'd' ]]>",
    "{{x}} \\u{41}",
]
LONG = "A segment whose name is much longer than any name of a segment should be"


def steps(*rows: tuple[str, float, str]) -> pd.DataFrame:
    level, out = 0.0, []
    for step, amount, kind in rows:
        start = 0.0 if kind == "total" else level
        level = start + amount
        out.append((step, amount, start, level, kind))
    return pd.DataFrame(out, columns=["step", "amount", "start", "end", "kind"])


BRIDGE = steps(
    ("Opening ARR", 40e6, "total"),
    ("Adoption", 3e6, "gain"),
    ("Churn", -1e6, "loss"),
    ("Closing", 42e6, "total"),
)
TREND = pd.DataFrame(
    {
        "period": ["2026 Q1", "2026 Q2", "2026 Q3"],
        "nrr": [1.02, None, 1.053],
        "grr": [0.9, 0.89, 0.908],
    }
)
SEGMENTS = pd.DataFrame(
    [(p, s, 0.9 + i / 20) for p in ("Q1", "Q2") for i, s in enumerate(["SMB", LONG])],
    columns=["period", "segment", "nrr"],
)
COHORTS = pd.DataFrame(
    {
        "cohort": ["2025", "2025", "2026"],
        "age": [0, 1, 0],
        "nrr": [1.0, 0.5, None],
        "opening": [5e5, 5e5, 1e6],
        "complete": [True, False, True],
        "now": [0.75, 0.75, None],
    }
)
BARS = pd.DataFrame(
    {"segment": ["SMB", LONG], "nrr": [2.6, -0.1], "grr": [0.9, None], "nrr_before": [None, 1.01]}
)
SHARES = pd.DataFrame({"customers_share": [0, 0.5, 1], "arr_share": [0, 0.9, 1]})
RENEWALS = pd.DataFrame(
    {"period": ["Q1", "Q2"], "due": [9e6, 5e6], "renewed": [7e6, None], "lost": [2e6, None]}
)
CURVES = pd.DataFrame(
    [(n, x, d) for n in ("Now", LONG) for x, d in ((0.9, 0.1), (1.0, 2.0), (1.1, 0.2))],
    columns=["name", "nrr", "density"],
)
BELOW = pd.DataFrame(
    [(n, x, p) for n in ("Computed", LONG) for x, p in ((0.8, 0.1), (0.9, 0.5), (1.1, 1.0))],
    columns=["name", "nrr", "below"],
)
FAN = pd.DataFrame(
    [(n, p, 1e8, 9e7, None) for n in ("Now", LONG) for p in ("Today", "Year 1")],
    columns=["name", "period", "middle", "low", "high"],
)
TORNADO = pd.DataFrame({"name": ["Churn, smb", LONG], "low": [1.1, 1.04], "high": [0.98, None]})
PAST = pd.DataFrame([("Q1", 0.8, 0.9, 1.0, 1.1, 1.2, 1.05), (LONG, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)],
                    columns=["period", "p05", "p10", "p50", "p90", "p95", "actual"])  # fmt: skip
GRID = pd.DataFrame([(x / 20, y / 20, 1.1 - x / 20 + y / 30, 1.0, 1.2, 0.5 - x / 9) for y in range(3) for x in range(4)],
                    columns=["x", "y", "nrr", "p05", "p95", "p_target"])  # fmt: skip
PIT = pd.DataFrame({"low": [0.0, 0.5], "high": [0.5, 1.0], "count": [3, 1]})
BANDS = pd.DataFrame({"name": ["Band 1", LONG], "predicted": [0.05, 0.3], "observed": [0.04, None]})
EFFECTS = pd.DataFrame(
    {
        "name": ["Call", LONG],
        "difference": [-0.05, 0.01],
        "low": [-0.09, None],
        "high": [-0.01, 0.04],
    }
)
DUE = pd.DataFrame({"period": ["Oct 2026", "Nov 2026"], "arr_at_risk": [9e5, 1.2e6]})
OPEN = pd.DataFrame(
    {"period": ["Q4", "Q1"], "arr": [9e5, 0], "weighted": [4e5, 0], "booked": [1e6, None]}
)
PEERS = pd.DataFrame(
    {
        "panel": ["Point to point"] * 4 + ["Four-quarter average"] * 2,
        "name": ["Acme", "Acme", "Braze", "Braze", "Acme", "Globex"],
        "period": ["Jun 2026", "Sep 2026", "Jul 2026", "Aug 2026", "Sep 2026", "Jul 2026"],
        "at": [24317, 24320, 24318, 24319, 24320, 24318],
        "nrr": [1.02, 1.05, 1.08, None, 1.04, 1.2],
    }
)
Draw = Callable[..., Any]
ALL: list[tuple[Draw, pd.DataFrame, dict[str, Any]]] = [
    (retention.bridge, BRIDGE, {}),
    (
        retention.bridges,
        pd.concat([BRIDGE.assign(panel="This cohort"), BRIDGE.assign(panel="Whole company")]),
        {},
    ),
    (retention.trend, TREND, {"target": 1.1}),
    (retention.segment_trend, SEGMENTS, {}),
    (among.peers, PEERS, {}),
    (retention.cohort_heatmap, COHORTS, {"unit": "month"}),
    (retention.segment_bars, BARS, {}),
    (
        retention.concentration,
        SHARES,
        {"notes": [(0.5, 0.9, "5 largest"), (0.9, 0.99, "9 largest")]},
    ),
    (retention.renewals, RENEWALS, {"currency": "EUR"}),
    (
        retention.bridge,
        BRIDGE.assign(**(BRIDGE[["amount", "start", "end"]] / 4e7)),
        {"currency": None},
    ),
    (outlook.distributions, CURVES, {"target": 1.1}),
    (outlook.cumulative, BELOW, {}),
    (outlook.fan, FAN, {}),
    (outlook.tornado, TORNADO, {"base": 1.05}),
    (outlook.intervals, PAST, {}),
    (outlook.histogram, PIT, {}),
    (grid.heatmap, GRID, {"x": "drivers.churn.smb.rate", "y": LONG, "target": 1.05}),
    (grid.slope, GRID, {"x": LONG, "target": 1.05}),
    (accounts.calibration, BANDS, {}),
    (accounts.at_risk, DUE, {"currency": "EUR"}),
    (accounts.effects, EFFECTS, {}),
    (accounts.pipeline, OPEN, {"currency": "EUR"}),
]
each = pytest.mark.parametrize(
    ("draw", "frame", "options"), ALL, ids=[draw.__name__ for draw, _, _ in ALL]
)


def words(chart: Any) -> list[str]:
    """All texts of the picture, as a reader of the SVG meets them."""
    picture = chart if isinstance(chart, str) else style.svg(chart)
    found = ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()) for text in found]


@each
def test_the_same_chart_is_the_same_bytes_and_nothing_is_mutated(
    draw: Draw, frame: pd.DataFrame, options: Any
) -> None:
    before = frame.copy(deep=True)
    once, again = (style.svg(draw(frame, **options)) for _ in range(2))
    assert once == again
    pd.testing.assert_frame_equal(frame, before)
    width = float(re.findall(r'<svg [^>]*width="([\d.]+)pt" height="[\d.]+pt"', once)[0])
    assert width <= 480
    assert "http" not in once.replace("http://www.w3.org", "")


@each
def test_one_row_no_row_and_only_nulls(draw: Draw, frame: pd.DataFrame, options: Any) -> None:
    assert words(draw(frame.head(0), **options)) == ["No data"]
    assert style.svg(draw(frame.tail(1), **options))
    numbers = frame.select_dtypes("number").columns.difference(["age"])
    assert style.svg(draw(frame.assign(**dict.fromkeys(numbers, np.nan)), **options))


@each
def test_errors_say_what_to_do(draw: Draw, frame: pd.DataFrame, options: Any) -> None:
    with pytest.raises(ValueError, match="no column"):
        draw(frame.iloc[:, 1:], **options)
    with pytest.raises(ValueError, match="aggregate"):
        draw(pd.concat([frame] * 2_600), **options)


@each
def test_a_chart_says_its_numbers_in_words(draw: Draw, frame: pd.DataFrame, options: Any) -> None:
    """What a reader of the picture gets, for one who listens to it: also of many rows or none."""
    drawn = draw(frame, **options)
    said = drawn.to_dict()["description"]
    assert any(text in said for text in words(drawn) if re.search(r"\d", text))
    assert "nan" not in said
    names = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    names = [name for name in names if name not in ("kind", "complete")]
    copies = [frame.assign(**{n: frame[n] + str(i) for n in names}) for i in range(6)]
    many = draw(pd.concat(copies, ignore_index=True), **options)
    assert len(many.to_dict()["description"]) <= 620
    assert draw(frame.head(0), **options).to_dict()["description"] == "No data."


def test_words_state_each_number_while_one_can_listen_to_them() -> None:
    def said(chart: Any) -> str:
        return str(chart.to_dict()["description"])

    few = "NRR: 2026 Q1 102.0%, 2026 Q3 105.3%; GRR: 2026 Q1 90.0%, 2026 Q2 89.0%, 2026 Q3 90.8%"
    assert said(retention.trend(TREND, target=1.1)) == f"{few}; Target 110.0%."
    assert said(retention.bridge(BRIDGE, "EUR")) == (
        "Opening ARR €40.0M, Adoption +€3.00M, Churn −€1.00M, Closing €42.0M."
    )
    years = [str(year) for year in range(1980, 2020)]
    ratios = [1.1 if year == "1999" else 1.0 + number / 1000 for number, year in enumerate(years)]
    many = said(retention.trend(pd.DataFrame({"period": years, "nrr": ratios, "grr": 0.9})))
    assert "from 1980 100.0% to 2019 103.9%, highest 110.0% in 1999, lowest 100.0% in 1980" in many
    both = outlook.tornado(TORNADO.head(1), base=1.05)
    assert said(both).endswith("Churn, smb: 110.0% and 98.0%.")
    names = pd.DataFrame({"name": NAMED, "low": 1.0, "high": 1.1})
    assert said(outlook.tornado(names, 1.05)).endswith("; and 3 more.")


@each
def test_print_takes_every_chart(
    draw: Draw, frame: pd.DataFrame, options: Any, tmp_path: Any
) -> None:
    (tmp_path / "chart.svg").write_text(style.svg(draw(frame.tail(2), **options)), encoding="utf-8")
    (tmp_path / "page.typ").write_text('#image("chart.svg", alt: "A chart")')
    _, warnings = typst.compile_with_warnings(str(tmp_path / "page.typ"), ignore_system_fonts=True)
    assert not [w.message for w in warnings if "font" not in w.message]


def test_hostile_names_are_text() -> None:
    bridge = steps(*((name, 1.0, "gain") for name in HOSTILE))
    several = pd.DataFrame(
        {
            "period": HOSTILE,
            "segment": HOSTILE,
            "cohort": HOSTILE,
            "panel": HOSTILE,
            "age": 0,
            "opening": 1,
        }
    )
    several = several.assign(nrr=1.0, grr=0.9, nrr_before=1.1, due=3, renewed=2, lost=1)
    several = several.assign(complete=True, now=1.1)
    shown = [
        retention.bridge(bridge),
        retention.bridges(bridge.assign(panel="This cohort")),
        retention.trend(
            several, bands=[(name, 0.85 + i / 20, 0.9 + i / 20) for i, name in enumerate(HOSTILE)]
        ),
        retention.segment_trend(several),
        retention.cohort_heatmap(several),
        retention.segment_bars(several),
        retention.concentration(
            SHARES, notes=[(i / 5, i / 5, name) for i, name in enumerate(HOSTILE)]
        ),
        retention.renewals(several),
    ]
    for chart in shown:
        picture = style.svg(chart)
        texts = "".join(words(picture)).replace(" ", "")
        assert "<script" not in picture
        assert all(name.replace(" ", "")[:5] in texts for name in HOSTILE), texts


def sizes(picture: str, colour: str) -> list[float]:
    """How long the bars of a colour are, along the longer of their sides."""
    found = re.findall(rf'd="M[-\d.,]+h([\d.]+)v([\d.]+)h[^"]+" [^>]*fill="{colour}"', picture)
    swapped = re.findall(rf'fill="{colour}"[^>]* d="M[-\d.,]+h([\d.]+)v([\d.]+)h', picture)
    return [float(number) for pair in found + swapped for number in pair]


@pytest.mark.parametrize("opening", [0, 20e6, 40e9])
def test_a_waterfalls_bars_are_as_long_as_their_amounts(opening: float) -> None:
    """Whatever it opens with: an opening is a level and has no bar, so nothing is cut."""
    moves = [("New", 9e6, "gain"), ("Adoption", 3e6, "gain"), ("Churn", -6e6, "loss")]
    frame = steps(("Opening", opening, "total"), *moves, ("Closing", opening + 6e6, "total"))
    for drawn in (retention.bridge(frame), retention.bridges(frame.assign(panel="All"))):
        picture = style.svg(drawn)
        gains, losses = sizes(picture, style.TEAL), sizes(picture, style.BRICK)
        longest, shared = max(gains), max(set(gains), key=(gains + losses).count)
        assert {round(each / longest, 3) for each in gains + losses if each != shared} == {
            1.0,
            round(1 / 3, 3),
            round(2 / 3, 3),
        }
        assert not sizes(picture, style.NAVY)


def test_every_step_has_its_amount_and_totals_stand_beside() -> None:
    shown = words(retention.bridge(BRIDGE, "USD"))
    assert {"$40.0M", "+$3.00M", "−$1.00M", "$42.0M", "(+$2.00M)", "$0", "Change"} <= set(shown)
    assert "$42.0M (+$2.00M)" in words(retention.bridges(BRIDGE.assign(panel="All"), "USD"))
    ratios = words(retention.bridge(steps(("A", 1.05, "total"), ("B", 1.05, "total")), None))
    assert ratios.count("105.0%") == 2
    assert not any(text.startswith("(") for text in ratios)
    below = steps(("Opening", 10, "total"), ("Churn", -30, "loss"), ("Closing", -20, "total"))
    assert {"−$30", "−$20", "(−$30)"} <= set(words(retention.bridge(below, "USD")))
    with pytest.raises(ValueError, match="occurs twice"):
        retention.bridge(pd.concat([BRIDGE, BRIDGE]))


@pytest.mark.parametrize(("names", "upright"), [(9, True), (20, False)])
def test_a_waterfall_of_many_steps_lies(names: int, upright: bool) -> None:
    """The names of all its steps are there in full, beside each other or below each other."""
    moves = [f"Step {number} of many" for number in range(names)]
    frame = steps(("Opening", 10, "total"), *((name, 1, "gain") for name in moves))
    drawn = retention.bridge(frame, None)
    shown = [text.replace(" ", "") for text in words(drawn) if text.startswith("Step")]
    assert shown == [name.replace(" ", "") for name in moves]
    assert (drawn.to_dict()["height"] == 200) == upright


def test_two_bridges_share_steps_and_scale() -> None:
    gains = [("New", 9e6, "gain"), ("Adoption", 3e6, "gain")]
    company = steps(
        ("Opening ARR", 40e6, "total"), *gains, ("Churn", -1e6, "loss"), ("Closing", 51e6, "total")
    )
    both = pd.concat([BRIDGE.assign(panel="This cohort"), company.assign(panel="Whole company")])
    shown = words(retention.bridges(both, "CHF"))
    assert [t for t in shown if t in set(company["step"])] == company["step"].tolist()
    assert shown.count("+CHF 10M") == 2
    assert {"This cohort", "Whole company", "+CHF 9.00M", "CHF 51.0M (+CHF 11.0M)"} <= set(shown)


def test_the_trend_names_its_lines_bands_and_target() -> None:
    drawn = retention.trend(TREND, target=1.1)
    above, below = (set(words(panel)) for panel in drawn.vconcat)
    assert {"NRR 105.3%", "Target 110.0%", "102.0%", "strong"} <= above
    # the bands are NRR's, and so is the target: GRR is measured by what is usual of it
    assert {"GRR 90.8%", "usual: 85% to 90%"} <= below
    assert not above & below - {"90%"}
    assert "world class" not in above
    plain = words(retention.trend(TREND, bands=False))
    assert not {"strong", "usual: 85% to 90%"} & set(plain)
    assert "Good" in words(retention.trend(TREND, bands=[("Good", 0.95, 9.0)]))


def test_labels_keep_their_distance() -> None:
    for places in ([1.0, 1.0, 1.0], [3.0, 1.0, 1.1], [0.0], []):
        spread = style.spaced_out(places, 0.5)
        assert all(b - a >= 0.499 for a, b in pairwise(sorted(spread)))
        assert sorted(range(len(places)), key=lambda i: places[i]) == sorted(
            range(len(places)), key=lambda i: spread[i]
        )


@pytest.mark.parametrize("n", [1, 12])
def test_each_segment_has_its_panel(n: int) -> None:
    names = [f"Segment {i}" for i in range(n)]
    frame = pd.DataFrame(
        [(p, s, 1 + i / 100) for p in ("Q1", "Q2") for i, s in enumerate(names)],
        columns=SEGMENTS.columns,
    )
    shown = words(retention.segment_trend(frame))
    assert [t for t in shown if t.startswith("Segment")] == names
    assert [t for t in shown if "." in t] == [f"{100 + i}.0%" for i in range(n)]


def test_thirteen_segments_are_too_many() -> None:
    with pytest.raises(ValueError, match="group the smallest"):
        retention.segment_trend(
            pd.DataFrame({"period": "Q1", "segment": [str(i) for i in range(13)], "nrr": 1.0})
        )


def test_cells_hold_numbers_as_far_as_there_is_room() -> None:
    def grid(n: int) -> pd.DataFrame:
        return pd.DataFrame(
            [(f"C{i:02d}", j, 1.124, 1e6, True, 1.3) for i in range(n) for j in range(n - i)],
            columns=COHORTS.columns,
        )

    full = words(retention.cohort_heatmap(grid(16)))
    assert (full.count("112"), full.count("130")) == (16 * 17 / 2, 16)
    assert "112" not in words(retention.cohort_heatmap(grid(48)))
    shown = words(retention.cohort_heatmap(COHORTS, "month", "GBP"))
    cells = {"2025 (£500K)", "2026 (£1.00M)", "50", "100", "Now", "75"}
    assert cells | {"Months since the cohort started"} <= set(shown)


def test_an_age_that_a_part_has_reached_is_hatched() -> None:
    drawn = retention.cohort_heatmap(COHORTS)
    assert "Hatched: only the customers who have reached that age" in words(drawn)
    # the strokes of one cell, and none beyond its edges
    paths = re.findall(r'd="((?:M[-\d.,]+L[-\d.,]+)+)"', style.svg(drawn))
    assert len(paths) == 1
    assert max(abs(float(each)) for each in re.findall(r"[-\d.]+", paths[0])) <= 22
    assert not any("Hatched" in text for text in words(retention.cohort_heatmap(COHORTS[:1])))


def test_bars_print_their_numbers() -> None:
    shown = words(retention.segment_bars(BARS))
    assert {"260.0%", "−10.0%", "90.0%", "101.0%", "n/a", "NRR", "GRR", "Before"} <= set(shown)
    assert shown.count("n/a") == 2


def test_of_sixty_bars_those_are_drawn_that_can_be_read() -> None:
    many = pd.DataFrame(
        {"segment": [f"Segment {n}" for n in range(60)], "nrr": 1.1, "grr": 0.9, "nrr_before": 1.0}
    )
    chart = retention.segment_bars(many)
    shown = words(chart)
    assert {"Segment 0", "Segment 29", "The first 30 of 60; the table has all"} <= set(shown)
    assert "Segment 30" not in shown
    high = float(re.search(r'height="([\d.]+)', style.svg(chart))[1])
    assert high < 225 / 25.4 * 72 / 0.8  # on a page its 8.5 are at least 6.5 points high


def test_axes_keep_their_titles_beside_notes() -> None:
    shown = words(retention.concentration(SHARES, notes=[(0.5, 0.9, "5 largest")]))
    assert {"Share of customers, largest first", "Share of ARR", "5 largest"} <= set(shown)


def test_renewals_and_exact_decimals() -> None:
    exact = RENEWALS.assign(due=[Decimal("9000000.10"), Decimal("5000000")])
    shown = words(retention.renewals(exact, "EUR"))
    assert {"€9.00M", "€5.00M", "Renewed", "Lost", "Not yet decided"} <= set(shown)


def test_notebooks_get_svg_and_png() -> None:
    theme, renderer = alt.theme.active, alt.renderers.active
    try:
        style.enable()
        style.enable()
        drawn = retention.bridge(BRIDGE).properties(description="Opening $30.0M.")
        bundle = alt.renderers.get()(drawn.to_dict())
        assert bundle["image/svg+xml"] == style.svg(retention.bridge(BRIDGE))
        assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
        assert bundle["text/plain"] == "Opening $30.0M."
        assert drawn._repr_mimebundle_() == bundle
    finally:
        alt.theme.enable(theme)
        alt.renderers.enable(renderer)


def test_a_png_has_the_charts_colours() -> None:
    """Also of an area that one sees through: it is a pale blue or teal, and not grey."""
    Image = pytest.importorskip("PIL.Image")  # noqa: N806
    spec = {**outlook.fan(FAN[:2].assign(high=2e8)).to_dict(), **style.theme()}
    png = base64.b64decode(style._bundle(spec)["image/png"])
    colours = Image.open(io.BytesIO(png)).convert("RGBA").getcolors(100_000)
    (_, (red, _, blue, alpha)), *_ = sorted(c for c in colours if c[1][:3] != (255, 255, 255))[::-1]
    assert (alpha, blue - red > 10) == (255, True)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, part: float) -> str:
    pairs = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * part):02X}" for a, b in pairs)


def apart(*colours: str) -> float:
    """The contrast of those two that are most alike, as a grey print shows them."""
    return min(contrast(one, other) for one, other in combinations(colours, 2))


def test_colours_can_be_told_apart_on_a_grey_print() -> None:
    gain, loss, total = style.TEAL, style.BRICK, style.NAVY
    assert apart(gain, loss, total) >= 1.8
    assert apart(style.AMBER, total) >= 3  # the tick of the last report on its bar
    assert apart(style.NAVY, style.BRICK, "#FFFFFF") >= 1.8  # renewed, lost, to come
    assert apart(style.NAVY, style.HIGH, style.PALE, "#FFFFFF") >= 1.2  # median and ranges
    assert apart(*style.SERIES[:3]) >= 1.5
    assert apart(*style.SERIES) >= 1.2
    assert len({str(dash) for dash in outlook.DASHES}) == len(style.SERIES)
    for ends in ([style.LOW, style.EVEN, style.HIGH], [style.RARE, style.OFTEN]):
        mixes = [luminance(mix(a, b, i / 10)) for a, b in pairwise(ends) for i in range(11)]
        assert mixes == sorted(mixes, reverse=True)  # the darker, the more


def test_colours_can_be_told_apart() -> None:
    for text in (style.INK, style.GREY, style.NAVY, style.TEAL_TEXT):
        assert all(contrast(text, ground) >= 4.5 for ground in ("#FFFFFF", *style.SHADES))
    assert all(contrast(text, "#FFFFFF") >= 4.5 for text in style.SERIES)
    for mark in (style.NAVY, style.TEAL, style.BRICK, style.AMBER, style.RULE):
        assert contrast(mark, "#FFFFFF") >= 3
    assert contrast(style.AMBER, style.NAVY) >= 3
    for end, other in (
        (style.LOW, style.EVEN),
        (style.EVEN, style.HIGH),
        (style.RARE, style.OFTEN),
    ):
        assert all(contrast(style.INK, mix(end, other, i / 10)) >= 4.5 for i in range(11))


def test_every_public_name_is_there() -> None:
    assert all(callable(getattr(nr.charts, name)) for name in dir(nr.charts))


def test_a_grid_has_its_values_where_there_is_room_and_a_panel_for_the_target() -> None:
    names = {"x": "drivers.churn.smb.rate", "y": "drivers.price.all.uplift"}
    both, one = words(grid.heatmap(GRID, **names, target=1.05)), words(grid.heatmap(GRID, **names))
    assert {
        "110.0%",
        "50%",
        "Expected NRR",
        "Probability of 105.0% or more",
        *names.values(),
    } <= {*both}
    assert "105%" in both
    assert "100%" in one
    assert not any("Probability" in text or text == "50%" for text in one)
    fine = GRID.loc[GRID.index.repeat(20)].assign(x=[number / 20 for number in range(240)])
    assert "110.0%" not in words(grid.heatmap(fine, **names))
    assert not any("Probability" in text for text in words(grid.slope(GRID, "rate")))


def test_each_legend_has_its_own_colours() -> None:
    picture = style.svg(grid.heatmap(GRID, "x", "y", target=1.05))
    made = re.findall(r'<linearGradient id="(\w+)"', picture)
    assert len(made) == len(set(made)) == 2
    assert set(re.findall(r"url\(#(gradient\d*)\)", picture)) == set(made)


# --- names that look alike ------------------------------------------------------------------------

ALIKE = {
    "their ends differ": ["Enterprise customers of Germany", "Enterprise customers of Sweden"],
    "their middles differ": ["North America enterprise A, the new ones", "North America enterprise B, the new ones"],
    "one is the other's beginning": ["a" * 40, "a" * 41],
    "letters of two scripts": ["SMB", "ЅМВ", "SМB"],
    "letters of full width": ["SMB", "ＳＭＢ"],
    "a blank at the end": ["SMB", "SMB ", " SMB"],
    "a joiner": ["SM\u200dB", "SMB"],
    "one that looks as another is shortened": ["Enterprise customers of Germany", "Enterprise customers of Sweden", "Enterprise…f Germany"],
}  # fmt: skip


def seen(name: str) -> str:
    """What one sees of a name at a glance: twenty signs, of whatever script."""
    latin = {ord(a): b for a, b in zip("ЅМВСАЕ", "SMBCAE", strict=True)}
    plain = unicodedata.normalize("NFKC", name).translate(latin).replace("\u200d", "")
    return " ".join(plain.split())[:20]


@pytest.mark.parametrize("names", ALIKE.values(), ids=ALIKE)
def test_names_that_look_alike_are_told_apart(names):
    assert len({seen(name) for name in names}) < len(names) or "…" in names[-1]
    shown = style.told_apart([*names, "mid-market", *names])
    assert list(shown) == [*names, "mid-market"]
    assert shown["mid-market"] == "mid-market"
    assert len({seen(text) for text in shown.values()}) == len(shown)


def test_a_figure_shows_them_apart():
    names = ALIKE["their ends differ"]
    frame = pd.DataFrame({"name": names, "low": [0.9, 0.95], "high": [1.1, 1.05]})
    drawn = style.svg(outlook.tornado(frame, 1.0))
    # the tornado has room for more of a name than others have
    for text in style.told_apart(names, seen=34).values():
        assert text in drawn


@pytest.mark.parametrize(
    "kind", ["Enterprise accounts – B2{} – Sales", "Cus{}omer \u200bof one name"]
)
def test_a_name_has_the_same_number_in_every_figure(kind):
    """Figures of one report may hold the same names in other orders."""
    names = [kind.format(letter) for letter in "BC"] + ["Enterprise accounts – B2B – Sales EMEA"]
    shown = style.told_apart(names)
    assert all(style.told_apart(order) == shown for order in permutations(names))


# --- numbers that do not overlap ------------------------------------------------------------------

QUARTERS = [f"Q{1 + number % 4} {2024 + number // 4}" for number in range(11)]
RNG = np.random.default_rng(7)
NAMED = [f"Segment {number} of a long name indeed" for number in range(12)]
WORST: dict[str, Callable[[], Any]] = {
    "a bridge of all movements": lambda: retention.bridge(
        steps(
            ("Opening ARR", 40e6, "total"),
            *((name, 1e4, "gain") for name in ("New customers", "Adoption", "Cross-sell", "Price")),
            *((name, 2e5, "gain") for name in ("Expansion", "Reactivation")),
            ("Contraction", -7e6, "loss"),
            ("Churn", -21e6, "loss"),
            ("Closing ARR", 12.44e6, "total"),
        )
    ),
    "bridges in a long currency": lambda: retention.bridges(
        pd.concat([BRIDGE.assign(panel=name) for name in ("Customers of September 2025", "Whole company")]), "CHF"
    ),
    "bridges whose axes end near a number": lambda: retention.bridges(
        pd.concat([
            steps(("Opening", 8e5, "total"), ("New customers", 3.1e5, "gain"), ("Churn", -1.1e5, "loss"), ("Closing", 1e6, "total")).assign(panel=name)
            for name in ("Customers of September 2025", "Whole company")
        ]), "EUR"
    ),
    "all customers leave": lambda: retention.bridge(
        steps(("Opening", 1e6, "total"), ("Churn", -1e6, "loss"), ("Closing", 0, "total")), height=140
    ),
    "NRR of 40%": lambda: retention.trend(
        pd.DataFrame({"period": QUARTERS, "nrr": RNG.uniform(0.35, 0.5, 11), "grr": RNG.uniform(0.2, 0.35, 11)}), 1.1
    ),
    "NRR of 300%": lambda: retention.trend(
        pd.DataFrame({"period": QUARTERS, "nrr": RNG.uniform(1, 3, 11), "grr": RNG.uniform(0.8, 1, 11)}), 1.1
    ),
    "nothing changes": lambda: retention.trend(
        pd.DataFrame({"period": QUARTERS[:8], "nrr": 1.0, "grr": 1.0}), 1.0
    ),
    "sixty years": lambda: retention.trend(
        pd.DataFrame({"period": [str(year) for year in range(1960, 2020)], "nrr": 1 + RNG.normal(0, 0.1, 60), "grr": 0.9}), 1.0
    ),
    "twelve segments": lambda: retention.segment_bars(
        pd.DataFrame({"segment": NAMED, "nrr": RNG.uniform(0.4, 3, 12), "grr": 0.5, "nrr_before": 1.1}), "September 2026"
    ),
    "sixty segments": lambda: retention.segment_bars(
        pd.DataFrame({"segment": [f"Segment {n}" for n in range(60)], "nrr": 1.1, "grr": 0.9, "nrr_before": 1.0})
    ),
    "twelve panels": lambda: retention.segment_trend(
        pd.DataFrame([(each, name, 0.4) for each in QUARTERS for name in NAMED], columns=SEGMENTS.columns)
    ),
    "beliefs that all move NRR up": lambda: outlook.tornado(
        pd.DataFrame({"name": NAMED[:3], "low": [1.06, 1.07, 1.0501], "high": [1.2, 1.0701, 1.05]}), 1.05
    ),
    "lines that end together": lambda: outlook.fan(
        FAN.assign(high=1.1e8, low=9.9e7), target=1e8
    ),
    "eight peers alike": lambda: among.peers(
        pd.DataFrame([("Point to point", name, when, at, 1 + at / 1e3 + number / 1e4)
                      for number, name in enumerate(["Us", *NAMED[:8]]) for at, when in enumerate(QUARTERS)],
                     columns=PEERS.columns)
    ),
    "six scenarios alike": lambda: outlook.fan(
        pd.concat([FAN.assign(name=FAN["name"] + str(number)) for number in range(3)]), target=1e8
    ),
    "six curves alike": lambda: outlook.distributions(
        pd.concat([CURVES.assign(name=CURVES["name"] + str(number)) for number in range(3)]), 1.0, [1.0] * 6
    ),
}  # fmt: skip


def boxes(picture: str) -> dict[tuple[str, int, int], tuple[float, float, float, float]]:
    """Each text of a picture and about where it is: left, top, right and bottom."""
    found = {}

    def walk(node: Any, x: float, y: float) -> None:
        moves = re.findall(r"translate\(([-\d.]+),\s*([-\d.]+)\)", node.get("transform", ""))
        x, y = x + sum(float(a) for a, _ in moves), y + sum(float(b) for _, b in moves)
        # an axis keeps what has no room, unseen
        if node.get("opacity") == "0":
            return
        if node.tag.endswith("}text") and "rotate" not in node.get("transform", ""):
            lines = ["".join(line.itertext()) for line in node] or ["".join(node.itertext())]
            size = float(re.sub("[^0-9.]", "", node.get("font-size", "9")))
            wide = 0.54 * size * max(map(len, lines))
            left = x - wide * {"middle": 0.5, "end": 1.0}.get(node.get("text-anchor", ""), 0.0)
            low = y + 0.15 * size + (len(lines) - 1) * (size + 2)
            place = (left, y - 0.65 * size, left + wide, low)
            found[" ".join(lines), round(x), round(y)] = place
            return
        for child in node:
            walk(child, x, y)

    walk(ElementTree.fromstring(picture), 0.0, 0.0)
    return {text: place for text, place in found.items() if text[0].strip()}


def drawn_of(draw: Draw, frame: pd.DataFrame, options: Any) -> Callable[[], Any]:
    return lambda: draw(frame, **options)


@pytest.mark.parametrize(
    "name", [*WORST, *(f"{n} {draw.__name__}" for n, (draw, *_) in enumerate(ALL))]
)
def test_no_text_covers_another(name: str) -> None:
    drawn = WORST[name]() if name in WORST else drawn_of(*ALL[int(name.split()[0])])()
    covered = [
        (one[0], other[0])
        for (one, a), (other, b) in combinations(boxes(style.svg(drawn)).items(), 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1
    ]
    assert not covered
