"""The house's number formats, and texts that no later program may evaluate."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pypandoc
import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st

from nrrsim import notation

HOSTILE = [
    "<script>alert(1)</script>",
    "*a*_b_$c$@d",
    "`x` ~~y~~ ^z^ [l](http://e.com) ![i](p)",
    "{{< pagebreak >}} ::: {.x} #panic(1) \\",
    "a \"quoted\" 'name' & co -- ... http://x.org",
    "- 1. > # |",
    "日本語株式会社",
    '"#panic()"',
    "\\u{41}",
]


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0, "$0"), (-0.0, "$0"), (-0.3, "$0"), (982, "$982"), (999.4, "$999"), (999.5, "$1.00K"),
        (1_000, "$1.00K"), (9_994, "$9.99K"), (9_995, "$10.0K"), (12_345, "$12.3K"), (99_949, "$99.9K"),
        (99_950, "$100K"), (999_499, "$999K"), (999_500, "$1.00M"), (1_234_567, "$1.23M"), (45_100_000, "$45.1M"),
        (123_400_000, "$123M"), (1.2e9, "$1.20B"), (3.456e12, "$3.46T"), (1.5e15, "$1,500T"),
        (-1_200_000, "−$1.20M"), (1.005e6, "$1.01M"), (1.025e6, "$1.03M"), (None, "n/a"), (float("nan"), "n/a"),
        (float("inf"), "n/a"), (pd.NA, "n/a"), (Decimal("1234567.89"), "$1.23M"), (np.float64(12.5), "$13"),
    ],
)  # fmt: skip
def test_money_has_three_significant_digits(x: Any, text: str) -> None:
    assert notation.money(x, "USD") == text
    assert notation.money(x, "") == text.replace("$", "")


def test_money_in_other_currencies() -> None:
    assert [notation.money(-1.2e6, c) for c in ("EUR", "GBP", "JPY", "CHF", "sek")] == [
        "−€1.20M", "−£1.20M", "−¥1.20M", "−CHF 1.20M", "−SEK 1.20M"]  # fmt: skip
    assert notation.signed_money(1.2e6, "CHF") == "+CHF 1.20M"
    assert notation.signed_money(1.2e6, "") == "+1.20M"


@pytest.mark.parametrize(
    ("currency", "digits", "text", "unit"),
    [  # ISO 4217 of 2024, its column of minor units
        ("USD", 2, "$1,234.57", "cent"),
        ("EUR", 2, "€1,234.57", "cent"),
        ("CHF", 2, "CHF 1,234.57", "minor unit"),
        ("GBP", 2, "£1,234.57", "penny"),
        ("JPY", 0, "¥1,235", "yen"),
        ("krw", 0, "KRW 1,235", "minor unit"),
        ("KWD", 3, "KWD 1,234.568", "minor unit"),
        ("", 2, "1,234.57", "minor unit"),
    ],
)
def test_an_exact_amount_has_its_currency_s_decimals(currency, digits, text, unit) -> None:
    assert notation.digits_of(currency) == digits
    assert notation.money_exact(1234.5678, currency) == text
    assert notation.money_exact(1200, currency) == notation.currency_sign(currency) + "1,200"
    assert notation.minor_unit(currency) == unit


def test_signed_and_exact_money() -> None:
    assert [notation.signed_money(x, "USD") for x in (1_230_000, -45_100, 0, -0.4, None)] == [
        "+$1.23M", "−$45.1K", "$0", "$0", "n/a"]  # fmt: skip
    exact = (
        1234567.89,
        1234567,
        Decimal("1234567.80"),
        -1200,
        0.005,
        -0.004,
        Decimal("99999999999999999999.99"),
    )
    shown = ("$1,234,567.89", "$1,234,567", "$1,234,567.80", "−$1,200", "$0.01", "$0")
    assert [notation.money_exact(x, "USD") for x in exact] == [
        *shown,
        "$99,999,999,999,999,999,999.99",
    ]


def test_ratios() -> None:
    assert [notation.percent(x) for x in (1.053, 1.0535, 1.0525, 0, -0.0004, -0.25, 12.345, None)] == [
        "105.3%", "105.4%", "105.3%", "0.0%", "0.0%", "−25.0%", "1,234.5%", "n/a"]  # fmt: skip
    assert [notation.points(x) for x in (0.021, -0.004, 0, -0.0, -0.0004, 0.0005, -0.0005, float("nan"))] == [
        "+2.1 pts", "−0.4 pts", "0.0 pts", "0.0 pts", "0.0 pts", "+0.1 pts", "−0.1 pts", "n/a"]  # fmt: skip
    assert [notation.share(x) for x in (0, 0.004, 0.31, 0.125, 0.995, 1, -0.2, None)] == [
        "0%", "<1%", "31%", "13%", ">99%", "100%", "−20%", "n/a"]  # fmt: skip


def test_counts_and_months() -> None:
    assert [notation.count(x) for x in (1234, 0, -5, 2.5, 1e6, None)] == [
        "1,234",
        "0",
        "−5",
        "3",
        "1,000,000",
        "n/a",
    ]
    assert notation.month_name("2026-09") == "September 2026"
    assert [notation.quarter_name(m) for m in ("2026-09", "2026-08", "2025-12", pd.Period("2026-03", "M"), pd.NaT)] == [
        "Q3 2026", "Aug 2026", "Q4 2025", "Q1 2026", "n/a"]  # fmt: skip
    with pytest.raises(ValueError, match="YYYY-MM"):
        notation.month_name("2026-13")


@pytest.mark.parametrize(
    "number",
    [
        partial(notation.money, currency="USD"),
        partial(notation.money_exact, currency="USD"),
        partial(notation.signed_money, currency="USD"),
        notation.percent,
        notation.points,
        notation.share,
        notation.count,
    ],
)
def test_a_text_is_not_a_number(number: Callable[[Any], str]) -> None:
    with pytest.raises(ValueError, match="not a number"):
        number("many")


@settings(max_examples=50)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_signs_mirror_and_zero_has_none(x: float) -> None:
    for number in (
        partial(notation.money, currency="USD"),
        partial(notation.money_exact, currency="USD"),
        notation.percent,
        notation.points,
        notation.count,
    ):
        up, down = number(abs(x)), number(-abs(x))
        assert down.lstrip("−") == up.lstrip("+")
        assert ("−" in down) == any(c in "123456789" for c in down)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_itself(text: str) -> None:
    plain = pypandoc.convert_text(
        notation.escape_markdown(text), "plain", "markdown", extra_args=["--wrap=none"]
    )
    assert plain.strip() == text


def test_one_line_whatever_comes() -> None:
    text = "a\nb\r\nc\td\u2028e\u202ef\x00\ud800"
    assert notation.escape_markdown(text) == "a b c d e f \\?"
    assert notation.typst_string(text) == '"a b c d e f \\u{3f}"'
    assert not notation.escape_markdown("     code").startswith("  ")


def test_typst_strings_hold_nothing_to_evaluate() -> None:
    assert notation.typst_string("+$1.2M (a/b)") == '"+\\u{24}1.2M (a/b)"'
    for text in HOSTILE:
        assert not set(
            notation.typst_string(text)[1:-1].replace("\\u{", "").replace("}", "")
        ) & set("\"\\<>$#@`*_[]{'")
    checks = "\n".join(
        f"#assert.eq({notation.typst_string(t)}.codepoints().map(str.to-unicode), ({', '.join(str(ord(c)) for c in t)},))"
        for t in HOSTILE
    )
    assert typst.compile(checks.encode(), format="pdf")


def test_every_public_name_is_there() -> None:
    assert all(callable(getattr(notation, name)) for name in notation.__all__)


@pytest.mark.parametrize(
    ("name", "printed"),
    [("smb", "SMB"), ("mid_market", "Mid-market"), ("enterprise", "Enterprise"),
     ("emea_smb", "EMEA SMB"), ("usage_limits", "Usage limits"), ("Mid Market", "Mid Market"),
     ("eCommerce", "eCommerce"), ("key accounts", "key accounts"), ("tier_1", "Tier 1"),
     ("2024", "2024"), ("", ""), ("über", "über")],
)  # fmt: skip
def test_an_identifier_prints_as_a_name_and_a_name_as_it_is(name: str, printed: str) -> None:
    assert notation.label(name) == printed
    assert notation.label(name, {name: "Own_name"}) == "Own_name"
