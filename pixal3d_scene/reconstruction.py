"""The whole job on values: a photo in, a scene out. `pipelines/room.py` is the same job on files.

photo -> segment -> estimate depth -> plan crops (-> complete hidden parts) -> generate -> place -> build scene
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from .asset import ObjectAsset
from .code_revision import code_revision
from .completion import paint_hidden_parts, with_painted_parts
from .crop import CropVolume, plan_crops
from .depth import Depth
from .errors import BackendMissing, StageFailed
from .frontend.known_size import at_known_sizes, refuse_unusable_sizes
from .frontend.protocols import KnownView
from .generator.box import box_asset
from .generator.protocol import object_seed
from .instances import Instances
from .layout.duplicates import find_duplicates, share_meshes
from .layout.room_shell import fit_room
from .layout.solve import solve_layout
from .layout.surfaces import texture_room
from .models import Models
from .photo import Photo
from .progress import Progress, Silent
from .review.quality import with_quality
from .room import Room
from .scene_graph import Placement, SceneGraph, SceneObject
from .settings import LayoutSettings, Settings

T = TypeVar("T")

STAGES = ("segment", "depth", "complete", "generate", "place", "export")


@runtime_checkable
class Store(Protocol):
    """Keeps the results of the expensive stages; see `run_folder.RunFolderStore`."""

    def keep(self, stage: str, make: Callable[[], T]) -> T:
        """The kept result of a stage, or the one that `make` gives."""

    def keep_assets(
        self, volumes: tuple[CropVolume, ...], make: Callable[[tuple[CropVolume, ...]], Iterable[ObjectAsset]]
    ) -> list[ObjectAsset]:
        """One asset per volume: kept ones, and those that `make` gives for the missing volumes, in their order."""


class Recompute:
    """A store that keeps nothing."""

    def keep(self, stage: str, make: Callable[[], T]) -> T:
        del stage
        return make()

    def keep_assets(
        self, volumes: tuple[CropVolume, ...], make: Callable[[tuple[CropVolume, ...]], Iterable[ObjectAsset]]
    ) -> list[ObjectAsset]:
        return list(make(volumes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """The scene and everything it was made from. notes: what placing has to tell of more than one object."""

    photo: Photo
    instances: Instances
    depth: Depth
    room: Room
    volumes: tuple[CropVolume, ...]
    assets: tuple[ObjectAsset, ...]
    scene: SceneGraph
    generator: str
    notes: tuple[str, ...] = ()

    @property
    def fallbacks(self) -> tuple[ObjectAsset, ...]:
        """Assets that the chosen generator could not make."""
        return tuple(a for a in self.assets if a.generator != self.generator)


def reconstruct(
    photo: Photo,
    models: Models,
    settings: Settings,
    *,
    known: KnownView | None = None,
    progress: Progress | None = None,
    store: Store | None = None,
) -> Reconstruction:
    """A scene of separate, placed objects from one photo.

    known: what the user knows of the camera. Raises StageFailed where no scene can be made at all; an object
    that fails becomes a simpler one, with the reason in its notes.
    """
    known, progress, store = known or KnownView(), progress or Silent(), store or Recompute()
    instances, depth = look(photo, models, known, progress, store)
    depth = at_known_sizes(depth, instances, known.sizes, stated_camera_height_m=known.camera_height_m)
    room = fit_room(depth, instances)
    crop = settings.crop
    volumes = plan_crops(photo, instances, depth, size_px=crop.size_px, margin=crop.margin, mode=crop.mode)
    volumes = complete(photo, volumes, models, settings, progress, store)
    assets = store.keep_assets(volumes, lambda missing: generate(missing, models, settings, progress))
    assets = [replace(a, notes=(*v.notes, *a.notes)) for a, v in zip(assets, volumes, strict=True)]
    placed = _tell(progress, "place", lambda: place(assets, volumes, room, settings.layout))
    scene = build_scene(photo, instances, depth, room, list(placed.assets), placed.placements)
    return Reconstruction(
        photo=photo,
        instances=instances,
        depth=depth,
        room=room,
        volumes=volumes,
        assets=placed.assets,
        scene=scene,
        generator=models.generator.name,
        notes=placed.notes,
    )


def look(photo: Photo, models: Models, known: KnownView, progress: Progress, store: Store) -> tuple[Instances, Depth]:
    """Masks and depth; the one that can help the other comes first."""

    def segment(depth: Depth | None) -> Instances:
        instances = _tell(
            progress, "segment", lambda: store.keep("segment", lambda: models.segmenter.segment(photo, known, depth))
        )
        refuse_unusable_sizes(instances, known.sizes)  # before time is spent on depth, where that comes later
        return instances

    def estimate(instances: Instances | None) -> Depth:
        return _tell(
            progress, "depth", lambda: store.keep("depth", lambda: models.depth.estimate(photo, instances, known))
        )

    if stage_order(models)[0] == "depth":
        depth = estimate(None)
        return segment(depth), depth
    instances = segment(None)
    return instances, estimate(instances)


def stage_order(models: Models) -> tuple[str, ...]:
    """STAGES in the order in which they run: depth before masks where it helps them and needs none; hidden parts
    only where there is a completer."""
    first = ("segment", "depth")
    if models.segmenter.uses_depth and not models.depth.needs_instances:
        first = ("depth", "segment")
    rest = STAGES[2:] if models.completer is not None else STAGES[3:]
    return (*first, *rest)


def complete(
    photo: Photo,
    volumes: tuple[CropVolume, ...],
    models: Models,
    settings: Settings,
    progress: Progress,
    store: Store,
) -> tuple[CropVolume, ...]:
    """The volumes with their hidden parts painted, if there is a completer, where the guard accepts it."""
    completer = models.completer
    if completer is None:
        return volumes
    picture = photo.image
    parts = store.keep("complete", lambda: paint_hidden_parts(volumes, picture, completer, settings, progress))
    return with_painted_parts(volumes, parts, picture, settings)


def generate(
    volumes: tuple[CropVolume, ...], models: Models, settings: Settings, progress: Progress
) -> Iterator[ObjectAsset]:
    """One asset per volume by the chosen generator, else by the fall-back, else a box; never none.

    Each comes as soon as the generator has it.
    """
    progress.start("generate", len(volumes))
    seeds = [object_seed(settings.seed, v.instance.mask_value) for v in volumes]
    for volume, seed, made in zip(volumes, seeds, models.generator.generate(volumes, seeds, progress), strict=True):
        if isinstance(made, StageFailed) and models.fallback.name != models.generator.name:
            reason = made.reason
            try:
                (made,) = models.fallback.generate([volume], [seed], Silent())
            except BackendMissing as error:
                made = StageFailed("generate", f"{models.generator.name} failed: {reason}, and {error}")
            if isinstance(made, ObjectAsset):
                note = f"Fell back to {made.generator}: {models.generator.name} failed: {reason}"
                made = replace(made, notes=(*made.notes, note))
        if isinstance(made, StageFailed):
            made = box_asset(volume, reason=made.reason)
        yield made
    progress.finish()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One placement per asset; the assets are those that came in, but for meshes that are shared. notes: of groups."""

    assets: tuple[ObjectAsset, ...]
    placements: tuple[Placement, ...]
    notes: tuple[str, ...] = ()


def place(assets: list[ObjectAsset], volumes: tuple[CropVolume, ...], room: Room, settings: LayoutSettings) -> Placed:
    """Every object at its place; duplicates are looked for there and, when asked, placed again with one mesh."""
    placements = solve_layout(assets, volumes, room, snap_m=settings.snap_m)
    groups = find_duplicates(assets, volumes, placements)
    if not (groups and settings.share_duplicates):
        notes = tuple(group.note for group in groups)
        if settings.share_duplicates:
            notes = ("No mesh is shared: no two objects look like one model (--share-duplicates).",)
        return Placed(assets=tuple(assets), placements=placements, notes=notes)
    shared = share_meshes(groups, assets, volumes, placements)
    again = solve_layout(
        shared.assets, volumes, room, snap_m=settings.snap_m, known_T_node_from_obj=shared.T_node_from_obj
    )
    placements = tuple(replace(p, mesh_of=shared.mesh_of.get(p.name)) for p in again)
    return Placed(assets=shared.assets, placements=placements, notes=shared.notes)


def build_scene(
    photo: Photo,
    instances: Instances,
    depth: Depth,
    room: Room,
    assets: list[ObjectAsset],
    placements: tuple[Placement, ...],
) -> SceneGraph:
    """Objects in their node frames under their carriers, measured against the photo, and the textured shell."""
    meshes_node = {p.name: a.mesh_obj.transformed(p.T_node_from_obj) for a, p in zip(assets, placements, strict=True)}
    materials = {p.name: a.material for a, p in zip(assets, placements, strict=True)}
    objects = []
    for item, asset, placement in zip(instances.items, assets, placements, strict=True):
        whose = placement.mesh_of or placement.name
        objects.append(
            SceneObject(
                instance=item,
                placement=placement,
                mesh_node=meshes_node[whose],
                material=materials[whose],
                status=asset.status,
                generator=asset.generator,
                warnings=(*asset.notes, *placement.warnings),
            )
        )
    surfaces = texture_room(room, photo, depth, instances)
    return with_quality(
        SceneGraph(camera=depth.camera, objects=objects, room=room, surfaces=surfaces), instances, depth
    )


def stage_keys(photo: Photo, models: Models, settings: Settings, known: KnownView) -> dict[str, str]:
    """Content key of every stage in the order in which they run: its own settings, revisions of models and code, and
    the key before it; the first one's has the photo and what is known of the camera.

    The keys need no stage to run, so that a finished run is recognised before anything is loaded.
    """
    generator, completer = models.generator, models.completer
    inputs: dict[str, Any] = {
        "segment": [models.segmenter.name, models.segmenter.revision, settings.segment.model_dump()],
        "depth": [models.depth.name, models.depth.revision, settings.depth.model_dump()],
        "complete": completer and [
            completer.name, completer.revision, settings.complete.model_dump(), settings.crop.model_dump(),
            code_revision("completion.py", "crop.py", "frontend/comple*.py", "frontend/occluders.py"),
            settings.seed, settings.device,
        ],
        "generate": [
            generator.name, generator.revision, models.fallback.revision, settings.crop.model_dump(),
            settings.generate.model_dump(), settings.seed, settings.device, code_revision("crop.py"),
            [[size.name, size.height_m] for size in known.sizes],
        ],
        "place": [code_revision("layout/*.py"), settings.layout.model_dump()],
        "export": [code_revision("export/*.py", "review/*.py"), settings.export.model_dump(), photo.file_name],
    }  # fmt: skip
    keys: dict[str, str] = {}
    distortion = None if photo.distortion is None else photo.distortion.facts()
    previous = json.dumps([photo.sha256, photo.size_px, distortion, _describe(known)])
    for stage in stage_order(models):
        text = json.dumps([previous, stage, inputs[stage]], sort_keys=True)
        previous = keys[stage] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return keys


def _describe(known: KnownView) -> list[Any]:
    camera = known.camera
    described = None
    if camera is not None:
        described = [camera.K.tolist(), list(camera.size_px), camera.T_world_from_cam.as_matrix().tolist()]
    return [described, known.pose_known, known.horizontal_fov_deg, known.camera_height_m]


def _tell(progress: Progress, stage: str, work: Callable[[], T]) -> T:
    progress.start(stage, 1)
    result = work()
    progress.step()
    progress.finish()
    return result
