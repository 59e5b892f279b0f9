"""How long a list of accounts takes, and how good a tree ensemble is beside it: `bench.py` prints its rows.

The ensemble gets the model's own columns and its offset, the segment's rate: boosted on the gradient of the log
likelihood, as many rounds as the latest months ask for. So it says what a logistic regression leaves undone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.tree import DecisionTreeRegressor

import nrrsim as nr
from nrrsim.accounts.at_risk import at_risk
from nrrsim.accounts.features import Panel
from nrrsim.accounts.risk import Risk
from nrrsim.accounts.signals import Signals, read_signals

TESTS = Path(__file__).parent.parent
SHARED = TESTS.parent.parent / "shared" / "data"
MONTHS, SIGNALS, EVER = 48, 10, 1.64  # customers ever, of each who is there in the last month
RATE, MOST_ROUNDS, LEAVES, LEAST_IN_LEAF = 0.05, 300, 8, 100
DATES = (("2021-06", 6), ("2021-09", 3))  # of a real company: as of, months ahead


# --- how long -------------------------------------------------------------------------------------


def write_book(folder: Path, accounts: int) -> Path:
    """A ledger of so many accounts in its last month, with ten signals of each in every month."""
    sys.path.insert(0, str(TESTS / "accounts"))
    from synthetic import grow

    known = grow(int(accounts * EVER), MONTHS, unrelated=SIGNALS - 2)
    folder.mkdir()
    known.ledger().to_csv(folder / "ledger.csv", index=False)
    known.table().to_csv(folder / "signals.csv", index=False)
    return folder


def listed(folder: Path, clock: Any) -> list[float]:
    """Fit, proof and list a year ahead; the reading is not timed."""
    ledger = nr.read_ledger(folder / "ledger.csv")
    signals = read_signals(folder / "signals.csv", ledger)
    with clock:
        told = at_risk(ledger, ledger.months[-1], signals=signals)
    return [len(told.frame), told.quality.skill]


# --- a tree ensemble beside it --------------------------------------------------------------------


class Trees:
    """A boosted ensemble with an offset; `columns` [row, column], `left` 0 or 1, `offset` in logits."""

    def __init__(
        self, columns: np.ndarray, left: np.ndarray, offset: np.ndarray, month: np.ndarray
    ) -> None:
        late = month >= np.quantile(month, 0.75)
        rounds = self._grow(
            columns[~late], left[~late], offset[~late], (columns[late], left[late], offset[late])
        )
        self.trees: list[tuple[DecisionTreeRegressor, np.ndarray]] = []
        self._grow(columns, left, offset, None, rounds)

    def _grow(self, columns, left, offset, later=None, rounds=MOST_ROUNDS) -> int:
        """Fits; with later rows, answers after how many rounds they are foretold best."""
        self.trees, eta = [], offset.copy()
        losses = [] if later is None else [_loss(later[1], later[2])]
        ahead = None if later is None else later[2].copy()
        for number in range(rounds):
            p = expit(eta)
            tree = DecisionTreeRegressor(
                max_leaf_nodes=LEAVES, min_samples_leaf=LEAST_IN_LEAF, random_state=number
            )
            leaf = tree.fit(columns, left - p).apply(columns)
            # a Newton step in each leaf
            value = np.bincount(leaf, left - p) / (np.bincount(leaf, p * (1 - p)) + 1.0)
            self.trees.append((tree, RATE * value))
            eta += RATE * value[leaf]
            if later is not None:
                ahead += RATE * value[tree.apply(later[0])]
                losses.append(_loss(later[1], ahead))
        return int(np.argmin(losses)) if losses else rounds

    def moved(self, columns: np.ndarray) -> np.ndarray:
        """Logits by which each row differs from its offset."""
        return sum(
            (value[tree.apply(columns)] for tree, value in self.trees), np.zeros(len(columns))
        )


def _loss(left: np.ndarray, eta: np.ndarray) -> float:
    return float((np.logaddexp(0, eta) - left * eta).sum())


class TreesRisk(Risk):
    """The account model, with trees in the place of its logistic regression."""

    def leaving(self, horizon: int) -> np.ndarray:
        """Probability to leave within the horizon, of those there at the origin."""
        panel = self.panel
        left, cell = panel.outcome["leave"][self.rows], panel.cell(self.rows)
        base = logit(self.fit("leave").rates)
        trees = Trees(self.X, left, base[cell], panel.month[self.rows])
        now, stays = panel.now, np.ones(len(panel.now))
        for ahead in range(horizon):
            columns = self._columns(self._raw(now, ahead))
            stays *= 1 - expit(base[panel.cell(now, ahead)] + trees.moved(columns))
        return 1 - stays


def beside_trees() -> list[str]:
    """AUC, Brier and skill of a real company's leaving, by three scores."""
    if not SHARED.is_dir():
        return [
            "The real ledgers are not beside the project: no ensemble beside the account model."
        ]
    ledger = nr.read_ledger(SHARED / "buffer_ledger.csv")
    signals = read_signals(SHARED / "buffer_signals.csv", ledger)
    later = Panel.of(ledger, ledger.months[-1], signals, None)
    rows = []
    for as_of, horizon in DATES:
        rows += _of_date(ledger, signals, later, as_of, horizon)
    return ["| leaving within | score | AUC | Brier | skill |", "|---|---|--:|--:|--:|", *rows]


def _of_date(
    ledger: nr.Ledger, signals: Signals, later: Panel, as_of: str, horizon: int
) -> list[str]:
    risk = TreesRisk(Panel.of(ledger, as_of, signals, None))
    now = risk.panel.names[risk.panel.customer[risk.panel.now]]
    there = [
        set(later.names[later.customer[later.month == risk.panel.origin + k]])
        for k in range(1, horizon + 1)
    ]
    left = np.array([any(name not in month for month in there) for name in now])
    ahead = risk.ahead("leave", horizon)
    scores = {
        "the segment's rate": ahead.within(horizon, "segment"),
        "the account model": ahead.within(horizon),
        "a tree ensemble": risk.leaving(horizon),
    }
    plain = brier_score_loss(left, scores["the segment's rate"])
    return [
        f"| {horizon} months of {as_of} | {name} | {roc_auc_score(left, p):.3f} |"
        f" {brier_score_loss(left, p):.4f} | {1 - brier_score_loss(left, p) / plain:.1%} |"
        for name, p in scores.items()
    ]


if __name__ == "__main__":
    print(
        "\nA real company's customers (tests/accounts/test_truth.py), and who of them will leave:\n"
    )
    print("\n".join(beside_trees()), flush=True)
