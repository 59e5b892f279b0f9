"""What a finance reader should not have to read: identifiers, old forms, words of this project alone."""

import re
from html.parser import HTMLParser

# The left column of the language table, each by what is characteristic of it, and words that only this project used.
OLD_FORMS = (
    r"stood for", r"stands? for", r"took away", r"takes? from what", r"is there in", r"points (more|less) than",
    r"pts since", r"[Ww]ithout any gain", r"[Tt]he one customer whose", r"[Ff]rom top to bottom", r"saying why",
    r"distance between the lines", r"keeps most", r"without whom", r"customers of the same kind", r"bends away",
    r"hangs? on", r"good or bad year for all", r"in the middle", r"(four|nine) (in|of) (five|ten)",
    r"[Bb]elief at its", r"would take away", r"\bluck\b", r"[Bb]y when customers left", r"which counts the spread",
    r"prove little", r"\bbelieve[ds]?\b", r"turns 100 of", r"plan that hopes", r"a unit of increase", r"has a season",
    r"\d %", r"(beta|lognormal|pert) (a|mean|min) \d", r"\btold\b", r"\btaken\b", r"more hangs", r"(?<!Q\d )(?<!Q\d)\b20\d\d Q[1-4]\b",
)  # fmt: skip
OLD_HEADINGS = re.compile(
    r"^\s*(Where|Who|What may happen|How right|What we assume, and why)\s*$", re.MULTILINE
)
IDENTIFIER = re.compile(r"(?<![\w./\\-])[A-Za-z0-9]+(_[A-Za-z0-9]+)+(?![\w/]|\.\w)")
# in prose a month has its name; a date, a path and an address may hold digits
MONTH = re.compile(r"(?<![\w./-])20\d\d-(0[1-9]|1[0-2])(?![\w./-])")


def unlike_a_board(text: str, *, months: bool = True) -> list[str]:
    """What stands in a text and should not, each with what is around it.

    months : whether 2026-09 is one, as it is on pages; a command takes months like that.
    """
    flat = " ".join(text.split())
    patterns = [*map(re.compile, OLD_FORMS), IDENTIFIER, *([MONTH] if months else [])]
    found = [each for pattern in patterns for each in pattern.finditer(flat)]
    told = [f"...{flat[max(0, each.start() - 40) : each.end() + 40]}..." for each in found]
    return [*told, *(each[0].strip() for each in OLD_HEADINGS.finditer(text))]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.formula = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("span", "strong", "em", "a", "code"):
            self.parts.append(" ")
        self.formula = self.formula or tag == "math"

    def handle_endtag(self, tag: str) -> None:
        self.formula = self.formula and tag != "math"

    def handle_data(self, data: str) -> None:
        # neither style nor script, and no formula
        if self.cdata_elem is None and not self.formula:
            self.parts.append(data)


def text_of_page(html: str) -> str:
    """What a page shows, its charts' labels included."""
    page = _Page()
    page.feed(html.partition("<body")[2])
    return "".join(page.parts)
