"""The example room of the project: photo, masks, depth and camera in, a run folder out."""

from __future__ import annotations

from pathlib import Path

from pixal3d_scene.errors import InputError
from pixal3d_scene.progress import Progress
from pixal3d_scene.settings import Settings

from .given_files import GivenFiles
from .room import RoomRun, run_room

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "room"


def run_demo(out: Path, settings: Settings, *, progress: Progress) -> RoomRun:
    """Reconstruct the example with its true masks, depth and camera."""
    if not EXAMPLE.is_dir():
        raise InputError(f"The example room is not at {EXAMPLE}; it comes with a checkout of the project.")
    return run_room(
        EXAMPLE / "photo.jpg",
        out,
        settings,
        given_files=GivenFiles(
            masks=EXAMPLE / "instances.png", depth=EXAMPLE / "depth.png", camera=EXAMPLE / "camera.json"
        ),
        progress=progress,
    )
