"""The report of a run: one page for a person, one dictionary for a program (stub: final signatures)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..crop import CropVolume
from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from ..scene_graph import SceneGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage of the run. status: "done", "kept" (from an earlier run) or "failed"."""

    name: str
    seconds: float
    status: str = "done"
    notes: tuple[str, ...] = ()
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """All that a run made, for the report. crops may be empty.

    settings: the resolved settings tree. versions, licences: name -> text. notes: of the run as a whole.
    """

    photo: Photo
    instances: Instances
    depth: Depth
    scene: SceneGraph
    crops: tuple[CropVolume, ...] = ()
    stages: tuple[StageRecord, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def report_facts(result: RunResult) -> dict[str, Any]:
    """The content of report.json: plain JSON values."""
    raise NotImplementedError


def report_html(result: RunResult) -> str:
    """The content of report.html: one page with all pictures embedded."""
    raise NotImplementedError
