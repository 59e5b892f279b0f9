"""What an action did, beside what was planned of it: both on one base, against hand-worked figures."""

import numpy as np
import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.accounts.actions import actions

RATIO = np.log(1 - 4 / 60) / np.log(1 - 24 / 60)  # hazard of the treated over the holdout's


@pytest.fixture(scope="module")
def ledger():
    """Of 600 of smb 120 are in a lot; 4 of 60 treated leave, and 24 of 60 held out. Nobody of ent is."""
    stays = {f"T{n:02d}": 15 if n < 4 else 24 for n in range(60)}
    stays |= {f"H{n:02d}": 15 if n < 24 else 24 for n in range(60)}
    stays |= {f"X{n:03d}": 24 for n in range(480)} | {f"E{n:02d}": 24 for n in range(50)}
    rows = [
        (
            name,
            f"{2024 + month // 12}-{month % 12 + 1:02d}",
            100.0,
            "ent" if name[0] == "E" else "smb",
        )
        for name, until in stays.items()
        for month in range(until)
    ]
    return nr.read_ledger(pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"]))


@pytest.fixture(scope="module")
def table():
    rows = [
        (f"{arm[0].upper()}{n:02d}", "2025-01-05", "call", arm)
        for arm in ("treated", "holdout")
        for n in range(60)
    ]
    return pd.DataFrame(rows, columns=["customer", "date", "action", "arm"])


BOOK = "book: {arr: 1000000, segments: {smb: {share: 0.6, customers: 9}, ent: {share: 0.4, customers: 9}}}"


def planned(ledger, table, plan):
    (row,) = (
        nr.actions_of(nr.actuals(ledger, "2025-12"), table, plan=plan).frame().to_dict("records")
    )
    return row


def test_a_plan_made_of_what_was_measured_is_met_just_so(ledger, table, tmp_path):
    """The lot is a fifth of the segment's ARR: so much of what it did to the treated is the segment's."""
    (tmp_path / "base.yaml").write_text(f"{BOOK}\ndrivers: {{churn: {{all: 0.3}}}}\n")
    actions(ledger, table, "2025-12").write(str(tmp_path / "plan.yaml"), "base.yaml")
    row = planned(ledger, table, tmp_path / "plan.yaml")
    assert row["of_treated"] == pytest.approx(RATIO - 1)
    assert row["effect"] == pytest.approx(0.2 * (RATIO - 1))
    assert row["planned"] == pytest.approx(row["effect"], abs=2e-4)
    assert row["effect_low"] < row["effect"] < row["effect_high"] < 0


@pytest.mark.parametrize(
    ("stated", "full"), [("churn: -20%", -0.2), ("churn.all: -0.2", -0.2), ("churn.smb: -5%", -0.05),
                         ("churn: -0.2, churn.smb: -0.1", -0.1), ("churn.ent: -0.2", np.nan)],
)  # fmt: skip
def test_what_is_planned_is_that_of_the_segments_it_was_for(ledger, table, write, stated, full):
    text = f"{BOOK}\ndrivers: {{churn: {{all: 0.3}}}}\nprogrammes: {{call: {{{stated}}}}}\n"
    row = planned(ledger, table, write(text, "plan.yaml"))
    assert row["planned"] == pytest.approx(full, nan_ok=True)
    assert row["effect"] == pytest.approx(0.2 * (RATIO - 1))
