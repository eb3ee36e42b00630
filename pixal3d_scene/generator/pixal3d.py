"""Pixal3D as an `ObjectGenerator`: crop volumes of a scene in, meshes in `obj` with vertex colours out.

The picture of each volume goes in as it is; its crop camera becomes the view that the networks project through. What
the networks were not trained for (a very narrow or wide field of view) is generated with the nearest view that they
know, and the error of that is told in the object's notes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..asset import ObjectAsset
from ..crop import CropVolume
from ..errors import InputError, StageFailed
from ..progress import Progress
from ..settings import Pixal3DSettings
from ..weights import device as weights_device
from ..weights.digest import content_digest
from ..weights.location import find_weights
from .pipeline_file import find_image_encoder, find_upsampler, read_pipeline

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .scene_objects import GeneratedObject, ObjectInput
    from .schedule import CascadeSettings

_BATCH_ON_GPU = 4
# Changes whenever the same weights may give another mesh.
_METHOD = "1"


class Pixal3D:
    """The cascade with the weights that the settings name.

    Raises BackendMissing, with the command that fetches, where weights are not on this machine. torch is loaded by
    `generate`, not before: a finished run is recognised without it.
    """

    name = "pixal3d"

    def __init__(self, settings: Pixal3DSettings, *, device: str) -> None:
        self._settings, self._device_name = settings, device
        found = find_weights(settings.weights, revision=settings.revision)
        self._pipeline = read_pipeline(found.path)
        self._image_encoder = find_image_encoder(found.path, settings.image_encoder)
        self._upsampler = find_upsampler(found.path, settings.upsampler)
        self.revision = self._content()

    def generate(
        self, volumes: Sequence[CropVolume], seeds: Sequence[int], progress: Progress
    ) -> list[ObjectAsset | StageFailed]:
        """See `ObjectGenerator`. Raises InputError where a checkpoint does not fit its description."""
        from .checkpoint import load_upsampler
        from .schedule import SceneSchedule

        if not volumes:
            return []
        device = choose_device(self._device_name)
        naf = load_upsampler(self._upsampler)
        schedule = SceneSchedule(self._cascade_settings(device), self._loader(device), naf)
        made = schedule.run([_as_input(volume, seed) for volume, seed in zip(volumes, seeds, strict=True)])
        results: list[ObjectAsset | StageFailed] = []
        for volume, generated in zip(volumes, made, strict=True):
            results.append(self._asset_or_failure(volume, generated))
            progress.step(volume.name)
        return results

    def _content(self) -> str:
        """Of the method and of every file that takes part."""
        parts = [_METHOD, self._pipeline.path.read_text(), self._upsampler.digest]
        parts += [checkpoint.digest for checkpoint in self._pipeline.checkpoints.values()]
        parts += [content_digest(self._image_encoder.path / name) for name in ("config.json", "model.safetensors")]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def _loader(self, device: torch.device) -> Callable[[str], nn.Module]:
        import torch

        from .checkpoint import load_image_encoder, load_network
        from .schedule import IMAGE_ENCODER

        # Half precision is what the checkpoints say and what GPUs are fast at; CPUs are faster in single.
        torso = None if device.type == "cuda" else torch.float32

        def load(role: str) -> nn.Module:
            if role == IMAGE_ENCODER:
                return load_image_encoder(self._image_encoder)
            return load_network(self._pipeline.checkpoints[role], torso=torso)

        return load

    def _cascade_settings(self, device: torch.device) -> CascadeSettings:
        from ..conditioning.conditioner import STAGE_VIEWS, StageView
        from .schedule import CascadeSettings

        own = self._pipeline.stage_views
        on_gpu = device.type == "cuda"
        return CascadeSettings(
            samplers=effective_samplers(self._pipeline.samplers, steps=self._settings.steps),
            views=STAGE_VIEWS
            if own is None
            else {stage: StageView(size_px=size, naf_side_px=naf) for stage, (size, naf) in own.items()},
            shape_normalisation=self._pipeline.shape_normalisation,
            texture_normalisation=self._pipeline.texture_normalisation,
            resolution=self._settings.resolution,
            max_num_tokens=self._settings.max_num_tokens,
            # On the CPU a batch is no faster, and alone an object is the same to the byte whatever else there is.
            batch=self._settings.batch or (_BATCH_ON_GPU if on_gpu and not self._settings.low_vram else 1),
            low_vram=self._settings.low_vram,
            device=device,
        )

    def _asset_or_failure(
        self, volume: CropVolume, generated: GeneratedObject | StageFailed
    ) -> ObjectAsset | StageFailed:
        if isinstance(generated, StageFailed):
            return generated
        try:
            return self._asset(volume, generated)
        except StageFailed as failure:
            return failure
        except Exception as error:  # one bad object must not end the others
            unexpected = StageFailed("generate", f"meshing: {type(error).__name__}: {error}", object_name=volume.name)
            unexpected.__cause__ = error
            return unexpected

    def _asset(self, volume: CropVolume, generated: GeneratedObject) -> ObjectAsset:
        from ..conditioning.field_of_view import trained_view
        from .voxel_mesh import mesh_from_voxels

        made = mesh_from_voxels(generated.grid, generated.pbr, max_faces=self._settings.max_faces)
        if made is None:
            raise StageFailed("generate", "the decoded surface has no faces", object_name=volume.name)
        trained = trained_view(volume.camera)
        clamped = trained.note(made.mesh.vertices)
        return ObjectAsset(
            mask_value=volume.instance.mask_value,
            mesh_obj=made.mesh,
            material=made.material,
            camera_distance_obj=trained.camera_distance_obj,
            expected_scale_m=None,
            generator=self.name,
            status="generated",
            notes=(*generated.notes, *made.notes, *([] if clamped is None else [clamped])),
        )


def effective_samplers(in_file: Any, *, steps: int) -> dict[str, Any]:
    """What the upstream programs run with: their own numbers for strength, rescale and steps, the file's for the rest.

    in_file: sampler entries of a pipeline file by "structure", "shape", "texture".
    """
    from .sampler import RELEASED_SAMPLERS, FlowSampler

    samplers = {}
    for stage, released in RELEASED_SAMPLERS.items():
        entry = in_file[stage]
        params = {"guidance_interval": released.guidance_interval, **entry.get("params", {})}
        samplers[stage] = FlowSampler.from_config(
            {"args": entry.get("args", {}), "params": params},
            steps=steps,
            rescale_t=released.rescale_t,
            guidance_strength=released.guidance_strength,
            guidance_rescale=released.guidance_rescale,
        )
    return samplers


def choose_device(name: str) -> torch.device:
    """As for every network, but never mps."""
    if name == "mps":
        raise InputError("Pixal3D does not run on mps; use --device cpu.")
    return weights_device.choose_device(name)


def _as_input(volume: CropVolume, seed: int) -> ObjectInput:
    import numpy as np

    from ..conditioning.field_of_view import trained_view
    from ..conditioning.picture import on_black
    from .scene_objects import ObjectInput

    return ObjectInput(
        name=volume.name,
        squares=(on_black(np.asarray(volume.rgba)),),
        views=(trained_view(volume.camera).view,),
        seed=seed,
    )
