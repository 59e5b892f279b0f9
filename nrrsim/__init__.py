"""nrrsim: net revenue retention that ties to the ledger, says its definition and can be traced.

    import nrrsim as nr
    ledger = nr.read_ledger("ledger.csv")
    actual = ledger.cohort(as_of="2026-09", window=12)      # Movements
    scenario = nr.read_scenario("scenario.yaml")
    outlook = nr.expect(scenario)                           # Movements, exact
    run = nr.simulate(scenario, trials=10_000, seed=1)      # Movements, with trials
    nr.nrr(actual), nr.nrr(outlook), nr.nrr(run)            # the same function

Names are loaded when they are first used, so that the command line starts at once.

The words, one for each thing (MRR and ARR are never added: every amount is ARR, 12 x MRR):

ledger        recurring revenue by customer and month, as it was
opening       what a window's or a month's customers paid at its start; closing: at its end
cohort        the customers with a positive amount at a window's start, and they alone
book          all customers of a company at a date, newcomers included
movement      what a month adds or takes: new, adoption, cross-sell, price, contraction, churn,
              reactivation; unsplit where the ledger does not say why an amount rose
roll-forward  opening + gains - losses = closing, to the cent, each month and segment
window        the months that retention is measured over, twelve unless said otherwise
NRR           net revenue retention: the cohort's closing over its opening
GRR           gross revenue retention: the same, with no customer above its opening
logo          the share of the cohort's customers who are still customers
renewal       the month in which a contract may end; term: monthly or annual
tenure        the years since a customer's first revenue
scenario      what is believed of a book and the months ahead, with the source of each number
driver        what moves revenue in a scenario: churn, contraction, adoption, cross-sell, price,
              reactivation
belief        a number that is not known: an interval or a distribution
shock         a year that is good or bad for all segments at once
programme     what changes drivers from a month on, at a cost
expectation   what a scenario comes to on average, exactly; simulation: trial by trial
frontier      what a driver would have to be for NRR to reach a target
bridge        what makes one number differ from another, step by step
manifest      what a report was made from: every hash, every headline number
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
