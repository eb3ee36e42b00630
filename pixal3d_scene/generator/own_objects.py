"""The generator of the package's own small networks: crop volumes of a scene in, closed textured meshes in `obj` out.

A network of a few million weights does not know every object. What it makes is held against the photo's mask and depth
(`own_guard`), and refused where it does not agree, so that a simpler generator takes over. Where it agrees, its word
counts for what the photo does not show; the visible side is lifted from the photo (`lift`), which knows it better.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..asset import ObjectAsset
from ..code_revision import code_revision
from ..crop import CropVolume
from ..errors import BackendMissing, StageFailed
from ..frames import Similarity, cropcam_from_obj
from ..progress import Progress
from ..settings import GenerateSettings
from ..weights.own import OBJECTS, own_weights
from .hidden_side import BelievedSolid
from .lift import into_cube, lifted_solid
from .lift_sight import look
from .lift_visible import with_surroundings
from .own_pipeline import read_own_pipeline

if TYPE_CHECKING:
    from .own_cascade import OwnNetworks

# How much more than the crop is looked at to judge a mesh: the cube is wider, and its near side wider still.
_WIDENED = 2.0


class OwnObjects:
    """`ObjectGenerator` by the networks of a folder.

    Raises BackendMissing where there is none. torch is loaded by `generate`, not before.
    """

    name = "object_networks"

    def __init__(self, settings: GenerateSettings) -> None:
        chosen = settings.object_networks
        folder = own_weights(OBJECTS) if chosen.weights is None else Path(chosen.weights).expanduser()
        if not folder.is_dir():
            raise BackendMissing(
                f"The object networks {folder} are no folder; give the one that `pixal3d-scene train` wrote."
            )
        self._settings = settings
        self._pipeline = read_own_pipeline(folder)
        code = code_revision(
            "generator/own_*.py", "generator/lift*.py", "generator/hidden_side.py", "generator/cascade.py",
            "generator/sampler.py", "mesh/*.py",
        )  # fmt: skip
        self.revision = hashlib.sha256(f"{code} {self._pipeline.digest}".encode()).hexdigest()[:16]

    def generate(
        self, volumes: Sequence[CropVolume], seeds: Sequence[int], progress: Progress
    ) -> Iterator[ObjectAsset | StageFailed]:
        """See `ObjectGenerator`. Raises InputError where a checkpoint does not fit its description."""
        from .own_cascade import load_networks

        if not volumes:
            return
        chosen = self._settings.object_networks
        networks = load_networks(self._pipeline, steps=chosen.steps, guidance=chosen.guidance)
        for volume, seed in zip(with_surroundings(volumes), seeds, strict=True):
            yield self._asset_or_failure(networks, volume, seed)
            progress.step(volume.name)

    def _asset_or_failure(self, networks: OwnNetworks, volume: CropVolume, seed: int) -> ObjectAsset | StageFailed:
        try:
            return self._asset(networks, volume, seed)
        except StageFailed as failure:
            return StageFailed(failure.stage, failure.reason, object_name=volume.name)
        except Exception as error:  # one bad object must not end the others
            unexpected = StageFailed("generate", f"{type(error).__name__}: {error}", object_name=volume.name)
            unexpected.__cause__ = error
            return unexpected

    def _asset(self, networks: OwnNetworks, volume: CropVolume, seed: int) -> ObjectAsset:
        """The whole method, top to bottom."""
        from .own_cascade import generate_grid
        from .own_colours import paint_generated
        from .own_guard import refuse_hopeless, refuse_unlike
        from .own_solid import closed_solid
        from .own_view import network_view, object_pixels

        pixels = object_pixels(volume, size_px=int(_WIDENED * networks.picture_px), widened=_WIDENED)
        refuse_hopeless(volume, pixels)
        view = network_view(volume, picture_px=networks.picture_px, cube_over_crop=self._pipeline.cube_over_crop)
        distance = view.camera_distance_obj
        grid, pbr = generate_grid(networks, view, seed)
        solid = closed_solid(grid)
        if solid is None or solid.is_empty:
            raise StageFailed("generate", "the decoded surface has no faces")
        refuse_unlike(solid.mesh_obj(), pixels, camera_distance_obj=distance, scale_m=view.scale_m)
        T_cropcam_from_obj = cropcam_from_obj(scale_m=view.scale_m, camera_distance_obj=distance)
        T_world_from_obj = Similarity.from_rigid(volume.camera.T_world_from_cam) @ T_cropcam_from_obj
        believed = BelievedSolid(solid=solid, T_world_from_obj=T_world_from_obj)
        lifted = lifted_solid(volume, look(volume), voxels=self._settings.voxels, believed=believed)
        if lifted.is_flat:
            raise StageFailed("generate", "nothing of it rises above what it lies on")
        mesh_obj = lifted.surface_world(self._settings.max_faces).transformed(T_world_from_obj.inverse())
        mesh_obj, material = paint_generated(
            mesh_obj, grid, pbr, volume, pixels, camera_distance_obj=distance, texture_px=self._settings.texture_px
        )
        mesh_obj, scale_m, distance = into_cube(mesh_obj.transformed(T_world_from_obj), volume)
        return ObjectAsset(
            mask_value=volume.instance.mask_value,
            mesh_obj=mesh_obj,
            material=material,
            camera_distance_obj=distance,
            expected_scale_m=scale_m,
            generator=self.name,
            status="generated",
            notes=lifted.notes,
        )
