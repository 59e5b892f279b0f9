"""nrrsim: net revenue retention that ties to the ledger, says its definition and can be traced.

    import nrrsim as nr
    ledger = nr.read_ledger("ledger.csv")
    actual = ledger.cohort(as_of="2026-09", window=12)      # Movements
    scenario = nr.read_scenario("scenario.yaml")
    outlook = nr.expect(scenario)                           # Movements, exact
    run = nr.simulate(scenario, trials=10_000, seed=1)      # Movements, with trials
    nr.nrr(actual), nr.nrr(outlook), nr.nrr(run)            # the same function

Names are loaded when they are first used, so that the command line starts at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
