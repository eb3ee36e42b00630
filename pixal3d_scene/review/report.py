"""The report of a run: one page for a person, the same facts as a dictionary for a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..camera import Camera
from ..crop import CropVolume
from ..depth import Depth
from ..export.facts import camera_facts, object_facts, photo_facts
from ..instances import Instances
from ..photo import Photo
from ..scene_graph import SceneGraph
from .page import page_html
from .report_pictures import draw_report_pictures

SCHEMA_VERSION = 1


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

    settings: the resolved settings tree. versions, licences: name -> text. notes: of the run as a whole; those
    of the photo, the masks, the depth and the room are found in these values themselves.
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
    """The content of report.json: plain JSON values, metres, degrees, seconds."""
    objects = [object_facts(item) for item in result.scene.objects]
    return {
        "schema": SCHEMA_VERSION,
        "photo": photo_facts(result.photo),
        "camera": {
            **camera_facts(result.scene.camera.resized(result.photo.full_size_px)),
            **_camera_angles(result.scene.camera),
        },
        "masks": {
            "source": result.instances.source,
            "rejected": [{"reason": r.reason, "area_px": r.area_px} for r in result.instances.rejected],
        },
        "depth": _depth_facts(result.depth),
        "room": [plane.name for plane in result.scene.room.planes],
        "objects": objects,
        "count_by_status": dict(Counter(entry["status"] for entry in objects)),
        "stages": [_stage_facts(stage) for stage in result.stages],
        "notes": list(result.notes),
        "notes_by_stage": _notes_by_stage(result),
        "settings": dict(result.settings),
        "versions": dict(result.versions),
        "licences": dict(result.licences),
    }


def report_html(result: RunResult) -> str:
    """The content of report.html: what report.json says, with pictures; one page that needs nothing else."""
    pictures = draw_report_pictures(result.photo, result.instances, result.scene, result.crops)
    return page_html(report_facts(result), pictures)


def _camera_angles(camera: Camera) -> dict[str, float]:
    up_cam = camera.up_cam
    return {
        "horizontal_fov_deg": camera.horizontal_fov_deg,
        "vertical_fov_deg": camera.vertical_fov_deg,
        "height_m": float(camera.centre_world[1]),
        # As in `frames.world_from_level_camera`: pitch > 0 looks down, roll > 0 turns clockwise from behind.
        "pitch_deg": float(np.degrees(np.arcsin(np.clip(-up_cam[2], -1, 1)))),
        "roll_deg": float(np.degrees(np.arctan2(-up_cam[0], -up_cam[1]))),
    }


def _depth_facts(depth: Depth) -> dict[str, Any]:
    measured_m = depth.z_m[depth.valid].astype(np.float64)
    low, middle, high = np.percentile(measured_m, [1, 50, 99]) if measured_m.size else (None, None, None)
    return {
        "source": depth.source,
        "valid_share": float(depth.valid.mean()),
        "percentile_01_m": None if low is None else float(low),
        "median_m": None if middle is None else float(middle),
        "percentile_99_m": None if high is None else float(high),
    }


def _stage_facts(stage: StageRecord) -> dict[str, Any]:
    return {
        "name": stage.name,
        "seconds": float(stage.seconds),
        "status": stage.status,
        "peak_memory_bytes": stage.peak_memory_bytes,
        "notes": list(stage.notes),
    }


def _notes_by_stage(result: RunResult) -> dict[str, list[str]]:
    """Every note once, under the first stage that made it."""
    groups = [
        ("photo", result.photo.notes),
        ("segment", result.instances.notes),
        ("depth", result.depth.notes),
        ("room", result.scene.room.notes),
        *((stage.name, stage.notes) for stage in result.stages),
        ("run", result.notes),
    ]
    told: set[str] = set()
    by_stage: dict[str, list[str]] = {}
    for name, notes in groups:
        for note in notes:
            if note not in told:
                told.add(note)
                by_stage.setdefault(name, []).append(note)
    return by_stage
