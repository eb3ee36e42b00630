"""A finished run folder in, its facts out; runs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pixal3d_scene.errors import InputError
from pixal3d_scene.run_folder import MANIFEST, RunFolder

# What is read of each file.
_KEYS = {"scene.json": ("photo", "camera", "objects"), "report.json": ("notes",), MANIFEST: ("stages",)}


def read_run(path: Path) -> dict[str, Any]:
    """Objects, notes and stages of a run; raises InputError where the folder `path` is not a finished run.

    warnings: why these are not, or not all, the results of the folder's last run.
    """
    facts: dict[str, Any] = {"folder": str(path)}
    for name, keys in _KEYS.items():
        read = _read(path, name)
        facts |= {key: read[key] for key in keys}
    return facts | {"warnings": _warnings(RunFolder(path, stages=tuple(facts["stages"])))}


def _read(path: Path, name: str) -> dict[str, Any]:
    file = path / name
    if not file.is_file():
        raise InputError(f"{path} is not a finished run: {name} is missing; make one with pixal3d-scene run.")
    try:
        read: dict[str, Any] = json.loads(file.read_text())
        missing = [key for key in _KEYS[name] if key not in dict(read)]
    except (ValueError, TypeError) as error:
        raise InputError(f"{file} is damaged ({error}); run the same command again, which makes it anew.") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check its permissions.") from error
    if missing:
        raise InputError(f"{file} is damaged (no {missing[0]}); run the same command again, which makes it anew.")
    return read


def _warnings(folder: RunFolder) -> list[str]:
    export = folder.manifest["stages"].get("export")
    if export is None or export["status"] != "done":
        return [
            "The last run of this folder was not finished: these are results of the one before; run the same command "
            "again to finish it."
        ]
    lost = [name for name in export["files"] if not folder.is_intact(name)]
    if not lost:
        return []
    return [f"Missing, or not as the run wrote it: {', '.join(lost)}; run the same command again, which makes it anew."]
