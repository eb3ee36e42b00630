"""The generator that needs no network: one object's photo, mask and metric depth in, a closed textured mesh out.

What is seen stands exactly where the depth says; what is seen through is empty; the hidden side is completed by a
prior (see `lift_volume`). Out comes the mesh in the `obj` cube.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from .lift_box import Box, complete_box, deepest_box, visible_box
from .lift_evidence import plan_grid
from .lift_foot import find_foot
from .lift_sheet import lift_sheet
from .lift_texture import paint
from .lift_view import look_at_object
from .lift_visible import believed_pixels, points_at, surroundings_world, with_surroundings
from .lift_volume import Solid, complete_solid

# Fewer visible points than this say nothing about a shape.
FEWEST_POINTS = 24


class Lift:
    """`ObjectGenerator` from geometry alone.

    voxels: along the longest side of an object. max_faces: of a mesh. texture_px: side of a texture, at most.
    """

    name = "lift"
    revision = code_revision("generator/lift*.py", "mesh/*.py")

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


def lift(volume: CropVolume, *, voxels: int, max_faces: int, texture_px: int) -> ObjectAsset:
    """The whole method, top to bottom. Raises StageFailed where the depth shows too little of the object."""
    believed = believed_pixels(volume)
    if believed.sum() < FEWEST_POINTS:
        raise StageFailed(
            "generate", f"only {int(believed.sum())} of its pixels have a usable depth", object_name=volume.name
        )
    camera = volume.depth.camera
    seen_world = points_at(volume, *np.nonzero(believed))
    pixel_m = float(np.median(volume.depth.z_m[believed])) / float(camera.K[0, 0])
    foot = find_foot(volume, believed, seen_world)
    seen_box = visible_box(seen_world, camera.centre_world, bottom_m=foot.bottom_m, slack_m=pixel_m / 2)
    view = look_at_object(volume, believed, _region_px(volume, deepest_box(seen_box, camera.centre_world)))
    box = complete_box(seen_box, seen_world, surroundings_world(volume), view)
    grid = plan_grid(box, voxels=voxels, finest_m=pixel_m)
    solid = complete_solid(view, grid, foot)
    notes = _notes(volume, believed, solid, foot.hidden)
    if (solid.field > 0).any():
        mesh_world = simplify_closed(_surface_world(solid), max_faces)
        textured_world, material = paint(mesh_world, volume, view, solid, texture_px=texture_px)
    else:
        notes = ("It has no thickness above what it lies on; it became a thin slab.",)
        textured_world, material = lift_sheet(volume, believed, max_faces=max_faces, texture_px=texture_px)
    if not (np.isfinite(textured_world.vertices).all() and np.isfinite(np.asarray(textured_world.uv)).all()):
        raise StageFailed("generate", "its depth is too small or too large to compute with", object_name=volume.name)
    mesh_obj, scale_m, distance_obj = _into_cube(textured_world, volume)
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


def _surface_world(solid: Solid) -> Mesh:
    mesh_box = solid_surface(solid.field, solid.grid.low_box, solid.grid.spacing_m)
    return Mesh(vertices=solid.grid.box.world_from_box(mesh_box.vertices), faces=mesh_box.faces)


def _into_cube(mesh_world: Mesh, volume: CropVolume) -> tuple[Mesh, float, float]:
    """The mesh in the smallest cube on the crop camera's axis, its edge in metres, its distance in edges."""
    vertices_cropcam = volume.camera.cam_from_world(mesh_world.vertices)
    near_m, far_m = vertices_cropcam[:, 2].min(), vertices_cropcam[:, 2].max()
    depth_m = float(near_m + far_m) / 2
    scale_m = 2 * max(float(np.abs(vertices_cropcam[:, :2]).max()), float(far_m - near_m) / 2) * (1 + 1e-6)
    T_cropcam_from_obj = cropcam_from_obj(scale_m=scale_m, camera_distance_obj=depth_m / scale_m)
    T_obj_from_cropcam = T_cropcam_from_obj.inverse()
    mesh_obj = Mesh(vertices=T_obj_from_cropcam.apply(vertices_cropcam), faces=mesh_world.faces, uv=mesh_world.uv)
    return mesh_obj, scale_m, depth_m / scale_m


def _notes(volume: CropVolume, believed: Bool[np.ndarray, "H W"], solid: Solid, foot_hidden: bool) -> tuple[str, ...]:
    notes = []
    share = float(believed.sum()) / max(int(volume.mask.sum()), 1)
    if share < 0.9:
        notes.append(f"Only {share:.0%} of the mask has a usable depth.")
    if foot_hidden:
        notes.append("The foot is hidden; it was continued down to the floor.")
    if not solid.copies:
        notes.append("The object looks asymmetric; its hidden side is as deep as its visible parts are wide.")
    return tuple(notes)
