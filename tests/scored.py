"""A list of accounts made by hand, for what pages and files make of one: small enough to see each number."""

from dataclasses import replace
from io import StringIO

import pandas as pd

import nrrsim as nr
from nrrsim.accounts.at_risk import Accounts, Alert, Quality

AS_OF = "2026-09"
LEDGER = """customer,month,mrr,segment,renewal
Alder,2025-09,1000,mid_market,
Alder,2026-09,1000,mid_market,2026-12
Birch,2025-09,500,smb,
Birch,2026-09,500,smb,2027-06
Cedar,2025-09,250,smb,
Cedar,2026-09,250,smb,
"""
FELL = Alert("active users fell by 20% within 3 weeks", 41.0, "2026-09", "risk")
FULL = Alert("seats used reached 80% of seats bought", 0.9, "2026-07", "expansion")
PROVED = Quality(
    n=1240,
    events=187,
    origins=("2025-09", "2024-09"),
    auc=0.71,
    auc_segment=0.63,
    brier=0.112,
    brier_segment=0.119,
    skill=0.059,
    skill_low=0.031,
    skill_high=0.084,
    captured_by_top_tenth=0.36,
    captured_by_segment_rate=0.31,
    calibration=(
        {"predicted": 0.05, "observed": 0.04, "n": 620},
        {"predicted": 0.25, "observed": 0.27, "n": 620},
    ),
    expected_lost=0.18,
    lost=0.17,
    lost_by_segment=0.22,
)
UNPROVED = replace(PROVED, skill=0.001, skill_low=-0.02, why="no better than the segment's rate")
RULES = pd.DataFrame(
    [
        (FELL.rule, "risk", 96, 0.31, 0.12, 2.6, 1.9, 3.4, 4.2e6, 2.0, True),
        ("NPS below 0", "risk", 41, 0.12, 0.12, 1.0, 0.4, 1.9, 1.1e6, 3.0, False),
        (FULL.rule, "expansion", 60, 0.55, 0.4, 1.4, 1.1, 1.7, 2.0e6, 1.0, True),
    ],
    columns=[
        *("rule", "means", "fired", "hit_rate", "base_rate", "lift", "lift_low", "lift_high"),
        *("arr", "lead_months", "predicts"),
    ],
)
COLUMNS = ["customer", "segment", "arr", "renewal", "p_leave", "p_expand", "p_contract"]
COLUMNS += ["p_leave_segment", "arr_at_risk", "expected_gain", "health", "reasons", "alerts"]
COLUMNS += ["play", "hazard", "expansion", "contraction"]
ALDER = ("Alder", "mid_market", 12000.0, "2026-12", 0.31, 0.2, 0.1, 0.1, 3900.0, 900.0, "red")
ALDER += (("active users falling", "no expansion yet"), (FELL,), "proactive success", 3.5, 0.5, 1.0)
BIRCH = ("Birch", "smb", 6000.0, "2027-06", 0.24, 0.5, 0.1, 0.2, 1500.0, 1200.0, "yellow")
BIRCH += (("price increase",), (FULL,), "usage limits", 1.2, 1.6, 1.0)
CEDAR = ("Cedar", "smb", 3000.0, "", 0.1, 0.1, 0.1, 0.2, 320.0, 200.0, "green")
CEDAR += ((), (), "", 0.5, 1.0, 1.0)


def scored(proves: bool = True, **changed) -> Accounts:
    """Three accounts: red, yellow and green; without colours where the score proves nothing."""
    frame = pd.DataFrame([ALDER, BIRCH, CEDAR], columns=COLUMNS)
    if not proves:
        ones = {"hazard": 1.0, "expansion": 1.0, "contraction": 1.0}
        frame = frame.assign(health="", p_leave=frame["p_leave_segment"], **ones)
    totals = {"arr": 21000.0, "at_risk": 5720.0, "gain": 2300.0, "expected": 17580.0}
    totals |= {"plain": 17580.0 if not proves else 17400.0}
    totals["accounts"] = totals["expected"] - totals["plain"]
    how = {
        "ledger": nr.read_ledger(pd.read_csv(StringIO(LEDGER))),
        "as_of": AS_OF,
        "horizon": 12,
        "quality": PROVED if proves else UNPROVED,
        "rules": RULES,
        "totals": totals,
        "frame": frame,
        "scenario": None,  # no page looks at it
    }
    return Accounts(**{**how, **changed})
