"""What every evaluation protocol is: a name, its parameters, and one function from a room and a run to a score.

A protocol is a frozen dataclass whose fields are its numbers, so that what is printed beside a figure is what was
used. The numbers of different protocols are never shared and their figures never compared: `protocol_*.py` each
hold their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .room_files import ReviewedRun, TrueRoom


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One room by one protocol.

    true_objects: that count. matched_objects: of those, found in the run; None where a protocol pairs nothing.
    figures: by their public names, in the order of tables; what could not be measured is absent.
    weights: number of objects behind a figure whose mean over a set is one over objects; 1 for all others.
    notes: what a reader has to know beside the figures.
    """

    true_objects: int
    matched_objects: int | None
    figures: dict[str, float]
    weights: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class EvaluationProtocol(Protocol):
    """One named way to measure."""

    @property
    def name(self) -> str:
        """As in tables and JSON: P-Room, P-MIDI, ..."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """Every number, then in words: chamfer, alignment, frame, pairing."""
        ...

    @property
    def meanings(self) -> Mapping[str, str]:
        """What each figure says, in the order of tables."""
        ...

    def score(self, truth: TrueRoom, run: ReviewedRun) -> Score:
        """All figures of one room; raises InputError where the run cannot be measured by this protocol."""
        ...
