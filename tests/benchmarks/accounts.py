"""How long the account model takes, and a tree ensemble beside it: `bench.py` prints its rows.

The ensemble gets the model's own columns and its offset, so that it says what a logistic regression leaves on the
table: boosted on the gradient of the log likelihood, as many rounds as later months ask for.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.tree import DecisionTreeRegressor

RATE, MOST_ROUNDS, LEAVES, LEAST_IN_LEAF = 0.05, 300, 8, 100


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
