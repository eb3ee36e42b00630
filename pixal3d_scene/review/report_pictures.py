"""The pictures of the report: values of a run in, JPEG pictures as data URIs out."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ..crop import CropVolume
from ..instances import Instances
from ..photo import Photo
from ..scene_graph import SceneGraph, SceneObject
from .overlay import instance_colours, mask_overlay
from .render import Surface, mesh_in_world, render, render_scene
from .views import object_view, photo_view, side_view

_LONGEST_SIDE_PX = 960
_THUMB_PX = 176
_MOST_DRAWN_OBJECTS = 32
_JPEG_QUALITY = 84
_CROP_GREY = 236


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPictures:
    """Pictures as data URIs; crops and objects by the object's name, colours as CSS by the object's name.

    notes: which pictures were left out, and why.
    """

    photo: str
    masks: str
    from_photo: str
    from_side: str
    crops: dict[str, str] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    colours: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def draw_report_pictures(
    photo: Photo, instances: Instances, scene: SceneGraph, crops: Sequence[CropVolume]
) -> ReportPictures:
    """All pictures of the page; the objects' own ones only for the first 32 objects, since each takes time."""
    seen_from_photo = photo_view(scene.camera, longest_side_px=_LONGEST_SIDE_PX)
    drawn = [item for item in scene.objects if item.mesh_node is not None]
    colours = instance_colours(instances)
    notes = []
    if len(drawn) > _MOST_DRAWN_OBJECTS:
        notes.append(f"Only the first {_MOST_DRAWN_OBJECTS} of {len(drawn)} objects have a picture of their own.")
    return ReportPictures(
        photo=data_uri(np.asarray(photo.image.resize(seen_from_photo.size_px, Image.Resampling.BOX))),
        masks=data_uri(mask_overlay(photo, instances, longest_side_px=_LONGEST_SIDE_PX)),
        from_photo=data_uri(render_scene(scene, seen_from_photo)),
        from_side=data_uri(render_scene(scene, side_view(scene, size_px=seen_from_photo.size_px))),
        crops={crop.name: data_uri(_crop_picture(crop)) for crop in crops},
        objects={item.name: data_uri(_object_picture(scene, item)) for item in drawn[:_MOST_DRAWN_OBJECTS]},
        colours={item.name: "#{:02x}{:02x}{:02x}".format(*colours[item.mask_value]) for item in instances.items},
        notes=tuple(notes),
    )


def data_uri(picture: UInt8[np.ndarray, "H W 3"]) -> str:
    """A JPEG that needs no file beside the page."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _crop_picture(crop: CropVolume) -> UInt8[np.ndarray, "h w 3"]:
    """What the generator was given, on light grey."""
    rgba = Image.fromarray(np.asarray(crop.rgba))
    rgba = rgba.resize((_THUMB_PX, _THUMB_PX), Image.Resampling.BOX)
    grey = Image.new("RGBA", rgba.size, (_CROP_GREY, _CROP_GREY, _CROP_GREY, 255))
    return np.asarray(Image.alpha_composite(grey, rgba).convert("RGB"))


def _object_picture(scene: SceneGraph, item: SceneObject) -> UInt8[np.ndarray, "h w 3"]:
    assert item.mesh_node is not None  # the caller draws objects with a mesh
    mesh_world = mesh_in_world(item.mesh_node, item.placement.T_world_from_node)
    camera = object_view(mesh_world, scene.camera.centre_world, size_px=(_THUMB_PX, _THUMB_PX))
    return render([Surface(mesh_world=mesh_world, material=item.material)], camera)
