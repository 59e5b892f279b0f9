"""What lies in a workspace in, its README and .gitignore as text out; never writes a file."""

from __future__ import annotations

import re
from collections.abc import Sequence

TEMPLATE = "ledger.xlsx"

FIRST = """\
# A ledger to fill in

`{template}` takes a row for each customer and month; its sheet `how to` says what each column
means. Fill it in, then, in this folder:

```sh
nrrsim check {template}
nrrsim new . --ledger {template}
```

The first says what is in it and what is wrong, line by line. The second writes the cards of your
reports beside it, and takes the place of this page. Git leaves `{template}` out.
"""

HEAD = """\
# {company}: net revenue retention

Commands run in this folder. Their options: `nrrsim COMMAND --help`.

```sh
nrrsim check {card}            # what is in the ledger, and what is wrong with it
nrrsim report {card}           # the report, as PDF and HTML, in reports/{name}
nrrsim next .                                # the card of the next quarter
```

| file | what it is |
|---|---|
| `{card}` | what is reported, and how the ledger is read: each key with what it means |
{rows}| `reports/` | a folder for each card that was run, with a manifest of every number |

## The ledger

The card names `{ledger}`. {where} Put the ledgers of this company into `ledger/` if you like (and
say so in the card): git leaves out all that lies there.
"""

PLAN_ROWS = """\
| `params/scenarios/learnt.yaml` | what the ledger's past says of churn, expansion and price |
| `params/scenarios/plan.yaml` | your plan: it extends that, and states only what differs |
| `params/past-vs-plan.yaml` | the card that compares the two |
"""

PLAN = """
## The plan

Change `params/scenarios/plan.yaml`, then:

```sh
nrrsim simulate params/scenarios/plan.yaml   # the range of NRR, and how often the target is reached
nrrsim report params/past-vs-plan.yaml       # the plan against the past, in reports/past-vs-plan
```

The past is learnt anew, once there is more of it, with
`nrrsim calibrate {card} --out params/scenarios/learnt.yaml`; the plan stays as it is.
"""

OWN = """
## A section of your own

{notebooks} A section is a heading, a sentence and a cell that names its data and its picture.
"""

WITH = (
    "Open `notebooks/quarterly_report.ipynb` in JupyterLab (`nrrsim lab` says how to install it),"
    " add cells, and run the card: it takes the notebook in `notebooks/`."
)
WITHOUT = (
    "`nrrsim new OTHER --ledger FILE --notebooks` lays the notebooks into a folder `notebooks/`:"
    " move it here, add cells, and run the card."
)


def readme(
    company: str, card: str, ledger: str, *, inside: bool, plan: bool, notebooks: bool
) -> str:
    """A page on a workspace.

    card, ledger : as seen from the workspace. inside : whether the ledger lies in it.
    """
    name = card.rpartition("/")[2].removesuffix(".yaml")
    outside = "It lies outside this folder: who is given the folder alone needs it, too."
    where = "It lies in this folder, and git leaves it out." if inside else outside
    parts = [
        HEAD.format(
            company=company,
            card=card,
            name=name,
            ledger=ledger,
            where=where,
            rows=PLAN_ROWS if plan else "",
        ),
        PLAN.format(card=card) if plan else "",
        OWN.format(notebooks=WITH if notebooks else WITHOUT),
    ]
    return "".join(parts)


def first_readme() -> str:
    """A page on a folder that holds a template alone."""
    return FIRST.format(template=TEMPLATE)


def gitignore(ledgers: Sequence[str]) -> str:
    """What git is to leave out: `ledger/`, and the ledgers that lie elsewhere in the workspace."""
    named = [re.sub(r"([\\ !#\[\]])", r"\\\1", path) for path in ledgers]
    lines = [
        "# Ledgers hold customers' names and amounts: they stay out of git.",
        "/ledger/*",
        "!/ledger/.gitkeep",
        *(f"/{path}" for path in named),
        "# Reports name customers, too: take away the # to keep them out.",
        "# /reports/*/",
        "~$*",
        ".~lock.*",
    ]
    return "\n".join(lines) + "\n"
