"""A figure's own numbers in, a chart that PowerPoint draws out; never computes a metric.

Each has its data sheet behind it: what is drawn first, then the frame that the report's own picture
is drawn from, number for number. What is drawn there alone (a waterfall's level below a step, the
width of a range) says so in its heading. What PowerPoint cannot draw has no function here.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10
from typing import Any

from nrrsim.notation import currency_sign, percent
from nrrsim.report.pages.package import packed
from nrrsim.report.wording.columns import charted

NAVY, TEAL, AMBER, BRICK, INK, GREY, PALE = (
    "12355B", "2E8090", "B7791F", "A63D2F", "1F2A37", "44546A", "C4CFD9",
)  # fmt: skip
FONT, SMALL, LARGE = "+mn-lt", 11, 12  # the deck's own font for text; points
SLIVER = 0.04  # of the largest level: shorter steps are not seen beside a whole bar
PERCENT, WHOLE = "0.0%", "0%"
MOST_LABELLED = 12  # points of a line
MOST_SEGMENTS_LABELLED = 6  # with a label at each of their bars
# The plot's place in the chart, so that a label finds its bar: left, top, width, height.
PLOT = (0.075, 0.05, 0.915, 0.79)
NOT_DRAWN = "not drawn"


@dataclass(frozen=True)
class Series:
    """What is drawn of one colour: a value (or None) for each category."""

    name: str
    values: Sequence[float | None]
    colour: str | None  # None: it holds up what stands on it, and is not seen
    form: str = PERCENT
    shape: str = "bar"  # or area, line, mark
    dashed: bool = False
    symbol: str = ""
    labels: str = ""  # where each value is written: above, below, end, or on its bar; "" nowhere
    at: Sequence[float | None] = ()  # the top of what each label stands above, on the axis

    @property
    def is_seen(self) -> bool:
        return self.colour is not None


@dataclass(frozen=True)
class Plot:
    """A chart, ready to be drawn: its categories, what is drawn of them, and its axis."""

    categories: Sequence[str]
    series: Sequence[Series]
    low: float
    high: float
    step: float
    form: str = WHOLE  # of the axis
    lies: bool = False  # bars, the first category on top
    legend: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


# --- what is drawn of which figure ---------------------------------------------------------------


def trend(numbers: Mapping[str, Any]) -> Plot:
    """NRR and GRR by period, and the target."""
    data = _columns(numbers)
    target = numbers.get("said", {}).get("target")
    few = len(data["period"]) <= MOST_LABELLED
    lines = [
        Series("NRR", data["nrr"], NAVY, shape="line", symbol="circle", labels="above" * few),
        Series("GRR", data["grr"], TEAL, shape="line", symbol="diamond", labels="below" * few),
    ]
    if target is not None:
        lines.append(_target(target, len(data["period"]), GREY))
    return Plot(data["period"], lines, *_cut([v for each in lines for v in each.values]))


def fan(numbers: Mapping[str, Any]) -> Plot | None:
    """Reported, forecast and its range, a stacked area; None of several forecasts' ranges."""
    data = _columns(numbers)
    names, periods = [*dict.fromkeys(data["name"])], [*dict.fromkeys(data["period"])]
    with_range = {n for n, low in zip(data["name"], data["low"], strict=True) if low is not None}
    if len(with_range) != 1 or numbers.get("currency") is not None:
        return None
    rows = list(
        zip(*(data[name] for name in ("name", "period", "middle", "low", "high")), strict=True)
    )
    middle = {(name, period): value for name, period, value, *_ in rows}
    ranges = {period: (low, high) for name, period, _, low, high in rows if name in with_range}
    # before the forecast the range has no width: else its area would rise from the axis
    either = {period: value for _, period, value, *_ in rows}
    low = [ranges.get(period, (either[period],))[0] for period in periods]
    width = [ranges[p][1] - ranges[p][0] if p in ranges else 0.0 for p in periods]
    drawn_range = next(iter(with_range)).partition(", ")[2]  # of "Forecast, 90% range"
    drawn = [
        Series(f"Low end of range ({NOT_DRAWN})", low, None, shape="area"),
        Series(drawn_range or "Range", width, PALE, shape="area"),
    ]
    for name, colour in zip(names, (GREY, NAVY), strict=False):
        values = [middle.get((name, period)) for period in periods]
        told = "above" if name in with_range else ""
        first = name.split(",")[0]
        drawn.append(Series(first, values, colour, shape="line", symbol="circle", labels=told))
    target = numbers.get("said", {}).get("target")
    if target is not None:
        drawn.append(_target(target, len(periods), BRICK))
    known = [*data["middle"], *data["low"], *data["high"], target]
    return Plot(periods, drawn, *_cut(known))


def _target(ratio: float, periods: int, colour: str) -> Series:
    return Series(f"Target {percent(ratio)}", [ratio] * periods, colour, shape="line", dashed=True)


def segment_bars(numbers: Mapping[str, Any]) -> Plot:
    """NRR, that of the last report, and GRR of each segment, bars from nought.

    Of many segments NRR alone is labelled: labels of all bars would stand on each other.
    """
    data = _columns(numbers)
    before = numbers.get("said", {}).get("before") or "last report"
    beside = "end" if len(data["segment"]) <= MOST_SEGMENTS_LABELLED else ""
    bars = [
        Series("NRR", data["nrr"], NAVY, labels="end"),
        Series(f"NRR, {before}", data["nrr_before"], PALE, labels=beside),
        Series("GRR", data["grr"], TEAL, labels=beside),
    ]
    bars = [each for each in bars if any(value is not None for value in each.values)]
    known = [v for each in bars for v in each.values if v is not None] or [1.0]
    # a flow GRR may be negative, and its bar has to be seen
    least = 0.0 if min(known) >= 0 else floor(min(known) * 10 - 0.8) / 10
    most = ceil(max(max(known), 0.0) * 10 + 0.8) / 10
    step = 0.2 if most - least < 3 else _nice([least, most])[2]
    return Plot(data["segment"], bars, least, most, step, lies=True)


def bridge(numbers: Mapping[str, Any]) -> Plot:
    """A waterfall of stacked columns: totals from nought, or marks at their level where the steps
    would be slivers beside them; of ratios all is in points.
    """
    data, currency = _columns(numbers), numbers.get("currency")
    unit = 1.0 if currency is not None else 100.0
    amount, start, end = ([unit * v for v in data[name]] for name in ("amount", "start", "end"))
    kinds, total = data["kind"], [kind == "total" for kind in data["kind"]]
    level = [e if t else None for e, t in zip(end, total, strict=True)]
    tops = [max(s, e) for s, e in zip(start, end, strict=True)]
    most = max([abs(a) for a, t in zip(amount, total, strict=True) if not t], default=0.0)
    is_cut = currency is None or most < SLIVER * max(tops) or min(*start, *end, 0.0) < 0

    below = [None if t else min(s, e) for s, e, t in zip(start, end, total, strict=True)]
    rise = [a if k != "total" and a > 0 else None for a, k in zip(amount, kinds, strict=True)]
    fall = [-a if k != "total" and a < 0 else None for a, k in zip(amount, kinds, strict=True)]
    forms = [_money_form(currency, max(tops), sign) for sign in ("", "+", "\u2212")]
    if currency is None:
        forms = ['0.0"%"', '"+"0.0" pts"', '"\u2212"0.0" pts"']
    in_points = " (points)" if currency is None else ""
    drawn = [
        Series(f"Level below ({NOT_DRAWN})", below, None, forms[0]),
        Series(f"Increase{in_points}", rise, TEAL, forms[1], labels="on", at=tops),
        Series(f"Decrease{in_points}", fall, BRICK, forms[2], labels="on", at=tops),
    ]
    how = {"shape": "mark", "labels": "above"} if is_cut else {"labels": "on", "at": tops}
    drawn.append(Series("Level", level, NAVY, forms[0], **how))
    levels = [s for s, t in zip(start, total, strict=True) if not t]
    axis = _nice([*levels, *end] if is_cut else [0.0, *tops])
    if not is_cut:
        axis = (0.0, *axis[1:])
    drawn = [each for each in drawn if any(v is not None for v in each.values)]
    form = _money_form(currency, max(tops), "", whole=True) if currency is not None else '0"%"'
    if currency is None and axis[2] < 1:
        form = forms[0]
    return Plot(data["step"], drawn, *axis, form=form, legend=False)


DRAWN: Mapping[str, Callable[[Mapping[str, Any]], Plot | None]] = {
    "trend": trend,
    "fan": fan,
    "segment_bars": segment_bars,
    "bridge": bridge,
}


def plot_of(numbers: Mapping[str, Any] | None) -> Plot | None:
    """How a figure is drawn by PowerPoint; None where it stays a picture.

    numbers : what the figure left beside it in the notebook (`tables.FIGURE`).
    """
    if not numbers or numbers.get("chart") not in DRAWN or not numbers["rows"]:
        return None
    return DRAWN[numbers["chart"]](numbers)


def _columns(numbers: Mapping[str, Any]) -> dict[str, list[Any]]:
    columns = zip(*numbers["rows"], strict=True)
    return dict(zip(numbers["columns"], map(list, columns), strict=True))


def _cut(values: Sequence[float | None]) -> tuple[float, float, float]:
    """An axis of ratios, in steps of five points, with air for labels."""
    known = [value for value in values if value is not None] or [1.0]
    step = 0.05 if max(known) - min(known) < 0.5 else 0.2
    low, high = floor(min(known) / step - 0.4), ceil(max(known) / step + 0.4)
    return low * step, high * step, step


def _nice(values: Sequence[float]) -> tuple[float, float, float]:
    """The ends and the step of an axis, in round numbers, with air for labels."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    rough = 10.0 ** floor(log10(span / 4))
    step = next(rough * each for each in (1, 2, 5, 10) if rough * each * 5 >= span)
    return floor((low - 0.08 * span) / step) * step, ceil((high + 0.1 * span) / step) * step, step


def _money_form(currency: str | None, most: float, sign: str, *, whole: bool = False) -> str:
    """Three significant digits in the unit of the largest: $39.2M, as a spreadsheet's format."""
    if currency is None:
        return PERCENT
    unit, commas, one = next(
        each for each in (("B", ",,,", 1e9), ("M", ",,", 1e6), ("K", ",", 1e3), ("", "", 1.0))
        if most >= each[2] or each[2] == 1.0
    )  # fmt: skip
    begin = f'"{sign}{currency_sign(currency)}"'
    end = f'{commas}"{unit}"' if unit else ""
    if whole or not unit:
        return f"{begin}#,##0{end}"
    return f"[>={100 * one:.0f}]{begin}0{end};[>={10 * one:.0f}]{begin}0.0{end};{begin}0.00{end}"


# --- the chart in its slide ----------------------------------------------------------------------


def add_chart(
    shapes: Any, plot: Plot, numbers: Mapping[str, Any], box: Sequence[int], timestamp: int
) -> Any:
    """Draw a plot into `box` (left, top, width, height in EMU); returns its graphic frame."""
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE, XL_LEGEND_POSITION
    from pptx.util import Pt

    shapes_of = {each.shape for each in plot.series}
    bars = XL_CHART_TYPE.BAR_CLUSTERED if plot.lies else XL_CHART_TYPE.COLUMN_STACKED
    make: Any = CategoryChartData  # which says nothing of its types
    data = make(number_format=PERCENT)
    data.categories = [*plot.categories]
    for each in plot.series:
        data.add_series(each.name, [*each.values], number_format=each.form)
    frame = shapes.add_chart(bars if "bar" in shapes_of else XL_CHART_TYPE.LINE, *box, data)
    chart = frame.chart
    chart.font.size, chart.font.name = Pt(LARGE), FONT
    _axes(chart, plot)
    for drawn, each in zip(list(chart.plots[0].series), plot.series, strict=True):
        _look(drawn._element, each)
        _label(drawn._element, each, plot)
    _split(chart._chartSpace, plot)

    chart.has_title = False
    chart.has_legend = plot.legend and sum(each.is_seen for each in plot.series) > 1
    if chart.has_legend:
        chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.TOP, False
        chart.legend.font.size = Pt(LARGE)
        _unlisted(chart.legend._element, plot)
    sheet = packed(data_sheet(plot, numbers), timestamp)
    chart.part.chart_workbook.update_from_xlsx_blob(sheet)
    return frame


def _axes(chart: Any, plot: Plot) -> None:
    from pptx.dml.color import RGBColor
    from pptx.enum.chart import XL_TICK_LABEL_POSITION, XL_TICK_MARK
    from pptx.util import Pt

    rgb: Any = RGBColor  # which says nothing of its types
    value, category = chart.value_axis, chart.category_axis
    value.minimum_scale, value.maximum_scale, value.major_unit = plot.low, plot.high, plot.step
    value.has_major_gridlines = True
    value.major_gridlines.format.line.color.rgb = rgb.from_string("E3E8EE")
    value.tick_labels.number_format, value.tick_labels.number_format_is_linked = plot.form, False
    value.format.line.fill.background()
    category.format.line.color.rgb = rgb.from_string("7F8A97")
    category.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    for axis in (value, category):
        axis.major_tick_mark = axis.minor_tick_mark = XL_TICK_MARK.NONE
        axis.tick_labels.font.size = Pt(SMALL)
        axis.tick_labels.font.color.rgb = rgb.from_string(GREY)
    bars = [each for each in plot.series if each.shape == "bar"]
    if bars:
        chart.plots[0].gap_width = 60 if plot.lies else 45
        chart.plots[0].overlap = -5 if plot.lies else 100
    if plot.lies:
        category.reverse_order = True
        value.tick_label_position = XL_TICK_LABEL_POSITION.HIGH
    elif not plot.legend:
        _fixed(chart._chartSpace)


def _fixed(space: Any) -> None:
    """Say where the plot lies in its chart."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    area = space.chart.plotArea
    for layout in area.findall("{*}layout"):
        area.remove(layout)
    place = "".join(f'<c:{n} val="{v}"/>' for n, v in zip("xywh", PLOT, strict=True))
    area.insert(
        0,
        parse_xml(
            f'<c:layout {nsdecls("c")}><c:manualLayout><c:layoutTarget val="inner"/>'
            f'<c:xMode val="edge"/><c:yMode val="edge"/>{place}</c:manualLayout></c:layout>'
        ),
    )


def _look(ser: Any, each: Series) -> None:
    """The colour and the shape of a series: how an element of the chart's own is to look."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    for old in [*ser.findall("{*}spPr"), *ser.findall("{*}marker"), *ser.findall("{*}smooth")]:
        ser.remove(old)
    fill = f'<a:solidFill><a:srgbClr val="{each.colour}"/></a:solidFill>'
    nothing, is_line = "<a:noFill/>", each.shape in ("line", "mark")
    dash = '<a:prstDash val="dash"/>' if each.dashed else ""
    stroke = f'<a:ln w="28575" cap="rnd">{fill}{dash}<a:round/></a:ln>'
    if each.shape == "mark" or not each.is_seen or not is_line:
        stroke = f"<a:ln>{nothing}</a:ln>"
    inside = "" if is_line else fill if each.is_seen else nothing
    parts = [f"<c:spPr {nsdecls('c', 'a')}>{inside}{stroke}</c:spPr>"]
    if is_line:
        symbol = "dash" if each.shape == "mark" else each.symbol or "none"
        size = 28 if each.shape == "mark" else 7
        own = f'<c:size val="{size}"/><c:spPr>{fill}<a:ln>{nothing}</a:ln></c:spPr>'
        parts.append(
            f'<c:marker {nsdecls("c", "a")}><c:symbol val="{symbol}"/>'
            f"{own if symbol != 'none' else ''}</c:marker>"
        )
    place = ser.index(ser.find("{*}tx")) + 1
    for part in reversed(parts):
        ser.insert(place, parse_xml(part))
    for old in ser.findall("{*}invertIfNegative"):
        ser.remove(old)
    if each.shape == "bar":
        after = ser.index(ser.find("{*}spPr")) + 1
        ser.insert(after, parse_xml(f'<c:invertIfNegative {nsdecls("c")} val="0"/>'))
    if is_line:
        ser.append(parse_xml(f'<c:smooth {nsdecls("c")} val="0"/>'))


SHOWN = "".join(
    f'<c:{name} val="{int(name == "showVal")}"/>'
    for name in ("showLegendKey", "showVal", "showCatName", "showSerName", "showPercent",
                 "showBubbleSize")
)  # fmt: skip
# a label that was moved has no line to where it was
LED = (
    '<c:extLst><c:ext uri="{CE6537A1-D6FC-4f65-9D91-7224C49458BB}" '
    'xmlns:c15="http://schemas.microsoft.com/office/drawing/2012/chart">'
    '<c15:showLeaderLines val="0"/></c:ext></c:extLst>'
)
PLACES = {"above": "t", "below": "b", "end": "outEnd"}


def _label(ser: Any, each: Series, plot: Plot) -> None:
    """Write each value beside its point, as a number that follows the data."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    for old in ser.findall("{*}dLbls"):
        ser.remove(old)
    if not each.labels:
        return
    colour = INK if each.labels in ("on", "end") or each.shape == "mark" else each.colour
    weight = ' b="1"' if each.labels == "on" or each.shape == "mark" else ""
    text = (
        f'<c:txPr><a:bodyPr/><a:lstStyle/><a:p><a:pPr><a:defRPr sz="{SMALL * 100}"{weight}>'
        f'<a:solidFill><a:srgbClr val="{colour}"/></a:solidFill></a:defRPr></a:pPr>'
        '<a:endParaRPr lang="en-US"/></a:p></c:txPr>'
    )
    form = each.form.replace("&", "&amp;").replace(">", "&gt;").replace('"', "&quot;")
    look = (
        f'<c:numFmt formatCode="{form}" sourceLinked="0"/><c:spPr><a:noFill/><a:ln><a:noFill/>'
        f"</a:ln></c:spPr>{text}"
    )
    one = ""
    if each.labels == "on":
        # from the middle of its bar to above it: a stacked bar has no other place to offer
        scale = PLOT[3] / (plot.high - plot.low)
        for place, (value, top) in enumerate(zip(each.values, each.at, strict=True)):
            if value is not None and top is not None:
                seen = value if plot.low == 0 or value < top - plot.low else top - plot.low
                up = -(seen / 2 * scale + 0.035)
                one += (
                    f'<c:dLbl><c:idx val="{place}"/><c:layout><c:manualLayout><c:x val="0"/>'
                    f'<c:y val="{up:.5f}"/></c:manualLayout></c:layout>{look}{SHOWN}</c:dLbl>'
                )
    spot = PLACES.get(each.labels)
    where = f'<c:dLblPos val="{spot}"/>' if spot else ""
    labels = parse_xml(f"<c:dLbls {nsdecls('c', 'a')}>{one}{look}{where}{SHOWN}{LED}</c:dLbls>")
    ser.insert(ser.index(ser.find("{*}cat")), labels)


def _split(space: Any, plot: Plot) -> None:
    """Give areas, columns and lines of one chart a part of the plot each, in that order."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    area = space.chart.plotArea
    first = next(each for each in area if each.tag.endswith(("barChart", "lineChart")))
    axes = "".join(f'<c:axId val="{axis.get("val")}"/>' for axis in first.findall("{*}axId"))
    sers = first.findall("{*}ser")
    kinds = {"area": [], "line": []}  # type: dict[str, list[Any]]
    for ser, each in zip(sers, plot.series, strict=True):
        kind = "line" if each.shape == "mark" else each.shape
        if kind in kinds and not (kind == "line" and first.tag.endswith("lineChart")):
            kinds[kind].append(ser)
            first.remove(ser)
    place = area.index(first)
    if kinds["area"]:
        chart = parse_xml(
            f'<c:areaChart {nsdecls("c")}><c:grouping val="stacked"/><c:varyColors val="0"/>{axes}'
            "</c:areaChart>"
        )
        for ser in kinds["area"]:
            chart.insert(chart.index(chart.find("{*}axId")), ser)
        area.insert(place, chart)
    if kinds["line"]:
        chart = parse_xml(
            f'<c:lineChart {nsdecls("c")}><c:grouping val="standard"/><c:varyColors val="0"/>'
            f'<c:marker val="1"/>{axes}</c:lineChart>'
        )
        for ser in kinds["line"]:
            chart.insert(chart.index(chart.find("{*}marker")), ser)
        area.insert(place + 1, chart)


def _unlisted(legend: Any, plot: Plot) -> None:
    """Keep out of the legend what is not seen."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    place = legend.index(legend.find("{*}legendPos")) + 1
    for number, each in reversed([*enumerate(plot.series)]):
        if not each.is_seen:
            gone = f'<c:idx val="{number}"/><c:delete val="1"/>'
            entry = f"<c:legendEntry {nsdecls('c')}>{gone}</c:legendEntry>"
            legend.insert(place, parse_xml(entry))


# --- the sheet behind it -------------------------------------------------------------------------


def data_sheet(plot: Plot, numbers: Mapping[str, Any]) -> bytes:
    """The workbook behind a chart: what is drawn, and right of it the figure's own frame."""
    from openpyxl import Workbook  # type: ignore[import-untyped,unused-ignore]

    book = Workbook()
    sheet = book.active
    sheet.title = "Sheet1"  # as the chart names it
    drawn: list[tuple[str, Sequence[Any], str]] = [("", plot.categories, "")]
    drawn += [(each.name, each.values, each.form) for each in plot.series]
    for column, (head, values, form) in enumerate(drawn, start=1):
        _fill(sheet, column, head, values, form)
    data = _columns(numbers)
    known = charted(numbers["chart"], data, numbers.get("currency"))
    for column, (name, (head, kind)) in enumerate(known.items(), start=len(drawn) + 2):
        form = PERCENT if kind == "percent" else "#,##0.00" if kind == "money" else ""
        _fill(sheet, column, head, data[name], form)
    out = io.BytesIO()
    book.save(out)
    return _exact(out.getvalue(), sheet)


def _exact(book: bytes, sheet: Any) -> bytes:
    """A workbook with each number in as many digits as tell it from every other."""

    def exact(found: re.Match[bytes]) -> bytes:
        value = sheet[found[2].decode()].value
        return found[1] + repr(value).encode() + found[3] if isinstance(value, float) else found[0]

    out, number = io.BytesIO(), re.compile(rb'(<c r="([A-Z]+\d+)"[^>]*><v>)[^<]*(</v>)')
    with zipfile.ZipFile(io.BytesIO(book)) as there, zipfile.ZipFile(out, "w") as made:
        for part in there.namelist():
            content = there.read(part)
            is_sheet = part == "xl/worksheets/sheet1.xml"
            made.writestr(part, number.sub(exact, content) if is_sheet else content)
    return out.getvalue()


def _fill(sheet: Any, column: int, head: str, values: Sequence[Any], form: str) -> None:
    for row, value in enumerate([head, *values], start=1):
        if value is None or value == "":
            continue
        cell = sheet.cell(row, column, value)
        if isinstance(value, str):
            cell.data_type = "s"  # no name is a formula
        elif form:
            cell.number_format = form
