"""What a programme changes, and from when, in; how much of it each month has out; never draws."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, Strict

from nrrsim.scenario.beliefs import OR_DECIMAL, Finite, Frozen, Ratio
from nrrsim.scenario.numbers import Range

EFFECT = Range("relative to the driver: -0.2 or -20% is a fifth less", -1, 99, "from -1 to 99")
Effect = Annotated[Ratio, AfterValidator(EFFECT.check)]


class Programme(Frozen):
    """What changes drivers from a month on, relative to what they are.

    Each further key is `driver` or `driver.segment`, its value the full effect, which is reached
    after `ramp` months.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Effect]

    cost: Annotated[Finite, Field(ge=0, le=1e15)] = 0.0
    begins: Annotated[int, Strict(), Field(ge=1, le=600, alias="from"), OR_DECIMAL] = 1
    ramp: Annotated[int, Strict(), Field(ge=1, le=600), OR_DECIMAL] = 1
    source: str = ""
    because: str = ""

    @property
    def effects(self) -> dict[str, float]:
        """The full effect on each driver or driver's segment."""
        return dict(self.__pydantic_extra__)

    @property
    def complete(self) -> int:
        """The first month in which it has its full effect."""
        return self.begins + self.ramp - 1

    def reached(self, t: int) -> float:
        """Which part of its effect it has in month t."""
        return min(1.0, max(0.0, (t - self.begins + 1) / self.ramp))
