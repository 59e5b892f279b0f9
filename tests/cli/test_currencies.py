"""A book in euros, one in yen and one that states no currency, through every output."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pypdfium2
import pytest
from python_calamine import CalamineWorkbook

import nrrsim as nr
from nrrsim.analysis.paired import common_currency, comparable
from nrrsim.ledger.vocabulary import currency_code
from nrrsim.report.run import run_card
from nrrsim.whatif.live import WhatIf

# An amount in short form or to the last digit, and what stands before it.
AMOUNT = r"(?<![\w.,]){sign}\d[\d,.]*[KMB]?"
UNSTATED = "no currency is stated: amounts are printed without a sign"
PLAN = """\
extends: learnt.yaml
title: Plan
because: fewer leave
drivers: {churn: {smb: {rate: 5%, source: test}}}
programmes: {onboarding: {adoption: 20%, cost: 1000}}
"""


@dataclass
class Book:
    """A folder with a ledger, what it teaches and a plan, in a currency or in none."""

    home: Path
    currency: str
    sign: str

    @property
    def learnt(self) -> Path:
        return self.home / "learnt.yaml"

    def check(self, text: str) -> None:
        """Every amount of this text is in this currency, and in no other."""
        assert "$" not in text
        assert "USD" not in text
        assert self.sign in text
        others = {"EUR": "€", "JPY": "¥"}
        others.pop(self.currency, None)
        assert not [each for pair in others.items() for each in pair if each in text]
        # a yen has no hundredths
        assert not re.search(r"¥[\d,]+\.\d+(?![\dKMBT])", text)


EURO, YEN, NONE = ("EUR", "€"), ("JPY", "¥"), ("", "")


@pytest.fixture(scope="module", params=[EURO, YEN, NONE])
def book(request, tmp_path_factory) -> Book:
    currency, sign = request.param
    home = tmp_path_factory.mktemp(currency or "none")
    more = f",{currency}" if currency else ""
    rows = ["customer,month,mrr,segment" + (",currency" if currency else "")]
    for number in range(24):
        for month in range(36 if number % 5 else 20):
            amount = 1000 + 100 * number + 50 * (month // 12) * (number % 3)
            year, of_year = divmod(month, 12)
            segment = "smb" if number % 2 else "mid_market"
            rows.append(f"C{number:02},{2022 + year}-{of_year + 1:02},{amount},{segment}{more}")
    (home / "ledger.csv").write_text("\n".join(rows) + "\n")
    ledger = nr.read_ledger(home / "ledger.csv")
    assert ledger.currency == currency
    nr.calibrate(ledger, "2024-12", file="ledger.csv").write(home / "learnt.yaml")
    (home / "plan.yaml").write_text(PLAN)
    return Book(home, currency, sign)


def test_calibrate_writes_the_currency_into_the_book(book):
    learnt = nr.read_scenario(book.learnt)
    assert learnt.plain()["book"].get("currency", "") == book.currency
    assert learnt.opening.currency == learnt.customers().currency == book.currency


@pytest.mark.parametrize(
    ("words", "amounts"),
    [
        (("check", "ledger.csv"), 2),
        (("metrics", "ledger.csv"), 6),
        (("calibrate", "ledger.csv"), 0),
        (("expect", "learnt.yaml"), 6),
        (("simulate", "learnt.yaml", "--trials", "100"), 1),
        (("compare", "learnt.yaml", "plan.yaml", "--trials", "100"), 2),
        (("frontier", "learnt.yaml", "--target", "105%"), 0),
        (("sweep", "learnt.yaml", "--vary", "drivers.churn.smb.rate=5%:10%:2", "--exact"), 0),
    ],
)
def test_commands(run, book, words, amounts, monkeypatch):
    monkeypatch.chdir(book.home)
    more = ("--out", "grid.parquet") if words[0] == "sweep" else ()
    code, out, err = run(*words, *more)
    assert code == 0, err
    book.check(out if amounts else out + book.sign)
    signed = re.findall(AMOUNT.format(sign=book.sign), out)
    assert len(signed) >= amounts
    if amounts and words[0] != "check":
        assert (UNSTATED in out) is (not book.currency)
    if words[0] not in ("frontier", "sweep"):
        told = json.loads(run(*words, "--json")[1])
        assert told["currency"] == (book.currency or None)


@pytest.mark.parametrize(("currency", "opening"), [("KWD", 12.012), ("EUR", 12.01), ("JPY", 12.0)])
def test_json_tells_an_amount_to_the_minor_unit(run, write, currency, opening):
    ledger = write(
        f"customer,month,mrr,currency\nA,2025-01,1.001,{currency}\nA,2026-01,2.002,{currency}\n"
    )
    told = json.loads(run("metrics", ledger, "--decimal", ".", "--json")[1])
    assert (told["currency"], told["opening"]) == (currency, opening)
    assert told["segments"]["all"]["opening"] == opening


def test_the_panel(book):
    model = WhatIf(book.learnt)
    assert sorted(model.presets) == ["learnt", "plan"]
    answer = model.answer(model.start_moves("plan", "learnt"))
    book.check(json.dumps([answer["figures"], answer["said"]], ensure_ascii=False))
    assert model.currency == book.currency


def test_a_panel_has_one_currency(book):
    other = "USD" if book.currency else "EUR"
    stated = {"title": "Other", "months": 12, "drivers": {"churn": {"all": 0.1}}}
    stated["book"] = {
        "arr": 1000,
        "currency": other,
        "segments": {"smb": {"share": 1, "customers": 5}},
    }
    (book.home / "other.yaml").write_text(json.dumps(stated))
    try:
        model = WhatIf(book.learnt)
        assert sorted(model.presets) == ["learnt", "plan"]
        assert [each for each in model.left_out if f"other.yaml: is in {other}" in each]
    finally:
        (book.home / "other.yaml").unlink()


def test_two_currencies_are_not_compared(book):
    learnt = nr.read_scenario(book.learnt)
    dollars = learnt.with_({"book": {"arr": 1e6, "currency": "USD", "segments": {
        name: {"share": 1, "customers": 10} for name in learnt.segments}}}, correlations=[])  # fmt: skip
    if not book.currency:
        assert common_currency(learnt, dollars) == ""
        return
    with pytest.raises(nr.UsageError, match=f"is in {book.currency}, .* in USD; "):
        comparable(learnt, dollars)


@pytest.mark.parametrize(
    ("book", "name"),
    [
        # by day each of the two, in a currency and in none
        pytest.param(EURO, "past", marks=pytest.mark.slow),
        (EURO, "ahead"),
        (YEN, "past"),
        (NONE, "past"),
        pytest.param(NONE, "ahead", marks=pytest.mark.slow),
    ],
    indirect=["book"],
)
def test_reports(book, name):
    title = "company: Birch AG\n"
    (book.home / "past.yaml").write_text(f"{title}ledger: ledger.csv\nas_of: 2024-12\ntrials: 0\n"
                                         "notebook: quarterly_report\n")  # fmt: skip
    (book.home / "ahead.yaml").write_text(f"{title}notebook: scenario_comparison\ntrials: 200\n"
        "as_of: 2024-12\ntarget: 105%\nscenarios: [learnt.yaml, plan.yaml]\n")  # fmt: skip
    unstated = {"past": "states no currency", "ahead": "state no common currency"}[name]
    folder = run_card(book.home / f"{name}.yaml", to=("pdf", "xlsx"), engine="embedded", out=book.home / "reports")  # fmt: skip
    pages = [
        each.get_textpage().get_text_range()
        for each in pypdfium2.PdfDocument(folder / "report.pdf")
    ]
    text = " ".join(" ".join(pages).split())
    book.check(text)
    assert (unstated in text) is (not book.currency)
    workbook = CalamineWorkbook.from_path(folder / "report.xlsx")
    cells = [
        str(cell)
        for name in workbook.sheet_names
        for row in workbook.get_sheet_by_name(name).to_python()
        for cell in row
    ]
    assert "USD" not in " ".join(cells)
    assert not re.search(r"\$\d", " ".join(cells))


@pytest.mark.parametrize(
    ("said", "code"), [("eur", "EUR"), (" € ", "EUR"), ("¥", "JPY"), ("usd", "USD")]
)
def test_a_currency_has_a_code(said, code):
    assert currency_code(said) == code
    book = {"arr": 1, "currency": said, "segments": {"a": {"share": 1, "customers": 1}}}
    assert nr.Scenario.of({"book": book}).opening.currency == code


@pytest.mark.parametrize("said", ["", "euro", "EU", "XYZ"])
def test_what_is_no_currency_is_refused(said, write):
    with pytest.raises(nr.UsageError, match=r"is no currency; write its code of three letters"):
        nr.read_ledger(write("customer,month,mrr\nA,2024-01,1\n"), currency=said)
    book = {"arr": 1, "currency": said, "segments": {"a": {"share": 1, "customers": 1}}}
    with pytest.raises(nr.UsageError, match=r"book.currency: .* is no currency"):
        nr.Scenario.of({"book": book})
