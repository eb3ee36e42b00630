"""A finished run folder in, its facts out; runs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pixal3d_scene.errors import InputError


def read_run(folder: Path) -> dict[str, Any]:
    """Objects, notes and stages of a run; raises InputError where `folder` is not a finished run."""
    facts: dict[str, Any] = {}
    for name in ("scene.json", "report.json", "manifest.json"):
        file = folder / name
        if not file.is_file():
            raise InputError(f"{folder} is not a finished run: {name} is missing; make one with pixal3d-scene run.")
        try:
            facts[name] = json.loads(file.read_text())
        except ValueError as error:
            raise InputError(f"{file} is damaged ({error}); run the same command with --redo export.") from error
    return {
        "folder": str(folder),
        "photo": facts["scene.json"]["photo"],
        "camera": facts["scene.json"]["camera"],
        "objects": facts["scene.json"]["objects"],
        "notes": facts["report.json"]["notes"],
        "stages": facts["manifest.json"]["stages"],
    }
