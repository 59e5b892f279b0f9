"""What lies in a workspace in, its README and .gitignore as text out; never writes a file."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence

TEMPLATE = "ledger.xlsx"
DECK = "params/board-deck.yaml"

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

{commands}

| file | what it is |
|---|---|
{files}

## The ledger

{ledger}
"""

PLAN = """
## The plan

{how}, then:

{commands}

{later}

{again}
"""
# How a plan is changed, and what becomes of it once the past is learnt anew, by its file.
HOW = {
    "plan.yaml": "Change `params/scenarios/plan.yaml` (or its copy in Excel, which `nrrsim scenario"
    " params/scenarios/plan.yaml --out params/scenarios/plan-2.xlsx` writes)",
    "plan.xlsx": "Open `params/scenarios/plan.xlsx` in Excel, change what is blue (its sheet Answer"
    " shows NRR at once), save it",
}
LATER = {
    "plan.yaml": "Once there is more of it, the past is learnt anew, and the plan stays as it is:",
    "plan.xlsx": "Once there is more of it, the past is learnt anew. The plan holds all of its"
    " numbers itself, so it stays as it is; the second command makes a new one to change:",
}
PLANNED = {
    "plan.yaml": "your plan: it extends that, and states only what differs",
    "plan.xlsx": "your plan, an Excel workbook that computes: at first it is what was learnt",
}

OWN = """
## A section of your own

{notebooks}
"""

FILES = {
    "params/scenarios/learnt.yaml": "what the ledger's past says of churn, expansion and price",
    "params/past-vs-plan.yaml": "the card that compares the two",
}
LIES = {
    True: "It lies in this folder, and git leaves it out.",
    False: "It lies outside this folder: who is given the folder alone needs it, too.",
}
WITH = (
    "Open `notebooks/quarterly_report.ipynb` in JupyterLab (`nrrsim lab` says how to install it),"
    " add a heading, a sentence and a cell that names its data and its picture, and run the card:"
    " it takes the notebook that lies here."
)
WITHOUT = f"`nrrsim new . --notebooks` lays the reports' notebooks here, and nothing else. {WITH}"


def readme(
    company: str, card: str, ledger: str, *, inside: bool, plan: str, notebooks: bool
) -> str:
    """A page on a workspace.

    card, ledger : as seen from the workspace. inside : whether the ledger lies in it. plan : what
        its file is called, empty where there is none.
    """
    name = card.rpartition("/")[2].removesuffix(".yaml")
    head = _commands(
        {
            f"nrrsim check {card}": "what is in the ledger, and what is wrong with it",
            f"nrrsim report {card}": f"the report as PDF and HTML, in reports/{name}",
            f"nrrsim report {DECK} --to pptx": "the board's slides, with charts to edit",
            "nrrsim next .": "the card of the next quarter",
        }
    )
    files = {card: "what is reported, and how the ledger is read, key by key"}
    files[DECK] = "the card of the board's slides, from the same ledger"
    files |= {**FILES, f"params/scenarios/{plan}": PLANNED[plan]} if plan else {}
    files["reports/"] = "a folder for each card that was run, with a manifest of its numbers"
    rows = "\n".join(f"| `{path}` | {what} |" for path, what in files.items())
    where = (
        f"The card names `{ledger}`. {LIES[inside]} The folder `ledger/` is for ledgers, if you"
        " want them here: git leaves out all that lies in it; name them in the card then."
    )
    anew = [f"nrrsim calibrate {card} --out params/scenarios/learnt.yaml"]
    if plan == "plan.xlsx":
        anew.append(
            "nrrsim scenario params/scenarios/learnt.yaml --out params/scenarios/plan-2.xlsx"
        )
    again = "\n".join(["```sh", *anew, "```"])
    compare = _commands(
        {
            f"nrrsim simulate params/scenarios/{plan}": "the range of NRR",
            "nrrsim report params/past-vs-plan.yaml": "plan vs past",
        }
    )
    parts = [
        HEAD.format(company=company, commands=head, files=rows, ledger=_filled(where)),
        PLAN.format(
            how=_filled(HOW[plan]), commands=compare, later=_filled(LATER[plan]), again=again
        )
        if plan
        else "",
        OWN.format(notebooks=_filled(WITH if notebooks else WITHOUT)),
    ]
    return "".join(parts)


def _commands(commands: Mapping[str, str]) -> str:
    width = max(map(len, commands))
    lines = [f"{command:<{width}}  # {what}" for command, what in commands.items()]
    return "\n".join(["```sh", *lines, "```"])


def _filled(text: str) -> str:
    return textwrap.fill(text, 98, break_long_words=False, break_on_hyphens=False)


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
        "# Reports name customers, too: take away the # of these lines to keep them out. What the",
        "# next report is compared with stays: figures, and amounts by keys in the place of names.",
        "# /reports/*/*",
        "# !/reports/*/manifest.json",
        "# !/reports/*/published.parquet",
        "# !/reports/*/before/",
        "~$*",
        ".~lock.*",
    ]
    return "".join(f"{line}\n" for line in lines)
