"""A YAML file of what is believed in, a checked and frozen Scenario out; never draws a random number.

A scenario states its book, its drivers and where each number is from. It may extend another one and state only what
differs: segments and fields are merged by key; a belief, a size, a tenure curve or a bare number replaces what it
overrides whole; changing a number of a driver drops the source and the reason that it had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import AfterValidator, Discriminator, Field, PrivateAttr, Strict, Tag, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from scipy import special

from nrrsim import beliefs
from nrrsim.beliefs import Belief, Between, Finite, Frozen, Positive
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.months import parse_month
from nrrsim.yamlfile import Path_, Place, read_yaml

MOST_MONTHS = 600
MOST_CUSTOMERS = 10_000_000
MOST_SPREAD = 10.0
EVERY_SEGMENT = "all"
Term = Literal["monthly", "annual"]
Driver = Literal["churn", "contraction", "adoption", "cross_sell", "price", "reactivation"]


# --- numbers and beliefs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """What a number may be. `share`: a 90 % interval of it is logit-normal, else lognormal."""

    what: str
    low: float
    high: float
    share: bool = False

    def check(self, value: Any) -> Any:
        if isinstance(value, float):
            if not self.low <= value <= self.high:
                raise PydanticCustomError("range", "{problem}", {"problem": f"{self._must()}, got {value:g}"})
        elif isinstance(value, Between) and self.share and value.between[1] >= 1:
            problem = f"a 90 % interval of {self.what} lies between 0 and 1, got {list(value.between)}"
            raise PydanticCustomError("range", "{problem}", {"problem": problem})
        return value

    def _must(self) -> str:
        if np.isinf(self.high):
            return f"must be {self.low:g} or more ({self.what})"
        return f"must be from {self.low:g} to {self.high:g} ({self.what})"


PROBABILITY = Range("a probability", 0, 1, share=True)
SHARE = Range("a share", 0, 1, share=True)
LOSS = Range("a share of its ARR; losing all of it is churn", 0, 1 - 1e-9, share=True)
GAIN = Range("a share of its ARR", 0, np.inf)
UPLIFT = Range("a rise in price: 0.05 is 5 %; a cut is contraction", 0, np.inf)
POINT = Range("extra churn probability per unit of uplift", 0, np.inf)
YEARLY = Range("events per customer and year", 0, 12)
SHAPE = Range("a parameter of the curve", 1e-9, np.inf)

DISTRIBUTIONS = {get_args(each.model_fields["dist"].annotation)[0]: each for each in get_args(Belief)[1:]}


def _kind(value: Any) -> str | None:
    """Which of the forms of a number this is."""
    if isinstance(value, Mapping):
        if "between" in value:
            return "between"
        if "dist" in value:
            return value["dist"] if value["dist"] in DISTRIBUTIONS else None
        return "sized" if {"mean", "sd"} & set(value) else None
    return getattr(value, "dist", None) or ("between" if isinstance(value, Between) else "number")


Number = Annotated[
    Annotated[Finite, Tag("number")]
    | Annotated[Between, Tag("between")]
    | Annotated[beliefs.Uniform, Tag("uniform")]
    | Annotated[beliefs.Pert, Tag("pert")]
    | Annotated[beliefs.Triangular, Tag("triangular")]
    | Annotated[beliefs.Beta, Tag("beta")]
    | Annotated[beliefs.Normal, Tag("normal")]
    | Annotated[beliefs.Lognormal, Tag("lognormal")],
    Discriminator(_kind),
]
Probability = Annotated[Number, AfterValidator(PROBABILITY.check)]


class Sized(Frozen):
    """A size that each event draws anew, with that mean and standard deviation."""

    mean: Annotated[Finite, Field(gt=0)]
    sd: Annotated[Finite, Field(ge=0)]


class LossSize(Sized):
    """The share that one contraction takes: Beta."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.mean >= 1 or self.sd**2 >= self.mean * (1 - self.mean):
            raise ValueError(
                f"no Beta has mean {self.mean:g} and sd {self.sd:g}: a share needs a mean below 1"
                " and sd^2 < mean (1 - mean)"
            )
        return self


class GainSize(Sized):
    """The share that one adoption or cross-sell adds: lognormal."""


def _size_kind(value: Any) -> str | None:
    return "sized" if _kind(value) == "sized" or isinstance(value, Sized) else "number"


Loss = Annotated[
    Annotated[Annotated[Number, AfterValidator(LOSS.check)], Tag("number")] | Annotated[LossSize, Tag("sized")],
    Discriminator(_size_kind),
]
Gain = Annotated[
    Annotated[Annotated[Number, AfterValidator(GAIN.check)], Tag("number")] | Annotated[GainSize, Tag("sized")],
    Discriminator(_size_kind),
]


# --- drivers -----------------------------------------------------------------------------------------------


class Entry(Frozen):
    """What a driver is believed to be in one segment, or in all; where that is from, and why."""

    source: str = ""
    because: str = ""


class Sbg(Frozen):
    """Shifted beta geometric churn (Fader and Hardie 2007): alpha / (alpha + beta + k - 1) in year k."""

    alpha: Annotated[Number, AfterValidator(SHAPE.check)]
    beta: Annotated[Number, AfterValidator(SHAPE.check)]


class Churn(Entry):
    """The probability that a customer leaves within a year: one, by tenure year, or a curve over them."""

    rate: Probability | None = None
    by_tenure: Annotated[tuple[Probability, ...], Field(min_length=1)] | None = None
    sbg: Sbg | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if sum(form is not None for form in (self.rate, self.by_tenure, self.sbg)) != 1:
            raise ValueError("state one of rate, by_tenure and sbg")
        return self


class Contraction(Entry):
    """A smaller contract: how often, and how much of its ARR goes."""

    rate: Annotated[Number, AfterValidator(YEARLY.check)]
    size: Loss


class Growth(Entry):
    """Adoption or cross-sell: how often, and how much is added."""

    rate: Annotated[Number, AfterValidator(YEARLY.check)]
    size: Gain


class Price(Entry):
    """The yearly increase, who takes it, and who leaves because of it."""

    uplift: Annotated[Number, AfterValidator(UPLIFT.check)]
    acceptance: Annotated[Number, AfterValidator(SHARE.check)] = 1.0
    churn_per_point: Annotated[Number, AfterValidator(POINT.check)] = 0.0


class Reactivation(Entry):
    """The probability that a lapsed customer returns within a year, and at which share of what it left with."""

    rate: Probability
    size: Annotated[Number, AfterValidator(SHARE.check)] = 1.0


class Drivers(Frozen):
    """Each driver by segment, or for `all`; a segment's own entry replaces that of `all` whole."""

    churn: dict[str, Churn] = Field(default_factory=dict)
    contraction: dict[str, Contraction] = Field(default_factory=dict)
    adoption: dict[str, Growth] = Field(default_factory=dict)
    cross_sell: dict[str, Growth] = Field(default_factory=dict)
    price: dict[str, Price] = Field(default_factory=dict)
    reactivation: dict[str, Reactivation] = Field(default_factory=dict)


DRIVERS: tuple[Driver, ...] = get_args(Driver)
CHURN_FORMS = ("rate", "by_tenure", "sbg")
# The range of every number that may be a belief. Its place among them gives it a Sobol dimension of its own.
RANGES: dict[str, Range] = {
    "churn.rate": PROBABILITY,
    "contraction.rate": YEARLY,
    "contraction.size": LOSS,
    "adoption.rate": YEARLY,
    "adoption.size": GAIN,
    "cross_sell.rate": YEARLY,
    "cross_sell.size": GAIN,
    "price.uplift": UPLIFT,
    "price.acceptance": SHARE,
    "price.churn_per_point": POINT,
    "reactivation.rate": PROBABILITY,
    "reactivation.size": SHARE,
    "churn.alpha": SHAPE,
    "churn.beta": SHAPE,
    "churn.by_tenure": PROBABILITY,
}


# --- the book ----------------------------------------------------------------------------------------------


class Segment(Frozen):
    """A part of a synthetic book. `spread` is the standard deviation of log ARR, `tenure` in years."""

    share: Annotated[Finite, Field(ge=0)]
    customers: Annotated[int, Strict(), Field(ge=0, le=MOST_CUSTOMERS)]
    spread: Annotated[Finite, Field(ge=0, le=MOST_SPREAD)] = 0.0
    term: Term = "annual"
    tenure: Annotated[Finite, Field(ge=0, le=200)] = 0.0
    source: str = ""
    because: str = ""

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.share > 0) != (self.customers > 0):
            raise ValueError(
                f"share {self.share:g} and customers {self.customers}: ARR needs customers, and customers ARR;"
                " both may be 0"
            )
        return self


class SyntheticBook(Frozen):
    """A book laid out from a few numbers; shares are normalised."""

    arr: Positive
    segments: Annotated[dict[str, Segment], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_customers(self) -> Self:
        if not any(segment.customers for segment in self.segments.values()):
            raise ValueError("no segment has a customer: there is nothing to retain")
        return self


class LedgerBook(Frozen):
    """The customers of a ledger at `as_of`. `columns`: our word -> your heading."""

    ledger: str
    as_of: str
    term: dict[str, Term] = Field(default_factory=dict)
    columns: dict[str, str] = Field(default_factory=dict)


class NewBusiness(Frozen):
    """What is won a year: its ARR, and from how many customers."""

    arr: Positive
    customers: Annotated[int, Strict(), Field(ge=1, le=MOST_CUSTOMERS)]


def _book_kind(value: Any) -> str:
    is_ledger = "ledger" in value if isinstance(value, Mapping) else isinstance(value, LedgerBook)
    return "from a ledger" if is_ledger else "synthetic"


@dataclass(frozen=True)
class Uncertain:
    """A number that is believed to lie somewhere: `driver.segment.field`, and a Sobol dimension that is its own."""

    name: str
    belief: Belief
    range: Range
    slot: int


@dataclass(frozen=True)
class Customers:
    """The customers of a scenario, sorted by segment and anniversary, with those who are yet to come.

    `segment`, `arr`, `anniversary` (1 to 12), `tenure` (months at month 0), `joins` (the month at whose end it
    joins; 0: it is there at the start): `ndarray[customer]`. `annual`: `ndarray[segment]`.
    """

    segments: tuple[str, ...]
    annual: np.ndarray
    segment: np.ndarray
    arr: np.ndarray
    anniversary: np.ndarray
    tenure: np.ndarray
    joins: np.ndarray


# --- the scenario ------------------------------------------------------------------------------------------


class Scenario(Frozen):
    """What is believed about a book and a time to come. Made by `read_scenario` or `Scenario.of`."""

    title: str = ""
    because: str = ""
    source: str = ""
    months: Annotated[int, Strict(), Field(ge=1, le=MOST_MONTHS)] = 12
    target: Annotated[Finite, Field(gt=0, le=10)] | None = None
    book: Annotated[
        Annotated[SyntheticBook, Tag("synthetic")] | Annotated[LedgerBook, Tag("from a ledger")],
        Discriminator(_book_kind),
    ]
    drivers: Drivers = Drivers()
    correlations: tuple[tuple[str, str, Annotated[Finite, Field(ge=-1, le=1)]], ...] = ()
    shock: dict[Driver, Annotated[Finite, Field(ge=-5, le=5)]] = Field(default_factory=dict)
    new_business: dict[str, NewBusiness] = Field(default_factory=dict)

    _plain: dict[str, Any] = PrivateAttr(default_factory=dict)
    _folder: Path = PrivateAttr(default=Path())

    @classmethod
    def of(cls, values: Mapping[str, Any], folder: str | Path = ".") -> Scenario:
        """From plain values as a file holds them; paths in them are relative to `folder`."""
        plain = deepcopy(dict(values))
        if "extends" in plain:
            return _checked(*_extended(plain, {}, {}, Path(folder) / "scenario", ()), Path(folder))
        return _checked(_with_churn_rates(plain), {}, {}, Path(folder))

    def with_(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Scenario:
        """A new scenario with some values changed, by dotted name: `with_({"drivers.churn.smb.rate": 0.1}, months=24)`.

        A driver that is changed loses its source and its reason.
        """
        plain = deepcopy(self._plain)
        for name, value in {**(changes or {}), **fields}.items():
            _put(plain, name.split("."), deepcopy(value), name)
        return _checked(_with_churn_rates(plain), {}, {}, self._folder)

    def plain(self) -> dict[str, Any]:
        """The values as they would stand in one file, with nothing left to extend."""
        return deepcopy(self._plain)

    @property
    def segments(self) -> tuple[str, ...]:
        return self.opening.segments

    @cached_property
    def opening(self) -> Customers:
        """The customers at month 0."""
        if isinstance(self.book, SyntheticBook):
            return _laid_out(self.book)
        return _of_ledger(self.book, self._folder)

    @cached_property
    def start(self) -> str:
        """The month before the first: the ledger's `as_of`, or M00 for a synthetic book."""
        return self.book.as_of if isinstance(self.book, LedgerBook) else self.month(0)

    def month(self, t: int) -> str:
        """The name of month t: YYYY-MM where the book is a ledger's, else M01, M02, ..."""
        from nrrsim.months import shift

        if isinstance(self.book, LedgerBook):
            return shift(self.book.as_of, t)
        return f"M{t:0{max(2, len(str(self.months)))}d}"

    def customers(self) -> Customers:
        """Those of the opening book, and those whom the `new_business` plan brings until the last month."""
        return _with_newcomers(self.opening, self.new_business, self.months)

    def entry(self, driver: str, segment: str) -> tuple[Any, str] | None:
        """A driver's entry for a segment and under which key it stands: its own, or that of `all`."""
        entries = getattr(self.drivers, driver)
        for key in (segment, EVERY_SEGMENT):
            if key in entries:
                return entries[key], key
        return None

    def uncertain(self) -> list[Uncertain]:
        """Every number that is a belief."""
        keys = (EVERY_SEGMENT, *self.segments)
        fields, found = list(RANGES), []
        for driver in DRIVERS:
            for key, entry in getattr(self.drivers, driver).items():
                for field, value in _numbers(entry):
                    if isinstance(value, float):
                        continue
                    kind, _, year = field.partition(".")
                    place = fields.index(f"{driver}.{kind}") + int(year or 1) - 1
                    name = f"{driver}.{key}.{field}"
                    slot = 1 + place * len(keys) + keys.index(key)
                    found.append(Uncertain(name, value, RANGES[f"{driver}.{kind}"], slot))
        return found

    def ties(self) -> list[tuple[str, str, float]]:
        """The correlations of beliefs, by their full names."""
        known = [each.name for each in self.uncertain()]
        pairs = [(_full_name(a, known), _full_name(b, known), rho) for a, b, rho in self.correlations]
        return [(a, b, rho) for a, b, rho in pairs if a and b]

    @property
    def notices(self) -> tuple[str, ...]:
        """What to know about the scenario that does not make it wrong."""
        known = [each.name for each in self.uncertain()]
        told = [
            f"correlations: {name} is a plain number, so its correlation has no effect"
            for pair in self.correlations
            for name in pair[:2]
            if not _full_name(name, known)
        ]
        if self.ties() and (change := beliefs.correlation_matrix(self.ties())[2]):
            told.append(
                "correlations: no such set of correlations can be; the nearest one that can be is used"
                f" (changed by up to {change:.2f})"
            )
        return tuple(dict.fromkeys(told))


def _numbers(entry: Entry) -> Iterator[tuple[str, Any]]:
    """The numbers of an entry and their names within it; a size that each event draws anew is none."""
    for field in type(entry).model_fields:
        value = getattr(entry, field)
        if field in ("source", "because") or value is None or isinstance(value, Sized):
            continue
        if isinstance(value, Sbg):
            yield from (("alpha", value.alpha), ("beta", value.beta))
        elif isinstance(value, tuple):
            yield from ((f"by_tenure.{year}", each) for year, each in enumerate(value, 1))
        else:
            yield field, value


def _full_name(name: str, known: Collection[str]) -> str:
    """A number's name with its field, which may be left out where it is the rate or the uplift; empty if not known."""
    return next((full for full in (name, f"{name}.rate", f"{name}.uplift") if full in known), "")


# --- customers ---------------------------------------------------------------------------------------------


def _laid_out(book: SyntheticBook) -> Customers:
    """Customer j of n: ARR in proportion to exp(spread z_j), z_j = ndtri((j + 1/2) / n); anniversary 1 + j mod 12."""
    whole = sum(segment.share for segment in book.segments.values())
    arr, anniversary, tenure = [], [], []
    for segment in book.segments.values():
        j = np.arange(segment.customers)
        weight = np.exp(segment.spread * special.ndtri((j + 0.5) / max(segment.customers, 1)))
        arr.append(weight * (book.arr * segment.share / whole / max(weight.sum(), 1e-300)))
        anniversary.append(1 + j % 12)
        tenure.append(np.full(segment.customers, segment.tenure * 12))
    number = np.repeat(np.arange(len(arr)), [len(each) for each in arr])
    return _sorted(
        tuple(book.segments),
        np.array([segment.term == "annual" for segment in book.segments.values()]),
        number,
        np.concatenate(arr),
        np.concatenate(anniversary),
        np.concatenate(tenure),
    )


def _of_ledger(book: LedgerBook, folder: Path) -> Customers:
    """The customers of the ledger at `as_of`, with their renewals and how long they have been there."""
    import pandas as pd

    from nrrsim.ledger import read_ledger

    ledger = read_ledger(folder / book.ledger, columns=book.columns, until=book.as_of)
    now, first = parse_month(book.as_of, "book.as_of"), parse_month(ledger.months[0], "month")
    there = ledger.customers(book.as_of)
    frame = ledger.entries.frame
    begun = frame.groupby("customer", observed=True)["month"].min().reindex(there.index).to_numpy()
    renewal = there["renewal"].to_numpy(float) if "renewal" in there else np.full(len(there), np.nan)
    known = ~np.isnan(renewal)
    unknown = ~known & (begun == first)
    month = np.where(known, np.nan_to_num(renewal), begun).astype(np.int64)
    anniversary = 1 + (month - now - 1) % 12
    rank = pd.Series(there.index[unknown].astype(str)).rank(method="first").to_numpy(np.int64) - 1
    anniversary[unknown] = 1 + rank % 12
    segment = there["segment"].astype("category").cat.remove_unused_categories()
    names = tuple(map(str, segment.cat.categories))
    strange = [name for name in book.term if name not in names]
    if strange:
        raise UsageError(f"book.term.{strange[0]}: is not a segment; {did_you_mean(strange[0], names)}")
    return _sorted(
        names,
        np.array([book.term.get(name, "annual") == "annual" for name in names]),
        segment.cat.codes.to_numpy(np.int64),
        there["arr"].to_numpy(float),
        anniversary,
        (now - begun).astype(float),
    )


def _with_newcomers(opening: Customers, plan: Mapping[str, NewBusiness], months: int) -> Customers:
    """Those of the opening book and floor(n t / 12) - floor(n (t - 1) / 12) newcomers in month t, all of one size."""
    if not plan:
        return opening
    parts: list[tuple[np.ndarray, ...]] = []
    for name, new in plan.items():
        t = np.repeat(np.arange(1, months + 1), np.diff(new.customers * np.arange(months + 1) // 12))
        number = np.full(len(t), opening.segments.index(name))
        parts.append((number, np.full(len(t), new.arr / new.customers), 1 + (t - 1) % 12, -t.astype(float), t))
    segment, arr, anniversary, tenure, joins = (np.concatenate(each) for each in zip(*parts, strict=True))
    return _sorted(
        opening.segments,
        opening.annual,
        np.concatenate([opening.segment, segment]),
        np.concatenate([opening.arr, arr]),
        np.concatenate([opening.anniversary, anniversary]),
        np.concatenate([opening.tenure, tenure]),
        np.concatenate([opening.joins, joins]),
    )


def _sorted(
    segments: tuple[str, ...],
    annual: np.ndarray,
    segment: np.ndarray,
    arr: np.ndarray,
    anniversary: np.ndarray,
    tenure: np.ndarray,
    joins: np.ndarray | None = None,
) -> Customers:
    order = np.lexsort((anniversary, segment))
    joins = np.zeros(len(arr), np.int64) if joins is None else joins
    return Customers(segments, annual, segment[order], arr[order], anniversary[order], tenure[order], joins[order])


# --- reading, extending, checking --------------------------------------------------------------------------


def read_scenario(path: str | Path) -> Scenario:
    """The scenario of a file, with all that it extends; raises UsageError with everything that is wrong.

    A ledger that its book names is read, too (DataError if that is rejected).
    """
    file = Path(path)
    document = read_yaml(path, "scenario")
    scenario = _checked(
        *_extended(document.values, document.keys, document.places, file, (file.resolve(),)), file.parent
    )
    if not scenario.title:
        scenario = scenario.with_(title=file.stem)
    return scenario


Places = dict[Path_, Place]


def _extended(
    values: dict[str, Any], keys: Places, places: Places, file: Path, seen: tuple[Path, ...]
) -> tuple[dict[str, Any], Places, Places]:
    """The values with those of every file they extend merged below them, and where each stands."""
    values = _with_churn_rates(values)
    if "extends" not in values:
        return values, keys, places
    at = f"{places[('extends',)]} " if ("extends",) in places else ""
    parent = values.pop("extends")
    if not isinstance(parent, str):
        raise UsageError(f"{at}extends: must be the path of one scenario file, got {parent!r}")
    base = file.parent / parent
    if base.resolve() in seen:
        chain = " -> ".join(each.name for each in (*seen, base.resolve()))
        raise UsageError(f"{at}extends: goes round in a circle ({chain}); one of them must stand alone")
    if not base.is_file():
        near = did_you_mean(base.name, sorted(each.name for each in base.parent.glob("*.yaml")) or ["none"])
        raise UsageError(f"{at}extends: there is no scenario {parent}; {near}")
    document = read_yaml(base, "scenario")
    below, base_keys, base_places = _extended(
        document.values, document.keys, document.places, base, (*seen, base.resolve())
    )
    return _merged(below, values, ()), base_keys | keys, base_places | places


def _merged(base: Any, over: Any, at: Path_) -> Any:
    is_value = len(at) >= 4 or (at and at[0] in ("correlations",))
    if is_value or not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    if at == ("book",) and _book_kind(base) != _book_kind(over):
        return over
    result = {key: value for key, value in base.items() if not _gives_way(key, base, over, at)}
    for key, value in over.items():
        result[key] = _merged(base[key], value, (*at, key)) if key in base else value
    return result


def _gives_way(key: str, base: Mapping[str, Any], over: Mapping[str, Any], at: Path_) -> bool:
    """Whether a field of a driver's entry goes because of what overrides the entry: a form of churn or a source."""
    if len(at) != 3 or at[0] != "drivers":
        return False
    if at[1] == "churn" and key in CHURN_FORMS and any(form in over for form in CHURN_FORMS):
        return True
    told = ("source", "because")
    return key in told and any(name not in told and base.get(name) != value for name, value in over.items())


def _with_churn_rates(values: dict[str, Any]) -> dict[str, Any]:
    """A churn entry that is a bare number or belief, as an entry with a rate."""
    values = dict(values)
    drivers = values.get("drivers")
    if isinstance(drivers, Mapping) and isinstance(drivers.get("churn"), Mapping):
        churn = {key: _as_entry(entry) for key, entry in drivers["churn"].items()}
        values["drivers"] = {**drivers, "churn": churn}
    return values


def _as_entry(entry: Any) -> Any:
    if isinstance(entry, Mapping) and ({"between", "dist"} & set(entry)):
        told = {key: value for key, value in entry.items() if key in ("source", "because")}
        return {"rate": {key: value for key, value in entry.items() if key not in told}, **told}
    return {"rate": entry} if isinstance(entry, int | float) and not isinstance(entry, bool) else entry


def _put(plain: dict[str, Any], parts: list[str], value: Any, name: str) -> None:
    """Set one value by its path, in place."""
    node: Any = plain
    for depth, part in enumerate(parts[:-1]):
        node = node.setdefault(part, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise UsageError(f"{name}: {'.'.join(parts[: depth + 1])} holds one value, not parts of it")
        if depth == 2 and parts[0] == "drivers":
            for key in [key for key in node if _gives_way(key, node, {parts[3]: value}, tuple(parts[:3]))]:
                del node[key]
    node[parts[-1]] = value


def _checked(plain: dict[str, Any], keys: Places, places: Places, folder: Path) -> Scenario:
    """The scenario of plain values; raises UsageError with every problem, in order of where it stands."""
    problems: list[tuple[Path_, str]] = []
    scenario = None
    try:
        scenario = Scenario.model_validate(plain)
    except ValidationError as error:
        problems += [_problem(each, plain) for each in error.errors(include_url=False)]
    problems += _unknown_names(plain)
    if scenario is not None:
        scenario._plain, scenario._folder = plain, folder
        if not problems and isinstance(scenario.book, LedgerBook):
            problems += _segments_not_in(plain, scenario.segments)
    if problems:
        raise UsageError("\n".join(_located(problems, keys, places)))
    assert scenario is not None
    return scenario


def _located(problems: list[tuple[Path_, str]], keys: Places, places: Places) -> list[str]:
    def place(at: Path_) -> Place | None:
        stands = places if at in places else keys
        while at and at not in stands:
            at = at[:-1]
            stands = keys
        return stands.get(at)

    told = [(place(at), f"{'.'.join(map(str, at)) or 'the scenario'}: {problem}") for at, problem in problems]
    told.sort(key=lambda each: (each[0] is None, each[0]))
    return list(dict.fromkeys(f"{stands} {text}" if stands else text for stands, text in told))


def _problem(error: Any, plain: Mapping[str, Any]) -> tuple[Path_, str]:
    """Where an error of pydantic stands in the file, and what it means in words for finance people."""
    at = _in_file(error["loc"], plain, missing=error["type"] == "missing")
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return at, "is missing"
    if kind == "extra_forbidden":
        return at, f"is not known; {did_you_mean(str(at[-1]), _known(error['loc'], at))}"
    if kind == "range":
        return at, f"{context['problem']}{_meant(value, str(context['problem']))}"
    if kind == "value_error":
        return at, str(context["error"])
    if kind in ("literal_error",):
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return at, f"must be {' or '.join(known)}, got {value!r}; {did_you_mean(str(value), known)}"
    if kind == "finite_number":
        return at, f"must be a finite number, got {value}"
    if kind.startswith(("float", "int")) or kind == "union_tag_invalid" or kind == "union_tag_not_found":
        return at, _not_a_number(kind, value)
    if kind in BOUNDS:
        return at, f"must be {BOUNDS[kind]} {context[BOUND_OF[kind]]:g}, got {value:g}{_meant(value, at)}"
    if kind in ("string_type", "string_sub_type"):
        return at, f"must be text, got {value!r}; put it in double quotes"
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return at, f"must hold settings of its own (key: value), got {value!r}"
    if kind in ("tuple_type", "list_type"):
        return at, f"must be a list in square brackets, got {value!r}"
    if kind in ("too_short", "too_long"):
        return at, f"has {context['actual_length']} parts; needs {context.get('min_length', context.get('max_length'))}"
    return at, str(error["msg"])


BOUNDS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
BOUND_OF = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}


def _not_a_number(kind: str, value: Any) -> str:
    if isinstance(value, Mapping):
        if value.get("dist") is not None:
            return f"dist: {value['dist']!r} is not known; {did_you_mean(str(value['dist']), list(DISTRIBUTIONS))}"
        return f"must be a number or a belief such as {{between: [0.08, 0.14]}}, got {value!r}"
    whole = "a whole number" if kind.startswith("int") else "a number"
    if isinstance(value, str):
        digits = value.replace("%", "").replace(",", "").replace("_", "").strip()
        try:
            meant = float(digits) / (100 if "%" in value else 1)
        except ValueError:
            return f"must be {whole}, got {value!r}"
        return f"must be {whole}, got {value!r}; did you mean {meant:.10g}?"
    return f"must be {whole}, got {'nothing' if value is None else value!r}"


def _meant(value: Any, rule: str | Path_) -> str:
    """A share that was written in percent."""
    percent = ("probability", "a share") if isinstance(rule, str) else ("target",)
    said = rule if isinstance(rule, str) else str(rule[-1:])
    is_percent = isinstance(value, int | float) and 2 <= value <= 1000 and any(word in said for word in percent)
    return f"; did you mean {value / 100:.10g}?" if is_percent else ""


def _in_file(loc: Path_, plain: Any, missing: bool) -> Path_:
    """The part of pydantic's location that stands in the file: without the names of the forms of a union."""
    at: list[str | int] = []
    node = plain
    for part in loc:
        inside = (
            part in node
            if isinstance(node, Mapping)
            else isinstance(node, list | tuple) and isinstance(part, int) and part < len(node)
        )
        if inside:
            at.append(part)
            node = node[part]
    if missing:
        at.append(loc[-1])
    return tuple(at)


def _known(loc: Path_, at: Path_) -> list[str]:
    """The keys that may stand where an unknown one does."""
    forms: dict[str, type[Frozen]] = {
        "between": Between,
        "synthetic": SyntheticBook,
        "from a ledger": LedgerBook,
        "sized": Sized,
        **DISTRIBUTIONS,
    }
    model: type[Frozen] = Scenario
    for depth, part in enumerate(loc[:-1]):
        if part in forms and part not in at:
            model = forms[str(part)]
        elif loc[:depth] == () and part == "drivers":
            model = Drivers
        elif depth == 1 and loc[0] == "drivers":
            model = get_args(Drivers.model_fields[str(part)].annotation)[1]
        elif part == "sbg" and depth == 3:
            model = Sbg
        elif part == "segments":
            model = Segment
        elif part == "new_business":
            model = NewBusiness
    more = {Scenario: ["extends"], Churn: ["between", "dist"]}.get(model, [])
    return [*more, *model.model_fields]


def _unknown_names(plain: Mapping[str, Any]) -> list[tuple[Path_, str]]:
    """Names in the file that stand for nothing: segments, and the two ends of a correlation."""
    book = plain.get("book")
    segments = book.get("segments") if isinstance(book, Mapping) else None
    problems: list[tuple[Path_, str]] = []
    if isinstance(segments, Mapping):
        if EVERY_SEGMENT in segments:
            problems.append((("book", "segments", EVERY_SEGMENT), "stands for all segments; choose another name"))
        problems += _segments_not_in(plain, tuple(segments))
    pairs = plain.get("correlations")
    drivers = plain.get("drivers")
    if isinstance(pairs, list | tuple) and isinstance(drivers, Mapping):
        problems += _wrong_pairs(pairs, drivers)
    return problems


def _segments_not_in(plain: Mapping[str, Any], known: tuple[str, ...]) -> list[tuple[Path_, str]]:
    asked: list[Path_] = []
    drivers = plain.get("drivers")
    for driver, entries in drivers.items() if isinstance(drivers, Mapping) else ():
        if driver in DRIVERS and isinstance(entries, Mapping):
            asked += [("drivers", driver, key) for key in entries if key != EVERY_SEGMENT]
    new = plain.get("new_business")
    asked += [("new_business", key) for key in new] if isinstance(new, Mapping) else []
    strange = [at for at in asked if at[-1] not in known]
    return [(at, f"is not a segment of the book; {did_you_mean(str(at[-1]), known)}") for at in strange]


def _wrong_pairs(pairs: Any, drivers: Mapping[str, Any]) -> list[tuple[Path_, str]]:
    known = _names(drivers)
    problems: list[tuple[Path_, str]] = []
    seen: set[frozenset[str]] = set()
    for number, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or not all(isinstance(name, str) for name in pair[:2]):
            continue
        full = [_full_name(name, known) for name in pair[:2]]
        for place, (name, found) in enumerate(zip(pair[:2], full, strict=True)):
            if not found:
                short = sorted({each.removesuffix(".rate").removesuffix(".uplift") for each in known})
                problem = f"{name} is no number of the drivers; {did_you_mean(name, short)}"
                problems.append((("correlations", number, place), problem))
        both = frozenset(full)
        if all(full) and len(full) == 2 and len(both) == 1:
            problems.append((("correlations", number), f"{pair[0]} is tied to itself"))
        elif all(full) and both in seen:
            problems.append((("correlations", number), f"{pair[0]} and {pair[1]} stand twice; keep one of them"))
        seen.add(both)
    return problems


def _names(drivers: Mapping[str, Any]) -> set[str]:
    """The full name of every number of the drivers, whether it is right or not."""
    names = set()
    for driver, entries in drivers.items():
        for key, entry in entries.items() if isinstance(entries, Mapping) else ():
            for field, value in entry.items() if isinstance(entry, Mapping) else ():
                parts = value if field == "sbg" and isinstance(value, Mapping) else [field]
                if field == "by_tenure" and isinstance(value, list | tuple):
                    parts = [f"by_tenure.{year}" for year in range(1, len(value) + 1)]
                names |= {f"{driver}.{key}.{part}" for part in parts}
    return names


# --- the schema --------------------------------------------------------------------------------------------


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors. As a file may extend another, nothing is required."""
    schema = Scenario.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "An nrrsim scenario: what is believed about a book and a time to come"
    schema["properties"]["extends"] = {"type": "string", "title": "Extends", "description": "Path of another scenario"}
    definitions = schema["$defs"]
    for name in ("Scenario", "Churn", "Contraction", "Growth", "Price", "Reactivation", "Segment", "SyntheticBook"):
        definitions.get(name, schema).pop("required", None)
    schema.pop("required", None)
    rate = definitions["Churn"]["properties"]["rate"]["anyOf"][0]
    schema["$defs"]["Drivers"]["properties"]["churn"]["additionalProperties"] = {
        "anyOf": [{"$ref": "#/$defs/Churn"}, rate]
    }
    return schema
