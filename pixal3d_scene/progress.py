"""Progress as a value passed in: the library reports, the caller decides what is drawn."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """What a stage tells while it works. Implementations must be cheap: they are called often."""

    def start(self, stage: str, total: int) -> None:
        """A stage with `total` steps begins."""

    def step(self, detail: str = "") -> None:
        """One step of the current stage is done; `detail` names it (for example the object)."""

    def finish(self) -> None:
        """The current stage is over."""


class Silent:
    """The default: nothing is shown."""

    def start(self, stage: str, total: int) -> None:
        del stage, total

    def step(self, detail: str = "") -> None:
        del detail

    def finish(self) -> None:
        pass
