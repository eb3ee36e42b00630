"""Train the object networks: settings and files of objects in; autoencoders, and at last a pipeline folder, out.

OUT/structure, OUT/voxels   autoencoders, each with its checkpoints and curves
OUT/flows                   the run that trains the view encoder and the three flows on them
OUT/objects                 the finished pipeline
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixal3d_scene.learning.training_settings import TrainingSettings

if TYPE_CHECKING:
    import torch

    from pixal3d_scene.learning.object_batch import ObjectBatch
    from pixal3d_scene.learning.object_files import ObjectFiles
    from pixal3d_scene.learning.object_flows import ObjectFlows
    from pixal3d_scene.learning.object_networks import Description
    from pixal3d_scene.learning.training import Task, TrainingPlan

PIPELINE = "objects"
# What the stems of the folder are for, as `generator.pipeline_file` names the roles.
_STEMS = {
    "sparse_structure_flow_model": "structure_flow",
    "sparse_structure_decoder": "structure_decoder",
    "shape_slat_flow_model_512": "shape_flow",
    "shape_slat_decoder": "shape_decoder",
    "tex_slat_flow_model_1024": "texture_flow",
    "tex_slat_decoder": "material_decoder",
}
_MEASURED_BATCHES = 24  # of training objects, for the spread of latents
_VALIDATION_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRun:
    """What the runs have in common.

    data: folder of object files. out: see above. autoencoders: where OUT/structure and OUT/voxels of an earlier run
    are, if not in `out`.
    """

    settings: TrainingSettings
    data: Path
    out: Path
    device: torch.device
    plan: TrainingPlan
    autoencoders: Path | None = None
    rank: int = 0

    @property
    def folder(self) -> Path:
        return self.out / self.settings.kind

    def files(self) -> ObjectFiles:
        from pixal3d_scene.learning.object_files import ObjectFiles

        files = ObjectFiles(self.data, "train", seed=1000 * self.plan.seed + self.rank)
        files.paths()  # said before anything is made
        return files

    def draw_shapes(self) -> Callable[[int], ObjectBatch]:
        """Training objects of a step, half of them mirrored: for networks that read the shape alone."""
        import torch

        from pixal3d_scene.learning.object_augment import mirrored

        files, count, seed = self.files(), self.settings.objects.batch, self.plan.seed

        def draw(step: int) -> ObjectBatch:
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
            return mirrored(files.draw(step, count), torch.rand(count, generator=generator) < 0.5)

        return draw

    def draw_views(self) -> Callable[[int], ObjectBatch]:
        """Training objects of a step with changed pictures."""
        import torch

        from pixal3d_scene.learning.object_augment import augment_objects

        files, count, seed = self.files(), self.settings.objects.batch, self.plan.seed

        def draw(step: int) -> ObjectBatch:
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
            return augment_objects(files.draw(step, count, edges=True), generator)

        return draw

    def held_out(self) -> list[ObjectBatch]:
        """The same objects every time."""
        from pixal3d_scene.learning.object_files import ObjectFiles

        files = ObjectFiles(self.data, "validation", seed=0)
        wanted = self.settings.objects.validation_objects
        return [
            files.draw(number, min(_VALIDATION_BATCH, wanted - start))
            for number, start in enumerate(range(0, wanted, _VALIDATION_BATCH))
        ]


def train_objects(run: ObjectRun) -> dict[str, Any]:
    """The run that the settings' kind names. Returns the last validation and where the weights are."""
    if run.settings.kind == "flows":
        return train_flows(run)
    return _train_autoencoder(run, {"structure": _structure_kind, "voxels": _voxels_kind}[run.settings.kind]())


@dataclass(frozen=True, slots=True, kw_only=True)
class _AutoencoderKind:
    """What differs between the two runs of autoencoders. describe: its networks, in the order of the model's parts."""

    describe: Callable[[TrainingSettings], dict[str, Description]]
    model: Callable[..., torch.nn.Module]
    task: Callable[..., Task]
    write: Callable[[ObjectRun], None]


def _structure_kind() -> _AutoencoderKind:
    from pixal3d_scene.learning.object_networks import structure_autoencoder
    from pixal3d_scene.learning.structure_task import StructureAutoencoder, StructureTask

    return _AutoencoderKind(
        describe=lambda settings: structure_autoencoder(settings.structure),
        model=StructureAutoencoder,
        task=StructureTask,
        write=write_structure,
    )


def _voxels_kind() -> _AutoencoderKind:
    from pixal3d_scene.learning.object_networks import voxel_autoencoders
    from pixal3d_scene.learning.voxel_task import VoxelAutoencoders, VoxelTask

    return _AutoencoderKind(
        describe=lambda settings: voxel_autoencoders(settings.voxels),
        model=VoxelAutoencoders,
        task=VoxelTask,
        write=write_voxels,
    )


def _train_autoencoder(run: ObjectRun, kind: _AutoencoderKind) -> dict[str, Any]:
    """Structure, or shape and material together."""
    from pixal3d_scene.learning.training import train

    model = kind.model(*(d.build() for d in kind.describe(run.settings).values()))
    task = kind.task(model, run.draw_shapes(), run.held_out(), seed=run.plan.seed)
    figures = train(task, run.plan, run.folder, device=run.device)
    if figures:
        kind.write(run)
    return {"validation": figures, "weights": str(run.folder)}


def write_structure(run: ObjectRun) -> None:
    """The averaged weights of a run that was finished or not, as networks of a pipeline.

    The latent is written with a spread of 1.
    """
    import torch

    from pixal3d_scene.learning.object_inputs import occupancy
    from pixal3d_scene.learning.object_networks import scale_structure_latent, structure_autoencoder, write_network
    from pixal3d_scene.learning.structure_task import StructureAutoencoder
    from pixal3d_scene.learning.training import averaged_weights

    described = structure_autoencoder(run.settings.structure)
    model = StructureAutoencoder(*(d.build() for d in described.values()))  # type: ignore[arg-type]
    model.load_state_dict(averaged_weights(run.folder))
    files = run.files()
    with torch.no_grad():
        latents = [model.encoder(occupancy(files.draw(i, 8)))[0] for i in range(_MEASURED_BATCHES)]
    scale_structure_latent(model.encoder, model.decoder, float(torch.cat(latents).std()))
    for (stem, description), network in zip(described.items(), (model.encoder, model.decoder), strict=True):
        write_network(run.folder / stem, description, network)


def write_voxels(run: ObjectRun) -> None:
    """As `write_structure`; normalisation.json holds mean and std of both latents on training objects."""
    import torch

    from pixal3d_scene.learning.object_inputs import voxel_targets
    from pixal3d_scene.learning.object_networks import voxel_autoencoders, write_network
    from pixal3d_scene.learning.training import averaged_weights
    from pixal3d_scene.learning.voxel_task import VoxelAutoencoders

    described = voxel_autoencoders(run.settings.voxels)
    model = VoxelAutoencoders(*(d.build() for d in described.values()))  # type: ignore[arg-type]
    model.load_state_dict(averaged_weights(run.folder))
    files = run.files()
    with torch.no_grad():
        encoded = [model.encode(voxel_targets(files.draw(i, 8))) for i in range(_MEASURED_BATCHES)]
    normalisation = {}
    for name in ("shape", "material"):
        latents = torch.cat([getattr(e, name).mean.feats for e in encoded])  # (T, C)
        std = latents.std(dim=0)
        # A channel that the divergence has emptied stays small instead of being blown up to noise.
        std = std.clamp(min=0.1 * float(std.square().mean().sqrt()))
        normalisation[name] = {"mean": latents.mean(dim=0).tolist(), "std": std.tolist()}
    for (stem, description), network in zip(described.items(), model.children(), strict=True):
        write_network(run.folder / stem, description, network)
    (run.folder / "normalisation.json").write_text(json.dumps(normalisation, indent=2) + "\n")


def train_flows(run: ObjectRun) -> dict[str, Any]:
    """View encoder and flows; then the pipeline folder, unless the run was one for comparison."""
    from pixal3d_scene.learning.flow_task import FlowTask
    from pixal3d_scene.learning.object_latents import read_autoencoders
    from pixal3d_scene.learning.training import train

    chosen = run.settings.flows
    autoencoders = read_autoencoders(run.autoencoders or run.out)
    held_out = run.held_out()
    model, _ = _flows(run, held_out[0])
    task = FlowTask(
        model,
        autoencoders,
        run.draw_views(),
        held_out,
        seed=run.plan.seed,
        exact_camera=chosen.exact_camera,
        guidance_strength=chosen.guidance_strength,
    )
    figures = train(task, run.plan, run.folder, device=run.device)
    comparison = chosen.conditioning != "projection" or not chosen.exact_camera
    if figures and not comparison:
        write_pipeline(run)
    return {"validation": figures, "weights": str(run.folder if comparison else run.out / PIPELINE)}


def write_pipeline(run: ObjectRun) -> Path:
    """The folder of a finished or unfinished run of flows, laid out as a published pipeline, in half precision."""
    from pixal3d_scene.learning.object_networks import write_network
    from pixal3d_scene.learning.training import averaged_weights

    folder = run.out / PIPELINE
    model, described = _flows(run, run.held_out()[0])
    model.load_state_dict(averaged_weights(run.folder))
    for (stem, description), network in zip(described.items(), model.children(), strict=True):
        write_network(folder / stem, description, network)
    trained = run.autoencoders or run.out
    for stem in ("structure/structure_decoder", "voxels/shape_decoder", "voxels/material_decoder"):
        for suffix in (".json", ".safetensors"):
            shutil.copyfile(trained / f"{stem}{suffix}", folder / f"{Path(stem).name}{suffix}")
    text = json.dumps({"name": "pixal3d-scene objects", "args": _pipeline_args(run, trained)}, indent=2)
    (folder / "pipeline.json").write_text(text + "\n")
    return folder


def _flows(run: ObjectRun, example: ObjectBatch) -> tuple[ObjectFlows, dict[str, Description]]:
    """The networks to train and what their files say, on the latents of the trained autoencoders."""
    from pixal3d_scene.learning.object_flows import TOKEN_GRID, ObjectFlows
    from pixal3d_scene.learning.object_latents import read_autoencoders
    from pixal3d_scene.learning.object_networks import flow_networks

    chosen = run.settings.flows
    sizes = read_autoencoders(run.autoencoders or run.out).sizes(example)
    described = flow_networks(chosen, sizes, token_grid=TOKEN_GRID)
    networks = [description.build() for description in described.values()]
    return ObjectFlows(*networks, by_projection=chosen.conditioning == "projection"), described  # type: ignore[arg-type]


def _pipeline_args(run: ObjectRun, trained: Path) -> dict[str, Any]:
    """As in a published file, and what the small networks need beyond it."""
    from pixal3d_scene.learning.flow_task import RESCALE_T, STEPS
    from pixal3d_scene.learning.object_flows import SIGMA_MIN
    from pixal3d_scene.learning.object_networks import VIEW_ENCODER

    def sampler(strength: float) -> dict[str, Any]:
        params = {"steps": STEPS, "rescale_t": RESCALE_T, "guidance_strength": strength}
        return {"name": "FlowEulerGuidanceIntervalSampler", "args": {"sigma_min": SIGMA_MIN}, "params": params}

    spread = json.loads((trained / "voxels" / "normalisation.json").read_text())
    guided, files = run.settings.flows.guidance_strength, run.files()
    return {
        "models": _STEMS,
        "view_encoder": VIEW_ENCODER,
        "cube_over_crop": round(files.cube_over_crop, 6),
        "picture_px": files.picture_px,
        "resolution": files.resolution,
        "sparse_structure_sampler": sampler(guided),
        "shape_slat_sampler": sampler(guided),
        "tex_slat_sampler": sampler(1.0),
        "shape_slat_normalization": spread["shape"],
        "tex_slat_normalization": spread["material"],
    }
