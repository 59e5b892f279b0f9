"""What was known in, who leaves, shrinks or grows with which probability out; never looks ahead.

A customer's hazard in a step is its segment's, at a renewal or between, moved by what is known of
it: a logistic regression whose offset is the segment's rate. How much it may move is learnt from
later months that earlier ones are asked to foresee; where nothing can be foreseen it is not moved
at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nrrsim import special
from nrrsim.accounts.features import KINDS, YEAR, Feature, Panel
from nrrsim.engine.law import threads

SPREADS = (0.0, 0.03, 0.1, 0.3, 1.0)  # prior sd of a standardised coefficient; 0: segment's rate
PSEUDO = 12  # customer-months by which a cell leans on its segment, and a segment on the book
FEW = 10  # events of a kind below which there is nothing to learn
MOST_OFF = 5.0  # standard deviations a feature may be from its mean
RARE = 0.005  # share of rows with a pattern of unknowns, below which it has no column of its own
MOST_ROWS = 40_000  # without an event that are fitted; of more a part stands for all, weighted
MOST_COLUMNS = 100  # that are fitted together; of more those that say most one by one
BLOCKS, LEAST_PAST = 4, 3  # of later months; steps before the first
SNAPSHOTS = 12  # the latest ones, from which it is told how fast a signal fades
MOST_FOLLOWED = 5_000  # customers by whom that is told
CELLS = 3  # of a segment: no renewal, a renewal, not known


@dataclass(frozen=True)
class Ahead:
    """Hazards of those there at the origin, step by step: `ndarray[step, customer]`.

    model, segment : by the account model, and by the segment's rate alone.
    """

    model: np.ndarray
    segment: np.ndarray

    def within(self, steps: np.ndarray | int, by: str = "model") -> np.ndarray:
        """`ndarray[customer]`: the probability that it happens within that many steps."""
        hazard = getattr(self, by)
        counts = np.arange(len(hazard))[:, None] < np.broadcast_to(steps, hazard.shape[1])
        # sorted, so that those of the same rates in another order are alike to the last bit
        logs = np.sort(np.log1p(-np.where(counts, hazard, 0.0)), axis=0)
        return np.asarray(-np.expm1(logs.sum(axis=0)))

    def times(self) -> np.ndarray:
        """`ndarray[customer]`: how many times as often as its segment's it happens to each, over
        all steps, which may see it more than once.
        """
        often, usual = self.model.sum(axis=0), self.segment.sum(axis=0)
        return np.asarray(np.divide(often, usual, out=np.ones_like(often), where=usual > 0))


class _Fit(NamedTuple):
    """What was learnt of one kind: the rates of cells, the prior's spread, the coefficients."""

    rates: np.ndarray
    spread: float
    coefficients: np.ndarray


class Risk:
    """The account model of one origin: fitted to all that was known then, and to nothing else."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.steps_known = (panel.origin - panel.begin) // panel.ledger.step
        self._sample()
        self._follow()
        self._looked_at = np.unique(np.concatenate([self.rows, self.followed, panel.now]))
        self._of_signals, self._signals = panel.signal_columns(self._looked_at)
        raw = self._raw(self.rows)
        weights = self.weight / max(self.weight.sum(), 1e-300)
        known = ~np.isnan(raw)
        share = weights @ known
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.nan_to_num(weights @ np.where(known, raw, 0.0) / share)
            off = np.where(known, raw - mean, 0.0)
            sd = np.sqrt(np.nan_to_num(weights @ off**2 / share))
        self.mean, self.scale = mean, np.where(sd > 1e-9, sd, np.inf)
        self.unknown = _patterns(~known, 1 - share)
        self.varies = np.flatnonzero(np.isfinite(self.scale))
        self.X = self._columns(raw)
        self._fits: dict[str, _Fit] = {}
        self._aheads: dict[tuple[str, int], Ahead] = {}

    # --- columns ----------------------------------------------------------------------------------

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """What each column of `_columns` is."""
        all_ = (*self.panel.of_ledger, *self._of_signals)
        unknown = [
            Feature(f"unknown {all_[j].name}", _no_words, "", all_[j].is_signal)
            for j in self.unknown
        ]
        return (*(all_[j] for j in self.varies), *unknown)

    def _raw(self, rows: np.ndarray, ahead: int = 0) -> np.ndarray:
        """What is known of rows that are looked at, calendar and tenure moved on."""
        signals = self._signals[np.searchsorted(self._looked_at, rows)]
        return np.concatenate([self.panel.columns(rows, ahead), signals], 1)

    def _columns(self, raw: np.ndarray) -> np.ndarray:
        z = (raw[:, self.varies] - self.mean[self.varies]) / self.scale[self.varies]
        z = np.nan_to_num(np.clip(z, -MOST_OFF, MOST_OFF))
        return np.concatenate([z, np.isnan(raw[:, self.unknown])], 1)

    def _sample(self) -> None:
        """The rows to learn from: all with an event to leave, and of the others at most so many,
        each standing for as many as are left out.
        """
        past = self.panel.past
        left = self.panel.outcome["leave"][past] == 1
        self.rows, self.weight = past, np.ones(len(past))
        if (others := int((~left).sum())) > MOST_ROWS:
            # evenly over the rows, whose order follows from what is in them alone
            place = np.cumsum(~left) * (MOST_ROWS / others)
            taken = left | (np.floor(place) > np.floor(place - MOST_ROWS / others))
            part = (taken & ~left).sum() / others
            self.rows, self.weight = past[taken], np.where(left[taken], 1.0, 1 / part)

    def _follow(self) -> None:
        """The latest rows of those by whom it is told how fast signals fade."""
        panel = self.panel
        rows = np.flatnonzero(panel.month > panel.origin - 2 * SNAPSHOTS * panel.ledger.step)
        every = -(-len(np.unique(panel.customer[rows])) // MOST_FOLLOWED)
        self.followed = rows[panel.customer[rows] % max(every, 1) == 0]

    @cached_property
    def _z(self) -> np.ndarray:
        return self._columns(self._raw(self.followed))

    # --- fit --------------------------------------------------------------------------------------

    def fit(self, kind: str) -> _Fit:
        """What is learnt of one kind of outcome."""
        if kind not in self._fits:
            self._fits[kind] = self._fit(kind)
        return self._fits[kind]

    def learnt(self) -> dict[str, dict[str, Any]]:
        """What is learnt of each kind, as `cache` keeps it."""
        return {kind: self.fit(kind)._asdict() for kind in KINDS}

    def take(self, learnt: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what was `learnt` of the same panel."""
        self._fits = {kind: _Fit(**each) for kind, each in learnt.items()}

    def _fit(self, kind: str) -> _Fit:
        panel, cells = self.panel, CELLS * len(self.panel.segments)
        everything, all_y = panel.past, panel.outcome[kind][panel.past]
        all_cell, all_month = panel.cell(everything), panel.month[everything]
        rate = rates(all_cell, all_y, cells, panel.ledger.step)
        nothing = _Fit(rate, 0.0, np.zeros(1 + self.X.shape[1]))
        if all_y.sum() < FEW or not self.X.shape[1]:
            return nothing

        y, cell = panel.outcome[kind][self.rows], panel.cell(self.rows)
        month, step = panel.month[self.rows], panel.ledger.step
        half = max(LEAST_PAST, self.steps_known // 2)
        edges = np.unique(np.linspace(half, self.steps_known, BLOCKS + 1).round().astype(int))
        blocks = []
        for a, z in pairwise(edges):
            begin, end = panel.begin + a * step, panel.begin + z * step
            # of the months before the block no step may reach into it
            known = all_month < begin
            offset = special.logit(rates(all_cell[known], all_y[known], cells, step))[cell]
            before, block = month < begin, (month >= begin) & (month < end)
            blocks.append((offset, before, self._telling(y, offset, before), block))
        starts: list[np.ndarray | None] = [None] * len(blocks)
        best, spread = -np.inf, 0.0
        for wider in SPREADS:
            score = 0.0
            for place, (offset, before, told, block) in enumerate(blocks):
                found = starts[place] = self._ridge(y, offset, before, told, wider, starts[place])
                eta = offset[block] + found[0] + self.X[block] @ found[1:]
                score += float(self.weight[block] @ (y[block] * eta - np.logaddexp(0, eta)))
            if score <= best:
                break  # from here on it only says more than the past bears out
            best, spread = score, wider
        if spread == 0:
            return nothing
        offset, every = special.logit(rate)[cell], np.ones(len(y), bool)
        told = self._telling(y, offset, every)
        return _Fit(rate, spread, self._ridge(y, offset, every, told, spread, None))

    def _ridge(
        self,
        y: np.ndarray,
        offset: np.ndarray,
        among: np.ndarray,
        columns: np.ndarray,
        spread: float,
        start: np.ndarray | None,
    ) -> np.ndarray:
        """Intercept, which no prior holds, and coefficients."""
        flat = np.zeros(1 + self.X.shape[1])
        if spread == 0 or not y[among].any() or y[among].all():
            return flat  # where all are alike there is nothing to tell apart
        from glum import GeneralizedLinearRegressor

        weight = self.weight[among]
        place = np.concatenate([[0], 1 + columns])  # the intercept stands first
        model = GeneralizedLinearRegressor(
            family="binomial",
            l1_ratio=0,
            alpha=1 / (spread**2 * weight.sum()),
            gradient_tol=1e-5,
            max_iter=100,
            start_params=start[place] if start is not None and start.any() else None,
        )
        # more threads would only wait for each other, and add up in another order
        with threads("accounts").limit(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(
                self.X[np.ix_(among, columns)], y[among], sample_weight=weight, offset=offset[among]
            )
        flat[place] = np.concatenate([[model.intercept_], model.coef_])
        return flat

    def _telling(self, y: np.ndarray, offset: np.ndarray, among: np.ndarray) -> np.ndarray:
        """The columns that are fitted: all, or of very many those that say most of what the
        offset leaves open, each alone (score test).
        """
        columns = np.arange(self.X.shape[1])
        if len(columns) <= MOST_COLUMNS:
            return columns
        known, weight, p = self.X[among], self.weight[among], special.expit(offset[among])
        spread = np.sqrt((weight * p * (1 - p)) @ known**2)
        says = np.abs((weight * (y[among] - p)) @ known) / np.maximum(spread, 1e-9)
        return np.sort(np.argsort(-says, kind="stable")[:MOST_COLUMNS])

    # --- ahead ------------------------------------------------------------------------------------

    def ahead(self, kind: str, months: int = YEAR) -> Ahead:
        """The hazards of the steps of the months to come, of those there at the origin."""
        if (kind, months) not in self._aheads:
            self._aheads[kind, months] = self._ahead(kind, months)
        return self._aheads[kind, months]

    def _ahead(self, kind: str, months: int) -> Ahead:
        panel, fit, step = self.panel, self.fit(kind), self.panel.ledger.step
        rows, base, linear = panel.now, special.logit(fit.rates), fit.coefficients
        signal = np.array([each.is_signal for each in self.features], bool)
        segment = panel.segment[rows]
        hazards, segments = [], []
        for nth in range(months // step):
            offset = base[panel.cell(rows, nth * step)]
            hazard = special.expit(offset)
            segments.append(hazard)
            if fit.spread:
                parts = self._columns(self._raw(rows, nth * step)) * linear[1:]
                of_ledger = offset + linear[0] + parts[:, ~signal].sum(axis=1)
                held = special.expit(of_ledger + parts[:, signal].sum(axis=1))
                fading = self._fading(nth) * self._kept(nth, linear[1:] * signal)
                faded = of_ledger + (parts * fading)[:, signal].sum(axis=1)
                # where signals fade, so does what they say of all: the mean goes back to the rate
                part = parts[:, signal].var(axis=0)
                kept = part @ fading[signal] / part.sum() if part.any() else 1.0
                wanted = kept * held + (1 - kept) * special.expit(offset)
                hazard = _shifted(faded, wanted, segment) if nth else held
            hazards.append(hazard)
        return Ahead(np.array(hazards), np.array(segments))

    def _fading(self, nth: int) -> np.ndarray:
        """`ndarray[column]`: by what a standardised signal is multiplied so many steps ahead."""
        while len(self._faded) <= nth:
            self._faded.append(self._slope(len(self._faded)))
        return self._faded[nth]

    def _kept(self, nth: int, linear: np.ndarray) -> float:
        """The slope of what all signals say together on what their own fading leaves of it."""
        if not nth:
            return 1.0
        then, now = self._pairs(nth)
        if len(then) < SNAPSHOTS:
            return 1.0
        left, later = (self._z @ (linear * self._fading(nth)))[then], (self._z @ linear)[now]
        left, later = left - left.mean(), later - later.mean()
        return float(np.clip(left @ later / max(left @ left, 1e-300), 0.0, 1.0))

    @cached_property
    def _faded(self) -> list[np.ndarray]:
        return [np.ones(self.X.shape[1])]

    def _pairs(self, nth: int) -> tuple[np.ndarray, np.ndarray]:
        """`ndarray[pair]`: rows of those still there so many steps later, and the later ones."""
        panel = self.panel
        customer, month = panel.customer[self.followed], panel.month[self.followed]
        apart = nth * panel.ledger.step
        far = np.int64(1) << 32
        key = customer * far + month
        late = np.flatnonzero(month > panel.origin - SNAPSHOTS * panel.ledger.step)
        early = np.searchsorted(key, key[late] - apart)
        early = np.minimum(early, len(key) - 1)
        both = key[early] == key[late] - apart
        return early[both], late[both]

    def _slope(self, nth: int) -> np.ndarray:
        """The slope of a column on itself so many steps before, over those still there."""
        then, now = self._pairs(nth)
        if len(then) < SNAPSHOTS:
            return self._faded[-1]
        then, now = (self._z[rows] - self._z[rows].mean(axis=0) for rows in (then, now))
        spread = (then**2).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(spread > 1e-9, (then * now).sum(axis=0) / spread, 1.0)
        return np.clip(slope, 0.0, 1.0)

    def held(
        self, kind: str, rows: np.ndarray, months: int, without: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of any rows the probability that it happens within so many months, signals as they then
        were, `ndarray[row]`; and the standardised signals, `ndarray[row, signal]`.

        without : a feature that the probability is to know nothing of.
        """
        panel, fit, step = self.panel, self.fit(kind), self.panel.ledger.step
        linear = fit.coefficients[1:] * [each.name != without for each in self.features]
        signals, stays = panel.signal_columns(rows)[1], np.ones(len(rows))
        z = np.zeros((len(rows), 0))
        for ahead in range(0, months, step):
            eta = special.logit(fit.rates)[panel.cell(rows, ahead)]
            if fit.spread or not ahead:
                raw = np.concatenate([panel.columns(rows, ahead), signals], 1)
                known = self._columns(raw)
                z = z if ahead else known[:, [each.is_signal for each in self.features]]
                eta = eta + fit.coefficients[0] + known @ linear
            stays *= 1 - special.expit(eta)
        return 1 - stays, z

    # --- why --------------------------------------------------------------------------------------

    def why(self, kind: str, most: int = 3) -> list[list[tuple[Feature, float, str]]]:
        """For each customer there at the origin what moves it most from its segment's rate, in the
        next step: the feature, by how much (logits), and its words; the strongest first.
        """
        panel, linear = self.panel, self.fit(kind).coefficients
        rows = panel.now
        raw = self._raw(rows)
        z = self._columns(raw)
        parts = z * linear[1:]
        order = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, : 3 * most]
        places = [*self.varies, *self.unknown]
        found = []
        for i, ranked in enumerate(order):
            own: list[tuple[Feature, float, str]] = []
            for j in ranked:
                feature = self.features[j]
                # a fall of use that speaks for staying only corrects what another column says
                is_odd = feature.risk * raw[i, places[j]] * parts[i, j] < 0
                if len(own) < most and abs(parts[i, j]) > LEAST_TOLD and not is_odd:
                    own.append(
                        (feature, float(parts[i, j]), feature.words(raw[i, places[j]], z[i, j]))
                    )
            found.append(own)
        return found


LEAST_TOLD = 0.05  # logits: a part below this moves nobody


def rates(cell: np.ndarray, happened: np.ndarray, cells: int, step: int = 1) -> np.ndarray:
    """The rate of each cell: a cell leans on its segment, and a segment on the book."""
    lean = PSEUDO / step
    n, events = np.bincount(cell, minlength=cells), np.bincount(cell, happened, cells)
    book = (events.sum() + 0.5) / (n.sum() + 1)
    segment = events.reshape(-1, CELLS).sum(1) + lean * book
    segment = segment / (n.reshape(-1, CELLS).sum(1) + lean)
    return np.asarray((events + lean * np.repeat(segment, CELLS)) / (n + lean))


def _patterns(gaps: np.ndarray, share: np.ndarray) -> list[int]:
    """A column for each different pattern of unknowns, but for rare ones and such as are usual."""
    found: dict[bytes, int] = {}
    for j in np.flatnonzero((share >= RARE) & (share <= 1 - RARE)):
        found.setdefault(np.packbits(gaps[:, j]).tobytes(), int(j))
    return list(found.values())


def _shifted(eta: np.ndarray, held: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Hazards at `eta` and one shift a segment, so that their mean over all of its customers is
    that of `held`.

    Over all, not over survivors: who is held at risk leaves and takes the mean down with it, while
    in truth others come to be at risk in its place.
    """
    number = np.maximum(np.bincount(segment), 1)
    wanted = np.bincount(segment, held) / number
    low, high = np.full(len(wanted), -30.0), np.full(len(wanted), 30.0)
    for _ in range(50):  # halving: the mean rises with the shift
        middle = (low + high) / 2
        above = np.bincount(segment, special.expit(eta + middle[segment])) / number > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray(special.expit(eta + ((low + high) / 2)[segment]))


def _no_words(value: float, z: float) -> str:
    return ""
