"""The generator that needs no network: one object's photo, mask and metric depth in, a closed textured mesh out.

What is seen stands exactly where the depth says; what is seen through is empty; the hidden side is completed by a
prior (see `lift_volume`). Out comes the mesh in the `obj` cube.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from ..asset import Mesh, ObjectAsset
from ..code_revision import code_revision
from ..crop import CropVolume
from ..errors import StageFailed
from ..frames import cropcam_from_obj
from ..mesh.simplify import simplify_closed
from ..mesh.surface import solid_surface
from ..progress import Progress
from ..weights.own import EXTENTS
from .hidden_side import BelievedSolid
from .lift_box import Box, complete_box, deepest_box, visible_box
from .lift_cut import look_at_cut
from .lift_evidence import plan_grid
from .lift_extent import grown_box
from .lift_foot import find_foot
from .lift_sheet import THICKNESS_M, lift_sheet
from .lift_texture import paint
from .lift_view import ObjectView, look_at_object
from .lift_visible import believed_pixels, points_at, surroundings_world, with_surroundings
from .lift_volume import Solid, complete_solid

# Fewer visible points than this say nothing about a shape.
FEWEST_POINTS = 24


class Lift:
    """`ObjectGenerator` from geometry alone.

    voxels: along the longest side of an object. max_faces: of a mesh. texture_px: side of a texture, at most.
    """

    name = "lift"
    revision = code_revision("generator/lift*.py", "generator/hidden_side.py", "mesh/*.py", f"weights/own/{EXTENTS}")

    def __init__(self, voxels: int, max_faces: int, texture_px: int) -> None:
        self._voxels, self._max_faces, self._texture_px = voxels, max_faces, texture_px

    def generate(
        self, volumes: Sequence[CropVolume], seeds: Sequence[int], progress: Progress
    ) -> list[ObjectAsset | StageFailed]:
        """One asset or failure per volume, in order. Nothing here is random: the seeds are not used."""
        del seeds
        results = []
        for volume in with_surroundings(volumes):
            results.append(self._lift_or_failure(volume))
            progress.step(volume.name)
        return results

    def _lift_or_failure(self, volume: CropVolume) -> ObjectAsset | StageFailed:
        try:
            return lift(volume, voxels=self._voxels, max_faces=self._max_faces, texture_px=self._texture_px)
        except StageFailed as failure:
            return failure
        except Exception as error:  # one bad object must not end the others
            unexpected = StageFailed("generate", f"{type(error).__name__}: {error}", object_name=volume.name)
            unexpected.__cause__ = error
            return unexpected


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """An object's solid before it has a surface. seen: pixels of its mask with a depth that can be believed.

    rise_m: how far nine of ten of its visible points rise at most above what it lies on.
    """

    seen: Bool[np.ndarray, "H W"]
    view: ObjectView
    solid: Solid
    rise_m: float
    notes: tuple[str, ...]

    @property
    def is_flat(self) -> bool:
        """Nothing of it, or less than a slab is thick, rises above what it lies on."""
        return self.rise_m < THICKNESS_M or not (self.solid.field > 0).any()

    def surface_world(self, max_faces: int) -> Mesh:
        """A closed mesh."""
        grid = self.solid.grid
        mesh_box = solid_surface(self.solid.field, grid.low_box, grid.spacing_m)
        return simplify_closed(
            Mesh(vertices=grid.box.world_from_box(mesh_box.vertices), faces=mesh_box.faces), max_faces
        )


def lifted_solid(volume: CropVolume, *, voxels: int, believed: BelievedSolid | None = None) -> Lifted:
    """From the photo to a solid in the world. Raises StageFailed where the depth shows too little of the object.

    believed: what a network says about the parts that are not seen; without it they are completed by symmetry.
    """
    seen = believed_pixels(volume)
    if seen.sum() < FEWEST_POINTS:
        raise StageFailed(
            "generate", f"only {int(seen.sum())} of its pixels have a usable depth", object_name=volume.name
        )
    camera = volume.depth.camera
    seen_world = points_at(volume, *np.nonzero(seen))
    pixel_m = float(np.median(volume.depth.z_m[seen])) / float(camera.K[0, 0])
    foot = find_foot(volume, seen, seen_world)
    seen_box = visible_box(seen_world, camera.centre_world, bottom_m=foot.bottom_m, slack_m=pixel_m / 2)
    if believed is None:
        grown = grown_box(look_at_cut(volume, seen, seen_world, seen_box))
        whole_box = seen_box if grown is None else grown
        view = look_at_object(volume, seen, _region_px(volume, deepest_box(whole_box, camera.centre_world)))
        box = complete_box(whole_box, seen_world, surroundings_world(volume), view)
    else:
        grown = None
        box = seen_box.around(believed.nodes_world())
        view = look_at_object(volume, seen, _region_px(volume, box))
    grid = plan_grid(box, voxels=voxels, finest_m=pixel_m)
    solid = complete_solid(view, grid, foot, believed, goes_on=grown is not None)
    notes = _notes(volume, seen, foot.hidden)
    if grown is not None:
        notes += ("The photo's border cuts it off; how far it goes on is a network's guess.",)
    if believed is None and not solid.copies:
        notes += ("The object looks asymmetric; its hidden side is as deep as its visible parts are wide.",)
    rise_m = float(np.quantile(seen_world[:, 1], 0.9)) - foot.bottom_m
    return Lifted(seen=seen, view=view, solid=solid, rise_m=rise_m, notes=notes)


def lift(volume: CropVolume, *, voxels: int, max_faces: int, texture_px: int) -> ObjectAsset:
    """The whole method, top to bottom. Raises StageFailed where the depth shows too little of the object."""
    lifted = lifted_solid(volume, voxels=voxels)
    notes = lifted.notes
    if not lifted.is_flat:
        mesh_world = lifted.surface_world(max_faces)
        textured_world, material = paint(mesh_world, volume, lifted.view, lifted.solid, texture_px=texture_px)
    else:
        notes = ("It has no thickness above what it lies on; it became a thin slab.",)
        textured_world, material = lift_sheet(volume, lifted.seen, max_faces=max_faces, texture_px=texture_px)
    if not (np.isfinite(textured_world.vertices).all() and np.isfinite(np.asarray(textured_world.uv)).all()):
        raise StageFailed("generate", "its depth is too small or too large to compute with", object_name=volume.name)
    mesh_obj, scale_m, distance_obj = into_cube(textured_world, volume)
    return ObjectAsset(
        mask_value=volume.instance.mask_value,
        mesh_obj=mesh_obj,
        material=material,
        camera_distance_obj=distance_obj,
        expected_scale_m=scale_m,
        generator=Lift.name,
        status="lifted",
        notes=notes,
    )


def _region_px(volume: CropVolume, box: Box) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the photo that shows the mask and the whole box."""
    camera = volume.depth.camera
    width, height = camera.size_px
    rows, columns = np.flatnonzero(volume.mask.any(axis=1)), np.flatnonzero(volume.mask.any(axis=0))
    corners_cam = camera.cam_from_world(box.corners_world())
    if (corners_cam[:, 2] < 0.05).any():  # the completed box reaches the camera: look at everything
        return 0, 0, width, height
    corners_px = camera.project(corners_cam)
    low = np.minimum(corners_px.min(axis=0), [columns[0], rows[0]]) - 2
    high = np.maximum(corners_px.max(axis=0), [columns[-1] + 1, rows[-1] + 1]) + 2
    left, top = (int(v) for v in np.clip(np.floor(low), 0, [width, height]))
    right, bottom = (int(v) for v in np.clip(np.ceil(high), 0, [width, height]))
    return left, top, right, bottom


def into_cube(mesh_world: Mesh, volume: CropVolume) -> tuple[Mesh, float, float]:
    """The mesh in the smallest cube on the crop camera's axis, its edge in metres, its distance in edges."""
    vertices_cropcam = volume.camera.cam_from_world(mesh_world.vertices)
    near_m, far_m = vertices_cropcam[:, 2].min(), vertices_cropcam[:, 2].max()
    depth_m = float(near_m + far_m) / 2
    scale_m = 2 * max(float(np.abs(vertices_cropcam[:, :2]).max()), float(far_m - near_m) / 2) * (1 + 1e-6)
    T_cropcam_from_obj = cropcam_from_obj(scale_m=scale_m, camera_distance_obj=depth_m / scale_m)
    T_obj_from_cropcam = T_cropcam_from_obj.inverse()
    mesh_obj = Mesh(vertices=T_obj_from_cropcam.apply(vertices_cropcam), faces=mesh_world.faces, uv=mesh_world.uv)
    return mesh_obj, scale_m, depth_m / scale_m


def _notes(volume: CropVolume, seen: Bool[np.ndarray, "H W"], foot_hidden: bool) -> tuple[str, ...]:
    notes = []
    share = float(seen.sum()) / max(int(volume.mask.sum()), 1)
    if share < 0.9:
        notes.append(f"Only {share:.0%} of the mask has a usable depth.")
    if foot_hidden:
        notes.append("The foot is hidden; it was continued down to the floor.")
    return tuple(notes)
