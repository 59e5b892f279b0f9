"""nrrsim: net revenue retention that ties to the ledger, says its definition and can be traced.

    import nrrsim as nr
    ledger = nr.read_ledger("ledger.csv")
    actual = ledger.cohort(as_of="2026-09", window=12)      # Movements
    scenario = nr.read_scenario("scenario.yaml")
    outlook = nr.expect(scenario)                           # Movements, exact
    run = nr.simulate(scenario, trials=10_000, seed=1)      # Movements, with trials
    nr.nrr(actual), nr.nrr(outlook), nr.nrr(run)            # the same function

Names are loaded when they are first used, so that the command line starts at once.

One thing, one word:

- line: a row of a ledger (a customer's product in a month, or a subscription); entry: a checked one
- step: the months between two snapshots of a ledger; window: those that retention is measured over
- book: all customers with an amount, of a ledger's month or at a scenario's start
- cohort: who had an amount at a window's start; label: what a cohort or a book is split by
- movement: why an amount changed (`movements` has the table); opening, closing: before and after
- definition: a published way to compute retention
- driver: what moves amounts in a scenario, at a rate and a size; lever: one that is turned
- belief: a number that is not known for sure; tie: a correlation of two
- year effect: a driver's own good or bad year, in all segments; shock: one that many drivers share
- programme: what changes drivers from a month on, at a cost
- trial: one possible future; draw: one value of each belief; luck: all else that is random
- expectation: the mean over all luck, exact given a draw
- exposure: what could have happened, as chances; event: what did; learnt: what both say
- origin: the month in the past from which a forecast is made; outcome: what then happened
- bridge: a difference by its causes; frontier: what reaches a target; tornado: what matters most
- place: where a thing stands in a file; problem: what is wrong there; finding: the same of data
- card: a notebook's parameters as a file; manifest: what a report was made of, and its numbers
"""

import time
from typing import Any

import lazy_loader

_begun = time.time()  # before any other file of the package was read: `cache` asks

_named, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name != "__version__":
        return _named(name)
    from importlib.metadata import version

    return version("nrrsim")
