"""Can this machine do the job? Each check has a state, a value and, if need be, what to type."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import tempfile
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pixal3d_scene.weights.own import FOLDER, OWN

_NEEDED = ("numpy", "scipy", "pillow", "trimesh", "embreex", "scikit-image", "fast-simplification", "networkx")
# Import name, what it is for, what to type.
_OPTIONAL = (
    ("spconv", "sparse convolutions", "pip install 'pixal3d-scene[spconv-cpu]' (or spconv-cu126 on a GPU)"),
    ("diffusers", "run --complete", "pip install 'pixal3d-scene[complete]'"),
    ("accelerate", "run --complete", "pip install 'pixal3d-scene[complete]'"),
    ("open3d", "layout baselines", "pip install open3d"),
    ("pyrender", "OpenGL pictures", "pip install pyrender"),
)
_ROOM_NEEDED_BYTES = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """state: "ok", "optional" (missing, but not needed) or "missing" (the job would fail)."""

    name: str
    state: Literal["ok", "optional", "missing"]
    value: str
    remedy: str = ""

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Check]:
    """All checks, needed ones first."""
    checks = [Check(name="python", state="ok", value=platform.python_version())]
    checks += [_package(name) for name in _NEEDED]
    checks.append(_own_weights())
    checks += [_disk(Path(tempfile.gettempdir())), _disk(Path.cwd())]
    checks += [_optional(*entry) for entry in _OPTIONAL]
    checks += [_torch(), _validator(), _memory()]
    return checks


def _package(name: str) -> Check:
    try:
        return Check(name=name, state="ok", value=metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name=name, state="missing", value="not installed", remedy=f"pip install {name}")


def _own_weights() -> Check:
    files = [file for file, _ in OWN.values()]
    missing = [file for file in files if not (FOLDER / file).is_file()]
    if missing:
        remedy = "install pixal3d-scene again; other presets may do without them"
        return Check(name="own weights", state="missing", value=f"{', '.join(missing)} not there", remedy=remedy)
    return Check(name="own weights", state="ok", value=f"{len(files)} files in {FOLDER}")


def _optional(module: str, purpose: str, remedy: str) -> Check:
    if importlib.util.find_spec(module) is None:
        return Check(name=module, state="optional", value=f"not installed ({purpose})", remedy=remedy)
    return Check(name=module, state="ok", value=f"installed ({purpose})")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return Check(name="disk", state="missing", value=f"{folder} is not writable", remedy="choose another folder")
    if free < _ROOM_NEEDED_BYTES:
        return Check(name="disk", state="missing", value=f"{free / 1e9:.1f} GB free in {folder}", remedy="free some")
    return Check(name="disk", state="ok", value=f"{free / 1e9:.0f} GB free in {folder}")


def _torch() -> Check:
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return Check(name="torch", state="optional", value="not installed", remedy="pip install 'torch<2.14'")
    import torch

    if torch.cuda.is_available():
        return Check(name="torch", state="ok", value=f"{version}, CUDA: {torch.cuda.get_device_name(0)}")
    return Check(name="torch", state="ok", value=f"{version}, no CUDA device; the preset embedded needs none")


def _validator() -> Check:
    node = shutil.which("node")
    if node is None:
        return Check(name="glTF validator", state="optional", value="node is not installed", remedy="install Node.js")
    return Check(name="glTF validator", state="ok", value="node found; the tests use npm's gltf-validator")


def _memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available
    if free < 2e9:
        return Check(name="memory", state="missing", value=f"{free / 1e9:.1f} GB free", remedy="close programs")
    return Check(name="memory", state="ok", value=f"{free / 1e9:.1f} GB free")
