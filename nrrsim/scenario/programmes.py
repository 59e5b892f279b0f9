"""What a programme changes, and from when, in; how much of it each month has out; never draws."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict
from pydantic.config import JsonDict

from nrrsim.scenario.beliefs import OR_DECIMAL, Belief, Finite, Frozen
from nrrsim.scenario.numbers import Change, Range

EFFECT = Range("relative to the driver: -0.2 or -20% is a fifth less", -1, 99, "from -1 to 99")
Effect = Annotated[Change, AfterValidator(EFFECT.check)]


def _as_list(value: Any) -> Any:
    """One text as a list of it; anything else, as it is."""
    return [value] if isinstance(value, str) else value


OR_TEXT = BeforeValidator(_as_list)
OR_TEXTS: JsonDict = {"type": ["array", "string"]}
Measured = Literal["randomised", "matched, not randomised"]


class Programme(Frozen):
    """What changes drivers from a month on, relative to what they are.

    `for` names what it answers: reasons for leaving, signals, and plays of the rules that watch
    accounts. `measured` says how the effect was found, where it was and not judged. `action` is
    what was done, as a table of actions names it, where that is not the programme's own name. Each
    further key is `driver` or `driver.segment`, its value the full effect, a number or a belief,
    which is reached after `ramp` months.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Effect]
    others: ClassVar = Effect  # what any other key holds, for messages

    cost: Annotated[Finite, Field(ge=0, le=1e15)] = 0.0
    begins: Annotated[int, Strict(), Field(ge=1, le=600, alias="from"), OR_DECIMAL] = 1
    ramp: Annotated[int, Strict(), Field(ge=1, le=600), OR_DECIMAL] = 1
    for_: Annotated[tuple[str, ...], OR_TEXT, Field(alias="for", json_schema_extra=OR_TEXTS)] = ()
    action: str = ""
    measured: Measured | None = None
    source: str = ""
    because: str = ""

    @property
    def effects(self) -> dict[str, float | Belief]:
        """The full effect on each driver or driver's segment."""
        return dict(self.__pydantic_extra__)

    @property
    def means(self) -> dict[str, float]:
        """The mean of each effect as it acts; of a number, itself."""
        return {name: EFFECT.mean(each) for name, each in self.effects.items()}

    @property
    def complete(self) -> int:
        """The first month in which it has its full effect."""
        return self.begins + self.ramp - 1

    def reached(self, t: int) -> float:
        """Which part of its effect it has in month t."""
        return min(1.0, max(0.0, (t - self.begins + 1) / self.ramp))


OWN_KEYS = frozenset(each.alias or name for name, each in Programme.model_fields.items())
