"""What reports say: each branch of each template, names that stay names, a company's own templates, and the sandbox."""

import importlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import nbformat
import pandas as pd
import portfolios
import pytest
from conftest import HOSTILE, ROOT, said_of, squeezed, text_of
from jinja2 import nodes
from scenarios import segments
from scored import FELL, FULL, PROVED, RULES, scored

import nrrsim as nr
from nrrsim.accounts.actions import Actions, Effect
from nrrsim.accounts.at_risk import Quality
from nrrsim.analysis.accounts import NoAccounts
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.measured import Measured
from nrrsim.analysis.since import Published
from nrrsim.months import shift
from nrrsim.report.card import read_card
from nrrsim.report.manifest import verify
from nrrsim.report.pages.render import render
from nrrsim.report.run import run_card
from nrrsim.report.wording import (
    accounts,
    actions,
    comparison,
    facts,
    forecast,
    labels,
    peers,
    pipeline,
    plan,
    quarterly,
    since,
    sizes,
    templates,
)
from nrrsim.report.wording.say import REPORTS, checked, facts_of
from nrrsim.report.wording.templates import MACROS, OWN, Templates, house_templates, laid_out
from nrrsim.scenario.programmes import Programme

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
SCENARIOS = ROOT / "params" / "scenarios"


# --- subjects ----------------------------------------------------------------------------------------------


def months(first: str, number: int) -> list[str]:
    return [shift(first, after) for after in range(number)]


def history(
    folder, rows: list[str], as_of: str, window: int = 12, heads: str = "customer,month,arr", **how
) -> Actuals:
    (folder / "ledger.csv").write_text("\n".join([heads, *rows]))
    return nr.actuals(str(folder / "ledger.csv"), as_of, window, **how)


def histories(folder):
    """Histories small enough to see why each sentence says what it says."""

    def of(text: str, as_of: str = "2025-12", *more, **how) -> Actuals:
        return history(folder, text.split(), as_of, *more, **how)

    yield of("A,2024-12,100 B,2024-12,100 A,2025-12,250")  # leaky, world class
    yield of(
        "A,2024-12,100 B,2024-12,100 A,2025-12,90 B,2025-12,88", target=0.89
    )  # critical, on target
    yield of(
        "A,2024-12,100 B,2024-12,100 A,2025-12,95 B,2025-12,88", target=0.8
    )  # GRR above usual, above the target
    yield of(
        "A,2024-12,100 A,2025-12,100", target=1.2
    )  # one customer, no change, short of the target
    yield of("A,2024-12,100 B,2024-12,100 A,2025-12,110 B,2025-12,10")  # losses above gains
    yield of("A,2025-09,9 A,2025-12,8", "2025-12", 3)  # compared with nothing
    yield of("A,2023-12,10 B,2023-12,9 A,2024-12,8 B,2024-12,9 A,2025-12,9 B,2025-12,9")  # annual
    yield of(
        "A,2023-12,10 B,2023-12,9 A,2024-12,9 B,2024-12,9 A,2025-12,8 B,2025-12,9", ex_price=True
    )
    yield of(
        "A,2024-12,10,x B,2024-12,9,y A,2025-12,10,x B,2025-12,9,y",
        heads="customer,month,arr,segment",
    )
    flat = [f"{name},{month},10" for month in months("2023-01", 30) for name in "ab"]
    yield history(folder, flat, "2025-06", definition="compounded")
    yield history(folder, flat, "2025-06", 3, definition="stays_out", ex_price=True)
    yield history(folder, flat, "2025-06", grace_months=1)
    swings = [
        f"a,{month},{1 + 9 * (place % 2)}" for place, month in enumerate(months("2023-01", 30))
    ]
    yield history(folder, swings, "2025-06", definition="flow")  # GRR below 0
    yield of("A,2024-12,9 A,2025-12,8", fiscal_year_end=12)
    yield of("A,2024-12,9 A,2025-12,8", fiscal_year_end="01")  # December ends no fiscal year
    yield of("A,2023-12,9 A,2024-12,9 A,2025-12,8", fiscal_year_end="01")
    yield of("A,2024-12,9 A,2025-03,9 A,2025-06,9 A,2025-09,9 A,2025-12,9")  # a snapshot a quarter
    moved = [f"A,{month},10,{'x' if month < '2025-01' else 'y'}" for month in months("2024-01", 30)]
    yield history(
        folder, moved, "2026-03", definition="trailing_average", heads="customer,month,mrr,segment"
    )
    due = [f"A,{month},10,2025-06" for month in months("2024-01", 18)] + ["B,2025-06,10,2024-12"]
    yield history(folder, due, "2025-06", heads="customer,month,mrr,renewal")
    yield history(folder, due, "2024-12", 3, heads="customer,month,mrr,renewal")
    none_due = [
        f"A,{month},10,{'2024-01' if month < '2024-02' else ''}" for month in months("2024-01", 18)
    ]
    yield history(folder, none_due, "2025-06", heads="customer,month,mrr,renewal")
    (folder / "rates.csv").write_text("month,currency,rate\n2024-12,EUR,1.1\n2025-12,EUR,1.2\n")
    for reported in (False, True):
        rates = {"rates": str(folder / "rates.csv"), "currency": "USD", "reported": reported}
        yield of("A,2024-12,9,EUR A,2025-12,10,EUR", heads="customer,month,arr,currency", **rates)
    ledger = nr.read_ledger(MERIDIAN)
    yield Actuals(ledger, "2026-09", target=1.1)
    yield Actuals(ledger, "2026-09", 3)
    yield Actuals(ledger, "2024-12", definition="flow")


def comparisons(folder):
    """Scenarios alone and several: far apart, near, the same, never reaching the target and past it."""
    plain = {
        "title": "plain",
        "target": 1.1,
        "because": "it was so",
        "book": segments(smb=(1, 40, "monthly"), mid=(2, 20)),
        "drivers": {"churn": {"all": 0.1}, "adoption": {"all": {"rate": 0.5, "size": 0.2}}},
    }
    unsure = {
        **plain,
        "title": "unsure",
        "because": "",
        "drivers": {
            "churn": {"smb": {"between": [0.03, 0.2]}, "mid": 0.05},
            "contraction": {"all": {"rate": 0.1, "size": 0.2}},
            "adoption": {"all": {"rate": 0.8, "size": 0.2}},
            "price": {"all": {"uplift": 0.05}},
        },
        "programmes": {"lever": {"churn": -0.2}, "paid": {"adoption": 0.1, "cost": 100_000}},
    }
    worse = {
        **plain,
        "title": "worse",
        "drivers": {
            "churn": {"all": {"rate": 0.999}},
            "contraction": {"all": {"rate": 3, "size": 0.4}},
        },
        "book": segments(smb=(30, 10, "annual"), mid=(1, 5)),
    }
    long = [{**each, "months": 24} for each in (unsure, plain)]
    shipped = [str(SCENARIOS / f"{name}.yaml") for name in ("nrr-105", "nrr-128")]
    rule = {"multiples": [{"from": 1.0, "times": 6}], "multiples_source": "a survey"}
    for number, (pair, how) in enumerate((
        ([plain, unsure], {"target": 1.1, **rule}),
        ([unsure, plain], {"target": 0.9}),
        ([plain, {**plain, "title": "same"}, worse], {}),
        ([plain, {**plain, "title": "same"}], {}),
        ([worse, plain], {"target": 2.0}),
        (long, {"target": 1.3}),
        ([plain], {"target": 9.0}),
        ([unsure], {"target": 1.1}),
        ([{**plain, "drivers": {"churn": {"all": 0.1}}}], {"target": 0.8}),
    )):  # fmt: skip
        paths = [folder / f"{number}-{place}.yaml" for place in range(len(pair))]
        for path, values in zip(paths, pair, strict=True):
            path.write_text(json.dumps(values))
        yield nr.read_comparison([str(path) for path in paths], trials=100, years=2, **how)
    yield nr.read_comparison(shipped[:1], 1.05, trials=100, years=2)
    yield nr.read_comparison(shipped, 1.28, trials=100, years=2)


# --- every branch ------------------------------------------------------------------------------------------


@pytest.fixture
def branches(monkeypatch):
    """By template and line, how each condition of a template came out; empty where it was never asked."""
    taken: dict[tuple[str, int, str], set[bool]] = {}

    class Watched(templates._Environment):
        def _parse(self, source, name, filename):
            tree = super()._parse(source, name, filename)
            for place, node in enumerate(tree.find_all((nodes.If, nodes.CondExpr))):
                key = (name, node.lineno, f"condition {place}")
                taken.setdefault(key, set())
                node.test = nodes.Filter(
                    node.test, "noted", [nodes.Const(key)], [], None, None, lineno=node.lineno
                )
            return tree

    def noted(value, key):
        taken[tuple(key)].add(bool(value))
        return value

    monkeypatch.setattr(templates, "_Environment", Watched)
    watched = Templates({})
    monkeypatch.setattr(
        importlib.import_module("nrrsim.report.wording.say"), "house", lambda: watched
    )
    monkeypatch.setitem(templates.FORMS, "noted", noted)
    return taken


def test_every_branch_of_every_template(branches, tmp_path, capsys):
    """Each `if`, `elif` and inline `if` comes out both ways, and nothing that is said is odd."""
    said = []
    for past in histories(tmp_path):
        said += [said_of(past, name) for name in (*quarterly.SENTENCES, *sizes.SENTENCES)]
    for c in comparisons(tmp_path):
        said += [said_of(c, name) for name in comparison.SENTENCES]
    told = nr.forecast(Actuals(nr.read_ledger(MERIDIAN), "2026-09", target=1.1), trials=100)
    said += [said_of(told, name) for name in forecast.SENTENCES]
    said += [said_of(told.backtest, name) for name in forecast.OF_A_BACKTEST]
    for against in variances(tmp_path):
        said += [said_of(against, name) for name in plan.SENTENCES]
    for listed in lists():
        said += [said_of(listed, name) for name in accounts.SENTENCES]
    for found in deeds():
        said += [said_of(found, name) for name in actions.SENTENCES]
    for among in groups_of_peers():
        said += [said_of(among, name) for name in peers.SENTENCES]
    said += [said_of(NoAccounts("nobody is left"), name) for name in accounts.SENTENCES]
    said += [nr.say("next", each, beside=scored()).bundle["text/markdown"] for each in (past, told)]
    rare = (*rare_facts(past, c), *rare_forecasts(told), *rare_plans(), *rare_moves())
    rare = (*rare, *rare_losses(), *rare_lists(told), *rare_pipelines(), *rare_sizes(past))
    rare = (*rare, *rare_slides(past, c, told), *portfolios.rare())
    said += [rendered(name, *each) for name, each in rare]
    for text in said:
        plain = text.replace("\\", "")  # a semicolon is escaped
        assert not re.search(r"\bnan\b|None|n/a|\{\{|\{%|  | [,;)]|\(\s", plain), text
    assert {name for name, *_ in branches} >= {
        name for name, text in house_templates().items() if "{% if" in text
    }
    missing = {key: ways for key, ways in branches.items() if len(ways) < 2}
    with capsys.disabled():
        print(f" {2 * len(branches)} branches of {len(branches)} conditions ", end="")
    assert not missing, "\n".join(f"{key}: only {ways}" for key, ways in missing.items())
    assert len(branches) > 100


def rendered(name: str, *values: object) -> str:
    known = {key: each for value in values for key, each in vars(value).items()}
    return importlib.import_module("nrrsim.report.wording.say").house().render(name, known)


def rare_slides(past, c, told):
    """What a slide says of facts that no small subject has."""
    report, about = quarterly.Report.of(past), forecast.Report.of(told)
    for nrr in (1.05, 1.0, 1.07):
        for before in (None, 1.05):
            for target in (None, 1.05):
                moved = {"nrr": nrr, "nrr_before": before, "target": target}
                yield "quarterly/slide_stand", (replace(report, **moved),)
    for grr, window in ((0.8, 12), (0.87, 12), (0.95, 12), (0.9, 6)):
        yield "quarterly/slide_levels", (replace(report, grr=grr, window=window),)
    for losses, gains in ((0.0, 0.0), (1.0, 2.0)):
        yield "quarterly/slide_bridge", (replace(report, losses=losses, gains=gains),)
    for largest in (None, quarterly.Largest("A", 0.01, lost=False)):
        yield "quarterly/slide_cohort", (replace(report, largest=largest),)
    best, worst = facts.Ratio("A", 1.1), facts.Ratio("B", 0.9)
    parts = quarterly.Segments(
        number=2, highest=best, lowest=worst, has_last_report=True, better=(), worse=()
    )
    up = (facts.Change("A", 0.01),)
    for each in (
        parts,
        replace(parts, number=0, highest=None, lowest=None, has_last_report=False),
        replace(parts, number=1, lowest=best),
        replace(parts, lowest=best, better=up),
        replace(parts, worse=up),
    ):
        yield "quarterly/slide_segments", (report, each)
        yield "quarterly/slide_segments_moved", (report, each)
    basis = quarterly.Provenance.of(past)
    for ex_price in (False, True):
        yield "quarterly/slide_basis", (replace(report, ex_price=ex_price), basis)

    fan, drives = forecast.Fan.of(told), forecast.Drives.of(told)
    hump = forecast.Hump("A", 1.1, 0.9, "")
    swing = forecast.Tornado("Year-to-year swings in churn", 0.5, 1.05, False, True)
    for target, is_same in ((None, True), (0.2, False)):
        yield "forecast/slide_fan", (about, replace(fan, p_target=target))
        said = replace(about, same_measure=is_same)
        yield "forecast/slide_drives", (said, replace(drives, hump=None, drivers=None))
        yield "forecast/slide_drives", (said, replace(drives, hump=hump, drivers=swing))
    for kind in ({"is_shock": True}, {"is_shock": False}):
        other = replace(swing, is_swing=False, **kind)
        yield "forecast/slide_drives", (about, replace(drives, drivers=other))

    scored_ = accounts.Report.of(scored())
    largest = accounts.AtRisk("A", 1.0, 2.0, "")
    for listed in (
        accounts.Listed(None, 1, "2027-03", 2.0),
        accounts.Listed(largest, 2, None, 2.0),
        accounts.Listed(largest, 2, "2027-03", 2.0),
    ):
        yield "accounts/slide_at_risk", (scored_, listed)
        yield "accounts/slide_gain", (scored_, listed)

    two, stand = comparison.Report.of(c), comparison.WhereWeStand.of(c)
    pair = comparison.Pair(1.0, 0.01, 0.02, 0.9, None, None)
    for alone, both in ((True, None), (False, None), (False, pair)):
        facts_of_both = (replace(two, alone=alone), replace(stand, pair=both))
        yield "comparison/slide_scenarios", facts_of_both
        yield "comparison/slide_difference", facts_of_both
    told_of_two = replace(stand, pair=replace(pair, two_years=2.0, two_years_simple=2.0))
    yield "comparison/slide_difference", (two, told_of_two)


def rare_moves():
    """Facts of what moved since the last report; tests/analysis/test_since.py has the real ones."""
    report = since.Report(
        last="Q2 2026",
        now="Q3 2026",
        unit="quarter",
        currency="USD",
        fiscal_year_end=12,
        nrr=1.05,
        published=1.03,
        same_measure=True,
    )
    term = since.Term("window", "6 months", "12 months")
    yield "since/since_heading", (report,)
    yield "since/since", (report, since.Terms((term, term), "", "", None))
    yield "since/since", (report, since.Terms((), "it begins later", "", None))
    yield "since/since", (report, since.Terms((), "", "Q2 2026", None))
    for restated in (1.06, 1.03, 1.02):
        yield "since/since", (report, since.Terms((), "", "", restated))
        yield "since/since", (replace(report, nrr=1.03), since.Terms((), "", "", restated))
    for nrr in (1.05, 1.03, 1.0):
        yield "since/since", (replace(report, nrr=nrr), since.Terms((), "", "", None))
        yield "since/why", (replace(report, nrr=nrr), since.Why(()))
    whose = since.Cause("churn", -0.02, "Alder"), since.Cause("Q3 2025 rolled off", 0.01, None)
    yield "since/why", (report, since.Why(whose))
    for nrr in (1.05, 1.03, 1.0):
        for causes in ((), whose):
            yield "since/slide_since", (replace(report, nrr=nrr), since.Slide(causes))
    figure, cause = since.Figure("NRR", "103.0%", "102.1%"), facts.Change("Alder", -0.009)
    yield "since/restated", (report, since.Restated((figure, figure), (cause,), True))
    yield "since/restated", (report, since.Restated((figure,), (cause, cause), True))
    for has_book in (False, True):
        yield "since/restated", (report, since.Restated((figure,), (), has_book))
        yield (
            "since/restatements",
            (report, since.Restatements(1, not has_book, has_book, (), False)),
        )
    earlier = (since.Quarter("Q1 2026", 1.02, 1.01),)
    yield "since/restatements", (report, since.Restatements(2, True, True, earlier, True))
    judged = since.Judged("Q3 2025", 0.98, 1.12, 1.07, "at the 71st percentile", True)
    yield "since/ranges", (report, since.Ranges((judged, replace(judged, inside=False))))
    yield "since/ranges", (replace(report, same_measure=False), since.Ranges((judged,)))


def rare_sizes(past):
    """A second split, and what is published of companies like one's own, with and without each."""
    report = quarterly.Report.of(past)
    high, low = facts.Ratio("$100K to $1M", 1.1), facts.Ratio("below $10K", 0.9)
    change = (facts.Change("below $10K", 0.02),)
    known = {"highest": high, "lowest": low, "has_last_report": True, "better": change, "worse": ()}
    at = {"bound": labels.Markdown("$100K"), "share": 0.4, "nrr": 1.1, "now": 3, "share_now": 0.5}
    larges = [sizes.Large(number=number, **at) for number in range(3)]
    larges += [sizes.Large(number=1, **{**at, "now": 0, "share_now": None}), None]
    for large, number, is_size in itertools.product(larges, range(3), (True, False)):
        parts = sizes.Parts(number=number, is_size=is_size, column="Industry", large=large, **known)
        for each in (parts, replace(parts, lowest=high), replace(parts, has_last_report=False)):
            yield "quarterly/parts", (report, each)
        yield "quarterly/parts_heading", (report, parts)
    segment = sizes.OfSegment("Enterprise", 1.15, 1.18, 245e3)
    row = {
        "typical": 48e3,
        "row": labels.Markdown("of $25K to $50K"),
        "of_nrr": 1.03,
        "of_grr": 0.9,
    }
    for nrr, grr, definition in (
        (1.03, 0.9, "flow"),
        (1.1, 0.95, "point_to_point"),
        (1.0, 0.8, "flow"),
    ):
        about = replace(report, nrr=nrr, grr=grr, definition=definition)
        yield "quarterly/published", (about, sizes.Published(**row))
        for others in ((segment,), (segment, segment)):
            more = {"fitting": (segment,), "others": others, "gross_churn": 0.13}
            yield "quarterly/published", (about, sizes.Published(**row, **more))
    for why, currency in itertools.product(("window", "currency", "company"), ("EUR", "")):
        yield "quarterly/published", (replace(report, currency=currency), sizes.Published(why=why))


def rare_facts(past, c):
    """Facts that no small subject has, made of those of a real one."""
    report, about = quarterly.Report.of(past), comparison.Report.of(c)
    gain = quarterly.Largest("A", 0.01, lost=False)
    for most in (gain, None):
        for losses in ((), (gain,), (gain, gain)):
            moved = {"largest_gain": most, "largest_losses": losses}
            yield "quarterly/bottom_line", (replace(report, **moved),)
    yield "quarterly/influence", (report, quarterly.Influence(1.0, 1.1, "Largest", None))
    failed = (6, ("Company closing", "Cohort opening"))
    yield "quarterly/checks", (facts.Checks(*failed),)
    ends = (facts.Ratio("Flow", 1.02), facts.Ratio("Stays out", 0.98))
    yield "quarterly/basis", (report, quarterly.Basis(*failed, *ends, agree=False))
    yield "quarterly/definitions", (report, quarterly.Definitions(*ends, False, has_timing=False))
    for number in range(3):
        same = facts.Ratio("2024", 1.0)
        cohorts = quarterly.Vintages(
            number=number, highest=same, lowest=same, has_last_report=False, better=(), worse=()
        )
        yield "quarterly/vintages", (report, cohorts)
    renewals = quarterly.Renewals(
        due=2.0, renewed=1.0, after=3.0, ahead=4, coming=0.0, most=0.0, most_in=""
    )
    yield "quarterly/renewals", (report, renewals)
    stand = replace(comparison.WhereWeStand.of(c), actual=1.05, start="2026-09")
    yield "comparison/where_we_stand", (about, stand)
    yield "comparison/where_we_stand", (about, replace(stand, actual=None, costs=()))
    frontier = comparison.Frontier.of(c)
    yield "comparison/what_it_takes", (about, replace(frontier, met=True, together=None))
    yield "comparison/what_it_takes", (about, replace(frontier, met=False, together=None, ways=()))
    for beyond in (None, 1.5, -1.5):
        yield "comparison/what_it_takes", (about, replace(frontier, met=False, together=beyond))
    yield (
        "comparison/what_it_takes",
        (about, replace(frontier, met=False, together=0.0001, standing=None)),
    )
    yield (
        "comparison/what_it_takes",
        (about, replace(frontier, together=-0.1, likely=None, together_standing=None)),
    )
    yield "comparison/what_it_takes", (about, replace(frontier, met=True, ways=()))
    yield "comparison/assumptions", (comparison.Assumptions(False),)
    yield "comparison/parts", (comparison.Bridge(0.001, None),)
    for error in (0.0, 0.001):
        yield "comparison/provenance", (about, comparison.Provenance(error))
    out_of_reach = replace(stand, best=replace(stand.best, p_target=0.0))
    yield "comparison/distributions", (about, out_of_reach)
    for known in (0.2, 0.8):
        for is_year in (True, False):
            yield "comparison/tornado", (about, comparison.Tornado("Churn", is_year, known))
    year = comparison.Why(lost=0.1, gained=0.1, belief="Churn", is_year=True, known=0.5)
    yield "comparison/why", (replace(about, alone=True), year)
    none = comparison.Difference("Same", 0.0, ())
    some = comparison.Difference("Other", 0.1, (facts.Change("lower churn", 0.1),))
    for others in ((some, none), (none, some)):
        why = comparison.Why(differences=others)
        yield "comparison/why", (replace(about, alone=False), why)
    brought = {
        "title": "Ramp",
        "added": 0.1,
        "nrr": 1.15,
        "best": "lever",
        "others": (facts.Ratio("Base", 1.05),),
    }
    yield "comparison/programmes", (about, comparison.Programmes(**brought, returned=None))
    alone = comparison.Programmes(**{**brought, "others": ()}, returned=None)
    yield "comparison/programmes", (about, alone)
    yield "comparison/programmes", (about, comparison.Programmes(**brought, returned=2.5))
    yield (
        "comparison/limits",
        (
            replace(about, currency=""),
            comparison.Limits(below_zero=("Worse",), books_differ=True, notices=("Note",)),
        ),
    )
    ahead = {"below_zero": (), "books_differ": False, "notices": (), "forecast": ("Learnt",)}
    yield "comparison/limits", (about, comparison.Limits(**ahead))
    yield (
        "comparison/limits",
        (about, comparison.Limits(**ahead, driven=("Plan",), unproven=("Learnt",))),
    )


def rare_forecasts(told):
    """The same of a forecast and a back-test."""
    about = forecast.Report.of(told)
    assumed, fan = forecast.Assumptions.of(told), forecast.Fan.of(told)
    yield (
        "forecast/assumptions",
        (about, replace(assumed, yearly=(), segments=9, listed=8, swings=(), own_least=None)),
    )
    yield (
        "forecast/assumptions",
        (about, replace(assumed, monthly=(), swings=(forecast.Swing("churn", "−23% to +27%"),))),
    )
    one = replace(assumed, yearly=("A",), monthly=(), has_others=False)
    yield "forecast/assumptions", (about, one)
    rises = (forecast.Rises("January", ()), forecast.Rises("July", ("A", "B")))
    season = forecast.Season("July", 2.2, "January", 0.5)
    alone = replace(assumed, rises=rises, season=season, has_others=False)
    yield "forecast/assumptions", (about, alone)
    yield "forecast/assumptions", (about, replace(alone, own_least=None))
    yield (
        "forecast/fan",
        (replace(about, unit="year", same_measure=False), replace(fan, p_target=None)),
    )
    known = replace(forecast.BackTest.of(told), forecasts=1, years=6, enough=True)
    yield "forecast/backtest", (known,)
    yield "forecast/backtest", (replace(known, years=2, enough=False),)
    yield "forecast/backtest", (replace(known, forecasts=4, cover80=0.75),)
    yield "forecast/backtest", (replace(known, cover80=0.0, recurs=False),)
    yield "forecast/backtest", (replace(known, past=None, by_segment=0),)
    yield "forecast/backtest", (forecast.BackTest(),)
    yield "forecast/scores", (forecast.Scores(()),)
    due = forecast.Next(**vars(replace(fan, p_target=None)), at_risk=None, renewal=None)
    yield "forecast/next", (about, due)
    for renews in ("", "March 2027"):
        two = replace(due, hump=forecast.Hump("Acme", 0.96, 0.41, renews))
        yield "forecast/next", (about, two)
        yield "forecast/fan", (about, two)
    yield "forecast/recurs", (about, forecast.Recurs())
    yield "forecast/decisive", (about, forecast.Decisive(1, 0.3, 0.0, "Acme", 0.3))
    yield "forecast/next", (replace(about, same_measure=False), due)
    for belief in (
        forecast.Tornado("Churn", 0.5, 1.05, is_shock=False, is_swing=False),
        forecast.Tornado("Year-to-year swings in churn", 0.5, 1.05, is_shock=False, is_swing=True),
        forecast.Tornado("Market-wide good or bad year", 0.5, 1.05, is_shock=True, is_swing=False),
    ):
        yield "forecast/tornado", (belief,)
    yield "forecast/scores", (forecast.Scores(("NRR",)),)


def variances(folder):
    """Plans of ARR and NRR, of some segments and months, a scenario, one that cannot be compared;
    and a forecast without one.
    """
    past = Actuals(nr.read_ledger(MERIDIAN), "2026-09")
    ahead = {"2026-09": {"p10": 1.0, "p50": 1.05, "p90": 1.1}}
    before = Published("A", "2025-09", {"2025-09": {"terms": {}, "ahead": ahead}})
    tables = {
        "arr": "month,segment,arr\n2026-09,enterprise,3e7\n2026-09,far,1\n2001-01,far,1\n",
        "nrr": "month,segment,nrr\n2026-09,enterprise,1.0\n2026-09,far,1\n",
        "old": "month,segment,nrr\n2001-01,smb,1.0\n",
    }
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
        yield nr.variance(past, folder / f"{name}.csv", before)
    yield nr.variance(past, ROOT / "params" / "scenarios" / "nrr-105.yaml")
    yield nr.variance(Actuals(past.ledger, "2026-09", definition="flow"), folder / "nrr.csv")
    yield nr.variance(past, None, before)


def rare_plans():
    """The same of a plan."""
    about = plan.Report("2026-09", "EUR", 12, "plan.csv")
    notes = plan.Notes(
        measure="nrr", only_planned=(), only_actual=("Far",), months=(), known_to="2026-06",
        undated=False, merged=True, own_measure=False, by_movement=True,
    )  # fmt: skip
    yield "plan/notes", (about, notes)
    part = facts.Change("Churn", -0.01)
    for is_plan, ahead, behind in ((True, (), (part,)), (False, (), ()), (False, (part,), ())):
        yield "plan/bridge", (about, plan.Bridge("nrr", is_plan, ahead, behind))
    for inside in (True, False):
        made = ("2026-06", 1.05, 1.0, 1.1, 1.07 if inside else 1.2, "at the 71st percentile")
        yield (
            "plan/forecast",
            (about, plan.Forecast(*made, inside, own_measure=not inside, by_segment=inside)),
        )
    yield "plan/figures", (about, plan.Figures("arr", 0.0, 5.0, 5.0, None, False))
    yield "plan/figures", (about, plan.Figures("arr", 5.0, 5.0, 0.0, 0.0, False))
    yield "plan/figures", (about, plan.Figures("nrr", 1.1, 1.0, -0.1, -0.09, False))


def lists():
    """Lists of accounts made by hand: judged good, not, not at all, and of one account."""
    whole = scored()
    yield whole
    yield scored(proves=False)
    yield replace(whole, quality=replace(PROVED, skill=-0.02, skill_low=-0.05))
    nothing = Quality(why="the ledger begins in May 2026; a score is judged after 24 months")
    yield replace(whole, quality=nothing, rules=RULES.assign(fired=0))
    yield replace(whole, quality=replace(PROVED, captured_by_top_tenth=float("nan")))
    level = {**whole.totals, "expected": whole.totals["plain"]}
    yield replace(whole, totals=level, rules=RULES[:0])
    below = {**whole.totals, "expected": 9.0}
    one = whole.frame[:1].assign(renewal="")
    yield replace(whole, totals=below, frame=one, rules=RULES[1:2])
    bare = whole.frame.assign(alerts=[()] * 3, play="", arr_at_risk=0.0, expected_gain=0.0)
    yield replace(whole, frame=bare, rules=RULES[2:], horizon="next renewal")
    since = [(replace(FELL, since="2026-01"),), (), ()]
    yield replace(
        whole, frame=whole.frame.assign(alerts=since), rules=RULES.assign(fired=[0, 1, 1])
    )
    yield replace(whole, frame=whole.frame[:1])
    yield replace(whole, frame=whole.frame.assign(health="red"))
    signs = [(FULL, replace(FULL, since="2026-09"), replace(FULL, since="2026-09")), (), ()]
    yield replace(whole, frame=whole.frame.assign(alerts=signs))


def deeds():
    """Actions that saved, that may have, and of which nothing can be said; planned and not."""
    known = {"treated": 40, "controls": 50, "left_treated": 0.05, "left_controls": 0.1, "arr": 1e6,
             "low": -0.09, "high": -0.01, "hazard_ratio": 0.49, "hazard_low": 0.1,
             "hazard_high": 0.9, "arr_saved": 5e4, "arr_low": 1e4, "arr_high": 9e4,
             "reach": {"smb": 0.5}}  # fmt: skip
    call = Effect(action="call", arm="randomised", difference=-0.05, claimed=True, why="", **known)
    visit = replace(call, action="visit", arm="matched")
    mail = replace(visit, action="mail", difference=0.05, claimed=False, why="it may be chance")
    letter = replace(call, action="letter", difference=0.02, claimed=False, why="it may be chance")
    none = Effect(action="QBR", arm="matched", treated=3, why="none left", reach={})
    even = replace(letter, action="even", difference=0.0004, hazard_ratio=1.2)
    dear, free = (Programme(churn=-0.2, cost=each) for each in (1e5, 0))
    for effects, planned in (
        ((call, visit, mail, none), {"call": ("calls", dear), "visit": ("visits", free)}),
        ((call, mail, letter), {}),
        ((even, replace(even, action="alike", arm="matched")), {"even": ("evens", dear)}),
        ((call,), {}),
        ((none,), {}),
        ((), {}),
    ):
        yield Measured(Actions("2026-09", 6, "USD", effects), planned)


def rare_lists(told):
    """What an account without a renewal does to page 1."""
    for renews in ("", "2026-12"):
        whose = accounts.AtRisk("Alder", 10.0, 100.0, renews)
        yield (
            "quarterly/next",
            (SimpleNamespace(at_risk=whose, renewal=None, unit="quarter", currency="USD"),),
        )
        soon = replace(forecast.Next.of(told), at_risk=whose)
        yield "forecast/next", (forecast.Report.of(told), soon)


def rare_losses():
    """Losses that come together, and losses by reason."""
    few = accounts.Group(("Industry Retail",), 12, 5, 0.31, 5e4, ("Alder", "Birch"), ())
    many = replace(few, names=tuple("ABCDEFGH"), reasons=("price",), where=("A", "B"))
    known = {"currency": "USD", "first": "2026-07", "last": "2026-09", "looked_at": 16}
    for found, worth, why in (
        ((few, many), (), ""),
        ((), (few,), ""),
        ((), (), "needs 12 months before the last 3; the ledger has 2"),
    ):
        more = {"found": found, "worth_a_look": worth, "by_chance": 0.1, "why": why}
        yield "accounts/clusters", (accounts.Together(**known, **more),)
    costs = (accounts.Cost("price", 5e4, 0.5), accounts.Cost("failed payment", 1e4, 0.1))
    shares = ((0.0, 0.0, 0.0), (0.1, 0.0, 0.4), (0.1, 0.2, 0.0), (0.0, 0.2, 0.0))
    for involuntary, apart, not_given in shares:
        shown = costs if not_given else ()
        told = {"involuntary": involuntary, "apart": apart, "not_given": not_given}
        lost = {"currency": "USD", "lasting": "twelve months", "total": 1e5, "costs": shown}
        yield "accounts/reasons", (accounts.Reasons(**lost, **told),)


def groups_of_peers():
    """Known and not known yet, alike and not, old and new, of a period that the ledger covers and not."""
    ledger = nr.read_ledger(MERIDIAN)
    for as_of, names in (
        ("2026-09", ["Braze", "PagerDuty", "GitLab", "Snowflake"]),
        ("2025-06", ["GitLab", "Cloudflare", "PagerDuty"]),
        ("2024-06", ["PagerDuty"]),
    ):
        yield nr.peers_of(Actuals(ledger, as_of), names, "Meridian Cloud")


def rare_pipelines():
    """Facts of a pipeline; tests/analysis/test_pipeline.py has the real ones."""
    report = pipeline.Report("2026-09", "USD", 12, "2026-09-30")
    several = pipeline.Open(12, 9e5, 6e5, "2026-12", True, 8e5, 2e5, None)
    for each in (several, replace(several, opportunities=1, is_quarter=False)):
        yield "pipeline/open", (report, each)
    yield "pipeline/open", (report, replace(several, opportunities=0, listed="2026-06"))
    target = pipeline.Covered("target", "2027-09", 4e6, 1e6, 0.25)
    plan_ = replace(target, of="plan", share=None)
    for whole, least, goal, why in (
        ((target, replace(plan_, share=0.5)), "SMB", 1.1, ""),
        ((plan_,), None, None, ""),
        ((), None, None, "it states ARR"),
    ):
        least_share = 0.1 if least else None
        yield "pipeline/coverage", (report, pipeline.Coverage(whole, least, least_share, goal, why))
    worth = pipeline.Worth(9e5, 4e5, 2e5, 6e5, 1e6, 9e5, 0.0, 0.0)
    for changed in (
        {},
        {"expected": 1e5, "learnt": 0.0, "judged": 9e5},
        {"expected": None, "judged": 5e4, "unrated": 2e4},
        {"arr": None},
    ):
        yield "pipeline/worth", (report, replace(worth, **changed))
    stage = pipeline.Stage("Proposal", 0.4, 0.3, 0.5)
    for learnt, judged in (((stage, stage), ("Idea",)), ((), ("Idea", "Pilot")), ((stage,), ())):
        yield "pipeline/stages", (report, pipeline.Stages(learnt, 120, judged, 30))
    due = pipeline.Renewals(9, 9e5, "2027-03", 2, 3e5, "Alder", 2e5)
    yield "pipeline/renewals", (report, due)
    yield "pipeline/renewals", (report, replace(due, without=1))
    yield "pipeline/renewals", (report, replace(due, without=0))
    yield "pipeline/renewals", (report, replace(due, without=0, due=1))
    part = pipeline.Part("of customers who left", 3, 1e4)
    yield "pipeline/stray", (report, pipeline.Stray((part, replace(part, arr=0.0))))
    yield "pipeline/notes", (report, pipeline.Notes(("Pipeline: 1 row has no amount",)))


def test_the_years_largest_losses_are_named_with_the_month_they_left_by(tmp_path):
    """Also who left before the last quarter; up to two more who cost half as much as the largest."""
    rows = [
        f"{name},{month},{100 if month < until else 0}"
        for month in months("2024-12", 13)
        for name, until in (("A", "2025-03"), ("B", "2025-12"), ("C", "2026-01"), ("D", "2026-01"))
    ]
    rows += ["E,2024-12,100", "E,2025-12,60", "F,2024-12,10", "G,2024-12,90", "G,2025-12,130"]
    said = said_of(history(tmp_path, rows, "2025-12"), "bottom_line").replace("\\", "")
    losses = "A (left by March 2025, −16.7 pts) and B (left by December 2025, −16.7 pts)"
    assert f"The largest losses were {losses}; the largest gain was G (+6.7 pts)." in said


def test_page_1_adds_up_its_movements_whatever_the_definition_leaves_out(tmp_path):
    """B comes back larger than it left: NRR is 63% if who left stays out, and 113% if not."""
    rows = [f"{name},{month},{amount}" for month in months("2024-12", 13)
            for name, amount in (("A", 100), ("B", 100 if month < "2025-05" else 150), ("C", 90))
            if name != "B" or not "2025-05" <= month < "2025-08"]  # fmt: skip
    rows[2] = "C,2024-12,100"
    past = history(tmp_path, rows, "2025-12", definition="stays_out")
    assert past.now.nrr == pytest.approx(190 / 300)
    told = said_of(past, "why").replace("\\", "")
    assert "+50.0 pts more than offset churn −33.3 pts and contraction −3.3 pts" in told


def test_two_gains_that_outweigh_with_the_third_alone_are_told_with_it():
    shares = {
        "opening": 1.0,
        "price": 0.05,
        "adoption": 0.04,
        "cross_sell": 0.03,
        "churn": -0.1,
        "closing": 1.02,
    }
    frame = pd.DataFrame({"step": [*shares], "share": [*shares.values()]})
    why = quarterly.Why.of(SimpleNamespace(movements=lambda: frame))  # type: ignore[arg-type]
    assert len(why.ups) == 3
    assert why.is_gain


def test_a_forecast_of_another_measure_says_so_on_page_1():
    past = Actuals(nr.read_ledger(MERIDIAN), "2026-09", 3)
    ahead = nr.forecast(past, trials=100)
    assert "The twelve-month, point-to-point forecast for Q3 2027" in said_of(
        ahead, "next"
    ).replace("\\", "")


@pytest.mark.parametrize(
    ("changes", "printed"),
    [
        ((0.0224, -0.0047, -0.0004, -0.0004, -0.0001), [2.2, -0.5]),  # 1.68 is printed as 1.7
        ((0.0224, -0.0047, 0.0044, 0.0021, 0.0), [2.2, -0.5, 0.4, 0.3]),  # 2.42, as 2.4
    ],
)
def test_what_changed_since_the_last_report_adds_up_as_it_is_printed(changes, printed):
    names = ["adoption", "churn", "contraction", "reactivation", "price"]
    rows = [[name, each, None] for name, each in zip(names, changes, strict=True)]
    parts = pd.DataFrame(rows, columns=["part", "change", "first"])
    causes = since.Why.of(SimpleNamespace(parts=parts)).causes
    assert [round(100 * each.change, 1) for each in causes] == printed
    assert sum(printed) == pytest.approx(round(100 * sum(changes), 1))


def test_what_drives_the_forecast_is_drawn_around_its_median():
    """Not around what the drivers expect, which is no figure of the forecast."""
    rows = [("churn.smb.rate", 1.0, 1.04, 0.5), ("adoption.smb.rate", 1.01, 1.05, 0.2)]
    ahead = SimpleNamespace(
        recurs=True,
        median=1.10,
        sensitivity=SimpleNamespace(nrr=1.02),
        past=SimpleNamespace(labels={}),
        tornado=lambda: pd.DataFrame(rows, columns=["name", "low", "high", "known"]),
    )
    drawn = forecast.tornado(ahead)
    assert drawn["low"].tolist() == pytest.approx([1.08, 1.09])
    assert drawn["high"].tolist() == pytest.approx([1.12, 1.13])


def test_of_the_largest_customers_those_that_renew_within_the_year_are_counted(tmp_path):
    """Losing one is no longer a year without it, which has another NRR (Customers that move NRR)."""
    terms = {"A": (60, "2026-12"), "B": (30, "2027-06"), "C": (10, "")}
    rows = [
        f"{name},{month},{arr},{renewal if month == '2025-12' else ''}"
        for name, (arr, renewal) in terms.items()
        for month in months("2025-01", 12)
    ]
    past = history(tmp_path, rows, "2025-12", 3, heads="customer,month,arr,renewal")
    found = forecast.Decisive.of(SimpleNamespace(past=past, as_of=past.as_of))
    assert (found.number, found.largest) == (3, "A")
    shares = (found.share, found.due_share, found.largest_share)
    assert shares == pytest.approx((1.0, 0.6, 0.6))
    text = rendered("forecast/decisive", found)
    assert "Losing A would cost 60.0 points of NRR." in " ".join(text.split())


def test_each_template_has_its_facts_and_each_sentence_its_template():
    named = {f"{report}/{name}" for report, _, sentences in REPORTS.values() for name in sentences}
    assert named | {MACROS, OWN} == set(house_templates())
    for name in named | {MACROS}:
        assert list(Templates({}).problems(name, facts_of(name))) == [], name


def test_an_unknown_sentence_or_subject_is_an_error():
    past = Actuals(nr.read_ledger(MERIDIAN), "2026-09")
    with pytest.raises(
        nr.UsageError, match=r"Actuals has no sentence trendd; did you mean trend\?"
    ):
        nr.say("trendd", past)
    with pytest.raises(
        nr.UsageError, match="says nothing of a str; give one of Actuals, Comparison"
    ):
        nr.say("trend", "past")
    assert said_of(None, "trend") == ""


def test_facts_reach_no_ledger():
    """What a template gets is numbers, texts, flags, and tuples and small facts of them."""

    def plain(value: object) -> bool:
        if isinstance(value, tuple):
            return all(map(plain, value))
        if hasattr(value, "__dataclass_fields__"):
            return all(map(plain, vars(value).values()))
        return value is None or isinstance(value, str | int | float)

    past = Actuals(nr.read_ledger(MERIDIAN), "2026-09")
    for kind in (quarterly.Report, *filter(None, quarterly.SENTENCES.values())):
        told = kind.of(past)
        assert plain(told), told
        with pytest.raises(AttributeError):
            told.window = 3


def test_lines_become_paragraphs():
    blank = templates.PARAGRAPH
    assert laid_out(f"One\n two\n\n ,three\n.\n{blank}\nFour (\n") == "One two,three.\n\nFour ("
    assert (
        laid_out("# Head\nText\n- a\n  b\n\n- c\n::: {.x}\nd\n:::")
        == "# Head\nText\n- a b\n- c\n::: {.x}\nd\n:::"
    )


# --- names are names ---------------------------------------------------------------------------------------

NAMES = [
    *HOSTILE[:4],
    HOSTILE[6],
    r"\textbf{x} \\ $E=mc^2$ $$y$$",
    "a|b|c [x](javascript:alert(1)) ![i](/etc/passwd)",
    "@fig-bridge @tbl-x {.callout-warning} {{ nrr }} {% if %}",
    "``` {=typst} #panic() ``` `x`{=html} <!-- c --> &amp; &lt;",
    '# 1. - > *O\'Brien* -- "q"... H~2~O x^2^ x-?y ::: ---',
]


class Text(HTMLParser):
    """The text of a page, without what stands in its head."""

    def __init__(self) -> None:
        super().__init__()
        self.told = ""

    def handle_data(self, data: str) -> None:
        self.told += data


def test_ten_hostile_names_and_titles_are_printed_as_they_are_written(tmp_path):
    assert len(NAMES) == len(set(NAMES)) == 10
    quoted = ['"' + name.replace('"', '""') + '"' for name in NAMES]
    rows = [
        f"{name},{month},{100 + 40 * place * (year > 0) - 35 * (place == 9) * year},{name}"
        for year, month in enumerate(("2023-12", "2024-12", "2025-12"))
        for place, name in enumerate(quoted)
    ]
    past = history(tmp_path, rows, "2025-12", heads="customer,month,arr,segment")
    reasons = comparison.WhyEach(
        tuple(comparison.Reason(name, f"because {name}") for name in NAMES)
    )
    checks = rendered("quarterly/checks", facts.Checks(10, tuple(NAMES)))
    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_raw_cell(
            "---\ntitle: Names\nlang: en\nformat: {nrrsim-typst: {}}\nexecute: {echo: false}\n---"
        )
    ]
    for text in (
        said_of(past, "segments"), said_of(past, "segment_trend"), said_of(past, "influence"),
        rendered("comparison/why_each", reasons), checks,
    ):  # fmt: skip
        output = nbformat.v4.new_output(
            "display_data", data={"text/markdown": text, "text/plain": text}
        )
        book.cells.append(nbformat.v4.new_code_cell("say()", execution_count=1, outputs=[output]))
    nbformat.write(book, tmp_path / "names.ipynb")
    made = render(
        tmp_path / "names.ipynb",
        tmp_path / "out",
        to=("pdf", "html"),
        engine="embedded",
        style=ROOT / "reports",
        timestamp=0,
    )
    page = Text()
    page.feed(made["html"].read_text().partition("<body")[2])
    for text in (squeezed(text_of(made["pdf"])), squeezed(page.told)):
        for name in NAMES:  # in the segments' trend, as title, as reason, as check
            assert text.count(squeezed(name)) >= 4, name


# --- a company's own templates -----------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """Write a company's own template beside the card."""

    def _own(text: str | bytes, name: str = "quarterly/trend.md.j2"):
        path = tmp_path / "wording" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _own


@pytest.fixture
def card(tmp_path):
    """A card of a notebook with two sentences."""
    front = "---\ntitle: Tiny\nlang: en\nformat: {nrrsim-typst: {}}\nexecute: {echo: false}\n---"
    book = nbformat.v4.new_notebook()
    parameters = nbformat.v4.new_code_cell(
        'ledger = ""  # the ledger\nwording = "wording"  # the company\'s own sentences (optional) (path)'
    )
    parameters.metadata["tags"] = ["parameters"]
    load = "#| include: false\nimport nrrsim as nr\npast = nr.actuals(ledger, '2025-12')"
    says = [f"nr.say({name!r}, past, wording)" for name in ("trend", "provenance")]
    book.cells = [
        nbformat.v4.new_raw_cell(front),
        parameters,
        *map(nbformat.v4.new_code_cell, (load, *says)),
    ]
    nbformat.write(book, tmp_path / "tiny.ipynb")
    rows = [f"{name},{month},10" for month in ("2023-12", "2024-12", "2025-12") for name in "AB"]
    (tmp_path / "ledger.csv").write_text("\n".join(["customer,month,arr", *rows]))
    (tmp_path / "card.yaml").write_text("notebook: tiny.ipynb\nledger: ledger.csv\n")
    return tmp_path / "card.yaml"


def test_an_own_template_is_taken_listed_and_watched(own, card, tmp_path):
    path = own(
        "Was zählt:\nNRR *{{ nrr|percent }}*,\n{{ moved(0.0) }} {{ last_report }}.\n\nZiel {{ target|percent }}.\n"
    )
    folder = run_card(card, out=tmp_path / "out", to=("html",))
    page = Text()
    page.feed((folder / "report.html").read_text())
    assert "Was zählt: NRR 100.0%, level with 2024." in page.told
    assert "Ziel n/a." in page.told
    assert page.told.count("Said in the company's own words") == 0
    assert "Said in the company’s own words instead of the house’s: quarterly/trend." in page.told
    inputs = json.loads((folder / "manifest.json").read_text())["inputs"]
    assert "../../wording/quarterly/trend.md.j2" in inputs
    assert any("trend.md.j2: intact" in line for line in verify(folder))
    path.write_text("Something else.")
    with pytest.raises(nr.VerifyError, match=r"trend\.md\.j2: was changed"):
        verify(folder)


def test_without_own_templates_nothing_is_different(card):
    past = Actuals(nr.read_ledger(MERIDIAN), "2026-09")
    assert read_card(card).wording == ()
    assert said_of(past, "provenance").endswith("every hash and headline number.")
    assert nr.say("trend", past, card.parent / "wording").bundle == nr.say("trend", past).bundle


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("One.\n`x`{=html}", "2: a raw block stands here; write it as Markdown"),
        ("```{=typst}\n#read('x')\n```", "1: a raw block stands here"),
        ("```\nx\n```", "1: a block of code stands here; write plain text"),
        ("One.\n\n<script>x</script>", "3: HTML stands here"),
        ("{{< env HOME >}}", "1: a shortcode stands here"),
        ("{% raw %}{{< env HOME >}}{% endraw %}", "1: a shortcode stands here"),
        (r"\include{x}", "1: LaTeX stands here"),
        ("One.\n{% if nrr > 1 %}", "2: cannot be read: Unexpected end of template"),
        ("{{ nrr|percent }", "1: cannot be read: unexpected '}'"),
        ("{{ nnr|percent }}", "1: nnr is not known here; did you mean nrr?"),
        ("{{ nrr|percnt }}", "1: there is no form percnt; did you mean percent?"),
        ("{% include 'macros' %}", "1: a template reads no other file; write the text here"),
        ("{% for x in range(10**9) %}{% endfor %}", "1: range is not known here"),
        ("{{ nrr|safe }}", "1: there is no form safe"),
        ("{{ unit ~ unit }}", "1: write texts side by side"),
        (b"Z\xfcrich", "1: text that is not UTF-8 stands here; save the file as UTF-8"),
    ],
)
def test_what_is_wrong_with_an_own_template_is_said_before_the_run(own, card, text, said):
    path = own(text)
    with pytest.raises(nr.UsageError) as caught:
        read_card(card)
    assert f"{path}:{said}" in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(own, card):
    own("{{ nnr|percent }}\n<b>")
    own("{{ x }}", "comparison/why.md.j2")
    own("Hello.", "quarterly/trnd.md.j2")
    own("Hello.", "quarterly/notes.txt")
    with pytest.raises(nr.UsageError) as caught:
        read_card(card)
    told = str(caught.value).splitlines()
    assert len(told) == 2  # names first: who knows what such a file would say?
    assert (
        "quarterly/trnd.md.j2: replaces no sentence of a report; did you mean quarterly/trend.md.j2?"
        in told[1]
    )
    for name in ("trnd.md.j2", "notes.txt"):
        (card.parent / "wording" / "quarterly" / name).unlink()
    with pytest.raises(nr.UsageError) as caught:
        read_card(card)
    assert len(str(caught.value).splitlines()) == 3


def test_own_phrases_and_their_mistakes(own, card):
    house = house_templates()[MACROS]
    own(house.replace("Up on", "Besser als"), "macros.md.j2")
    assert "Besser als Q2 2026: " in said_own(card, "segments")
    own(house.replace("macro moved(", "macro movedd("), "macros.md.j2")
    with pytest.raises(
        nr.UsageError, match=r"macros\.md\.j2: has no macro moved, which others use"
    ):
        read_card(card)
    own("{% macro", "macros.md.j2")
    with pytest.raises(nr.UsageError, match=r"macros\.md\.j2:1: cannot be read"):
        checked(card.parent / "wording")


def test_a_named_folder_that_is_not_there_is_an_error(card):
    card.write_text(card.read_text() + "wording: brand\n")
    with pytest.raises(nr.UsageError, match="wording: there is no folder brand beside the card"):
        read_card(card)


# --- the sandbox -------------------------------------------------------------------------------------------


def said_own(card, name: str) -> str:
    past = Actuals(nr.read_ledger(MERIDIAN), "2026-09", target=1.1)
    return nr.say(name, past, card.parent / "wording").bundle["text/markdown"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("One.\n{{ nrr.__class__ }}", "2: __class__ is not known here; it has no parts"),
        ("{{ ''.__class__.__mro__ }}", "1: __class__ is not known here"),
        ("{{ highest['__class__'] }}", "1: __class__ is not known here; known: name, nrr"),
        ("{{ highest.nmae }}", "1: nmae is not known here; did you mean name?"),
        ("{{ definition.format(nrr) }}", "1: format is not known here"),
        ("{{ published_nrr[9]|whole }}", "1: 9 is not known here"),
        ("{{ 'x' * 1000000000 }}", "1: * takes two numbers"),
        ("{{ 9 ** 9 ** 9 }}", "1: ** is not known here; take + - * /"),
        ("{{ (1 / 0)|percent }}", "1: division by zero"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "1: a macro calls itself"),
        ("{{ nrr }}", "1: 1.07"),
        ("{{ last_report|span }}", "1: not a number: "),
        ("{{ nrr|lower }}", "1: a form or a comparison is given what it cannot take"),
        ("{{ highest }}", "1: a Ratio as a whole is printed here"),
        ("{{ nrr_before if window == 1 else none }}", "1: nothing is printed here"),
        ("<{% if true %}b>{% endif %}", " HTML stands here"),
    ],
)
def test_a_template_runs_nothing_and_fails_in_one_line(own, card, text, said):
    path = own(text)
    with pytest.raises(nr.UsageError) as caught:
        said_own(card, "trend")
    assert str(caught.value).startswith(f"{path}:{said}")
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_printed_is_text_whatever_a_template_does_with_it(own, card):
    own(
        "{% autoescape false %}{% set x = '<b>*a*' %}{{ x }} {{ [x, x]|joined(x) }} {{ x|lower }}"
        " {{ window|counted(x, x) }}{% endautoescape %}"
    )
    escaped = r"\<b\>\*a\*"
    assert said_own(card, "trend") == f"{' '.join([escaped] * 5)} 12 {escaped}"
