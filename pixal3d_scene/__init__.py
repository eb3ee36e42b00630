"""A room photo in, a scene of separate, placed, engine-ready 3D objects out.

Names are loaded on first use, so that `import pixal3d_scene` stays light (no torch, no trimesh).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Camera": "camera",
    "CropVolume": "crop",
    "Depth": "depth",
    "InputError": "errors",
    "Instance": "instances",
    "Instances": "instances",
    "KnownView": "frontend.protocols",
    "Material": "asset",
    "Mesh": "asset",
    "ObjectAsset": "asset",
    "Photo": "photo",
    "Placement": "scene_graph",
    "Reconstruction": "reconstruction",
    "Room": "room",
    "SceneError": "errors",
    "SceneGraph": "scene_graph",
    "SceneObject": "scene_graph",
    "Settings": "settings",
    "Similarity": "frames",
    "load_models": "models",
    "plan_crops": "crop",
    "read_photo": "photo",
    "reconstruct": "reconstruction",
    "resolve_settings": "settings",
    "scene_glb": "export.glb",
}

__all__ = [
    "Camera",
    "CropVolume",
    "Depth",
    "InputError",
    "Instance",
    "Instances",
    "KnownView",
    "Material",
    "Mesh",
    "ObjectAsset",
    "Photo",
    "Placement",
    "Reconstruction",
    "Room",
    "SceneError",
    "SceneGraph",
    "SceneObject",
    "Settings",
    "Similarity",
    "load_models",
    "plan_crops",
    "read_photo",
    "reconstruct",
    "resolve_settings",
    "scene_glb",
]

if TYPE_CHECKING:
    from .asset import Material, Mesh, ObjectAsset
    from .camera import Camera
    from .crop import CropVolume, plan_crops
    from .depth import Depth
    from .errors import InputError, SceneError
    from .export.glb import scene_glb
    from .frames import Similarity
    from .frontend.protocols import KnownView
    from .instances import Instance, Instances
    from .models import load_models
    from .photo import Photo, read_photo
    from .reconstruction import Reconstruction, reconstruct
    from .room import Room
    from .scene_graph import Placement, SceneGraph, SceneObject
    from .settings import Settings, resolve_settings


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
