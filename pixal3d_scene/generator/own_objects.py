"""The generator of the package's own small networks: crop volumes of a scene in, closed textured meshes in `obj` out.

A network of a few million weights does not know every object. What it makes is held against the photo's mask and depth
(`own_guard`), and refused where it does not agree, so that a simpler generator takes over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..asset import ObjectAsset
from ..code_revision import code_revision
from ..crop import CropVolume
from ..errors import BackendMissing, StageFailed
from ..progress import Progress
from ..settings import GenerateSettings
from ..weights.own import own_weights
from .own_pipeline import read_own_pipeline

if TYPE_CHECKING:
    from .own_cascade import OwnNetworks

OBJECTS = "objects"  # their folder in the package
# How much more than the crop is looked at to judge a mesh: the cube is wider, and its near side wider still.
_WIDENED = 2.0
_WORTH_A_REMARK = 0.05


class OwnObjects:
    """`ObjectGenerator` by the networks of a folder.

    Raises BackendMissing where there is none. torch is loaded by `generate`, not before.
    """

    name = "embedded"

    def __init__(self, settings: GenerateSettings) -> None:
        chosen = settings.embedded
        folder = own_weights(OBJECTS) if chosen.weights is None else Path(chosen.weights).expanduser()
        if not folder.is_dir():
            raise BackendMissing(
                f"The object networks {folder} are no folder; give the one that `pixal3d-scene train` wrote."
            )
        self._settings = settings
        self._pipeline = read_own_pipeline(folder)
        code = code_revision("generator/own_*.py", "generator/cascade.py", "generator/sampler.py", "mesh/*.py")
        self.revision = hashlib.sha256(f"{code} {self._pipeline.digest}".encode()).hexdigest()[:16]

    def generate(
        self, volumes: Sequence[CropVolume], seeds: Sequence[int], progress: Progress
    ) -> list[ObjectAsset | StageFailed]:
        """See `ObjectGenerator`. Raises InputError where a checkpoint does not fit its description."""
        from .own_cascade import load_networks

        if not volumes:
            return []
        chosen = self._settings.embedded
        networks = load_networks(self._pipeline, steps=chosen.steps, guidance=chosen.guidance)
        results = []
        for volume, seed in zip(volumes, seeds, strict=True):
            results.append(self._asset_or_failure(networks, volume, seed))
            progress.step(volume.name)
        return results

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
        from ..mesh.simplify import simplify_closed
        from .own_cascade import generate_grid
        from .own_colours import paint_generated
        from .own_guard import carved, fit_to_photo, refuse_hopeless
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
        fit = fit_to_photo(solid.mesh_obj(), pixels, camera_distance_obj=distance)
        solid, removed = carved(solid, pixels, camera_distance_obj=distance)
        mesh = simplify_closed(solid.mesh_obj(), self._settings.max_faces)
        mesh, material = paint_generated(
            mesh, grid, pbr, volume, pixels, camera_distance_obj=distance, texture_px=self._settings.texture_px
        )
        notes = []
        if removed > _WORTH_A_REMARK:
            notes.append(f"{removed:.0%} of what was generated lies where the photo sees past it and was cut off.")
        return ObjectAsset(
            mask_value=volume.instance.mask_value,
            mesh_obj=mesh,
            material=material,
            camera_distance_obj=distance,
            expected_scale_m=fit.scale_m,
            generator=self.name,
            status="generated",
            notes=tuple(notes),
        )
