"""Actuals and peers' published NRR in, both side by side out; never compares unlike definitions.

Beside each peer stands one's own NRR by the definition that the peer's is alike to. A peer whose
definition is like none of ours stands apart, beside no figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.analysis.actuals import Actuals
from nrrsim.metrics import DEFINITIONS, measure
from nrrsim.months import month_name, parse_month, shift
from nrrsim.movements import json_ratio
from nrrsim.peers import Figure, chosen, names

YEAR = 12  # months that a published figure is of
OWN = ""  # whose figures are one's own, in the place of a company's name
LATEST = (
    *("company", "metric", "period_label", "month", "nrr", "before", "own_month", "own"),
    *("difference", "like", "words", "differs", "source", "status"),
)


@dataclass(frozen=True, eq=False)
class Peers:
    """The actuals of a report, and the `figures` of its peers that are of no later month.

    `company`: whose report it is; `silent`: the peers that have no such figure.
    """

    past: Actuals
    figures: tuple[Figure, ...]
    company: str = "This company"
    silent: tuple[str, ...] = ()
    _own: dict[tuple[str, str], float] = field(default_factory=dict, init=False, repr=False)

    def latest(self) -> pd.DataFrame:
        """The latest figure of each company and measure, in the order in which they were named.

        Columns LATEST. `month`, `nrr`: of the figure; `before`: the figure of a year before; `own`:
        one's own NRR by `like`, the definition that is alike, in `own_month`, the ledger's last
        until then; `difference`: one's own less the peer's. `like` is "" where no definition of
        ours is alike; what is not known is null.
        """
        by_series: dict[tuple[str, str, str], dict[str, Figure]] = {}
        for each in self.figures:
            by_series.setdefault(each.series, {})[each.month] = each
        rows = []
        for of_months in by_series.values():
            last = of_months[max(of_months)]
            ago = of_months.get(shift(last.month, -YEAR))
            own_month, measured = self._own_month(last.month), last.measure
            own = self.own_nrr(own_month, measured.like) if own_month else np.nan
            compared = {
                "before": ago.nrr if ago else np.nan,
                "own_month": own_month,
                "own": own,
                "difference": own - last.nrr,
            }
            rows.append({**vars(last), **measured._asdict(), **compared})
        return pd.DataFrame(rows, columns=list(LATEST))

    def trend(self) -> pd.DataFrame:
        """What can be drawn, by definition: `like`, `company` (OWN is oneself), `month`, `nrr`.

        One's own in the months of the report's trend, and a peer's figures since the first of
        them; of the definitions by which there are both. The report's own definition comes first.
        """
        months = [month for month in self.past.trend()["month"]]
        alike = [each for each in self.figures if each.measure.like and each.month >= months[0]]
        likes = sorted({each.measure.like for each in alike}, key=self._rank)
        rows = []
        for like in likes:
            own = [(like, OWN, month, self.own_nrr(month, like)) for month in months]
            own = [row for row in own if not np.isnan(row[-1])]
            theirs = [
                (like, each.company, each.month, each.nrr)
                for each in alike
                if each.measure.like == like
            ]
            rows += [*own, *theirs] if own else []
        return pd.DataFrame(rows, columns=["like", "company", "month", "nrr"])

    def own_nrr(self, month: str, like: str) -> float:
        """One's own NRR of the year to a month by a definition; nan where it cannot be had."""
        if (month, like) not in self._own:
            covered = like and self._covers(month, like)
            found = measure(self.past.ledger, month, YEAR, like).nrr if covered else np.nan
            self._own[month, like] = found
        return self._own[month, like]

    def _covers(self, month: str, like: str) -> bool:
        """Whether the ledger reaches back as far as the definition asks."""
        is_mean = like == "trailing_average"
        backs = range(0, 10, 3) if is_mean else (0,)
        if is_mean and self.past.ledger.step not in (1, 3):
            return False
        ends = {shift(month, -back) for back in backs}
        return ends | {shift(end, -YEAR) for end in ends} <= set(self.past.ledger.months)

    def _own_month(self, month: str) -> str | None:
        """The ledger's month that stands beside a peer's: its last one up to then."""
        number, step = parse_month(month, "month"), self.past.ledger.step
        near = [month_name(number - back) for back in range(step)]
        return next((each for each in near if each in self.past.ledger.months), None)

    def _rank(self, like: str) -> tuple[bool, int]:
        return like != self.past.definition, list(DEFINITIONS).index(like)

    def record(self) -> dict[str, Any]:
        """What stands beside the report's own figures, for its manifest."""
        rows = self.latest().drop(columns=["words", "differs"]).to_dict("records")
        ratios = ("nrr", "before", "own", "difference")
        return {"peers": [row | {name: json_ratio(row[name]) for name in ratios} for row in rows]}


def peers_of(
    past: Actuals,
    peers: str | Sequence[str] | None,
    company: str = "This company",
    folder: str | Path = ".",
) -> Peers | None:
    """A report among its peers: names of companies whose figures come with nrrsim, files of one's
    own (see `peers.read_peers`), or both; None where none are named.

    company : whose report it is. folder : from which files are named.

    Raises UsageError for a name that is not known or a file that is not there, DataError with all
    that is wrong in a file.
    """
    if not peers:
        return None
    found = chosen(peers, folder)
    # a report that is made again says nothing that was not known then
    figures = tuple(each for each in found if each.month <= past.as_of)
    silent = tuple(each for each in names(found) if each not in names(figures))
    return Peers(past, figures, company, silent)
