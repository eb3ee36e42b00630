"""The generator that needs no network: one object's photo, mask and metric depth in, a closed textured mesh out.

What is seen stands exactly where the depth says; what is seen through is empty; the hidden side is completed by a
prior (see `lift_volume`). Out comes the mesh in the `obj` cube.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from ..asset import Mesh, ObjectAsset
from ..code_revision import code_revision
from ..crop import CropVolume
from ..errors import BackendMissing, StageFailed
from ..frames import cropcam_from_obj
from ..mesh.simplify import simplify_closed
from ..mesh.surface import solid_surface
from ..progress import Progress
from ..weights.own import EXTENTS, HIDDEN_SIDES, need_own_weights, own_revision
from .hidden_side import Belief
from .lift_box import depth_to_wall_m, is_front
from .lift_evidence import plan_grid
from .lift_extent import LEAST_CUT
from .lift_guess import guess_solid
from .lift_sheet import THICKNESS_M, lift_sheet
from .lift_sight import Sight, box_by_symmetry, look, view_around
from .lift_texture import paint
from .lift_view import ObjectView
from .lift_visible import surroundings_world, with_surroundings
from .lift_volume import Solid, complete_solid


class Lift:
    """`ObjectGenerator` from geometry alone.

    voxels: along the longest side of an object. max_faces: of a mesh. texture_px: side of a texture, at most.
    hidden_sides: what no photo shows is a network's guess; otherwise it follows from symmetry alone.
    """

    name = "lift"

    def __init__(self, voxels: int, max_faces: int, texture_px: int, *, hidden_sides: bool = False) -> None:
        self._voxels, self._max_faces, self._texture_px = voxels, max_faces, texture_px
        self._hidden_sides = hidden_sides
        self._weights = (EXTENTS, HIDDEN_SIDES) if hidden_sides else (EXTENTS,)
        method = code_revision("generator/lift*.py", "generator/hidden_*.py", "mesh/*.py")
        self.revision = f"{method} {own_revision(*self._weights)}"

    def need_weights(self) -> None:
        """Raises BackendMissing where this installation lacks a network that an object may ask for."""
        need_own_weights(*self._weights)

    def generate(
        self, volumes: Sequence[CropVolume], seeds: Sequence[int], progress: Progress
    ) -> Iterator[ObjectAsset | StageFailed]:
        """One asset or failure per volume, each when it is done. Nothing here is random: the seeds are not used.

        Raises BackendMissing where an object needs a network whose weights are not there: the next would, too.
        """
        del seeds
        for volume in with_surroundings(volumes):
            yield self._lift_or_failure(volume)
            progress.step(volume.name)

    def _lift_or_failure(self, volume: CropVolume) -> ObjectAsset | StageFailed:
        try:
            return lift(
                volume,
                voxels=self._voxels,
                max_faces=self._max_faces,
                texture_px=self._texture_px,
                hidden_sides=self._hidden_sides,
            )
        except StageFailed as failure:
            return failure
        except BackendMissing:
            raise
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


def lifted_solid(volume: CropVolume, sight: Sight, *, voxels: int, believed: Belief | None = None) -> Lifted:
    """From the photo to a solid in the world.

    believed: what a network says about the parts that are not seen; without it they are completed by symmetry.
    """
    box, goes_on = box_by_symmetry(volume, sight) if believed is None else (believed.box_around(sight.box), False)
    view = view_around(volume, sight.seen, box)
    grid = plan_grid(box, voxels=voxels, finest_m=sight.pixel_m)
    solid = complete_solid(view, grid, sight.foot, believed, goes_on=goes_on)
    notes = _notes(volume, sight)
    if goes_on or (believed is not None and sight.cut.border_share >= LEAST_CUT):
        notes += ("The photo's border cuts it off; what lies beyond is a network's guess.",)
    if sight.foot.hidden:
        how = "it was continued down to the floor" if believed is None else "that part is a network's guess"
        notes += (f"Something hides its lower end; {how}.",)
    if believed is None and not solid.copies:
        notes += ("It looks asymmetric; its hidden side is guessed to be as deep as its visible parts are wide.",)
    rise_m = float(np.quantile(sight.points_world[:, 1], 0.9)) - sight.foot.bottom_m
    return Lifted(seen=sight.seen, view=view, solid=solid, rise_m=rise_m, notes=notes)


def lift(
    volume: CropVolume, *, voxels: int, max_faces: int, texture_px: int, hidden_sides: bool = False
) -> ObjectAsset:
    """The whole method, top to bottom. Raises StageFailed where the depth shows too little of the object."""
    sight = look(volume)
    front = is_front(sight.box)
    at_wall = (
        front and depth_to_wall_m(sight.box, surroundings_world(volume), volume.depth.camera.centre_world) is not None
    )
    guessed = hidden_sides and not at_wall  # furniture that shows nothing but its front mostly stands against the wall
    lifted = lifted_solid(volume, sight, voxels=voxels, believed=guess_solid(volume, sight) if guessed else None)
    notes = lifted.notes
    if not lifted.is_flat:
        if front:
            how = "a network's guess" if guessed else "up to the wall behind it" if at_wall else "a share of its size"
            notes += (f"Only its front is seen; its depth is {how}.",)
        mesh_world = lifted.surface_world(max_faces)
        textured_world, material = paint(mesh_world, volume, lifted.view, lifted.solid, texture_px=texture_px)
    else:
        notes = ("It is too flat to have a measurable thickness; it became a thin slab.",)
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


def _notes(volume: CropVolume, sight: Sight) -> tuple[str, ...]:
    notes = []
    share = float(sight.seen.sum()) / max(int(volume.mask.sum()), 1)
    if share < 0.9:
        notes.append(f"Only {share:.0%} of its mask has a usable depth; the rest of its surface is filled in.")
    return tuple(notes)
