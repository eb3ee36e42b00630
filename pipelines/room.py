"""One photo in, one run folder out: reads, resumes, reconstructs, writes. See `docs/run-folder.md`."""

from __future__ import annotations

import io
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt16
from PIL import Image

from pixal3d_scene import __version__
from pixal3d_scene.depth import Depth
from pixal3d_scene.errors import InputError
from pixal3d_scene.export.facts import UNDISTORTED_NAME, scene_facts
from pixal3d_scene.export.glb import object_glb, scene_glb
from pixal3d_scene.frontend.mask_cut import HOW_CUT
from pixal3d_scene.models import OWN_PARTS, Models, load_models
from pixal3d_scene.photo import read_photo
from pixal3d_scene.progress import Progress
from pixal3d_scene.reconstruction import Reconstruction, reconstruct, stage_keys
from pixal3d_scene.review.readiness import Readiness
from pixal3d_scene.review.report import RunResult, StageRecord, report_facts, report_html
from pixal3d_scene.run_folder import RunFolder, RunFolderStore, objects_of_other_settings
from pixal3d_scene.settings import Settings
from pixal3d_scene.weights.own import LICENCE
from pixal3d_scene.weights.used import licences_used

from .check import assess_given
from .full_size import depth_at_full_size, label_map_at_full_size
from .given_files import Given, GivenFiles, read_given

_VERSIONS_OF = ("numpy", "scipy", "pillow", "trimesh", "scikit-image", "torch", "transformers", "segment-anything")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRun:
    """What a run left behind. resumed: nothing had to be done. fell_back: objects with another generator.

    folder_notes: sentences on the folder: what was there and is made again though no setting changed, and that it has
    no lock.
    """

    folder: Path
    objects: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    fell_back: tuple[str, ...]
    resumed: bool
    seconds: float
    folder_notes: tuple[str, ...] = ()


def run_room(
    photo_path: Path,
    out: Path,
    settings: Settings,
    *,
    given_files: GivenFiles | None = None,
    redo: str | None = None,
    only: frozenset[str] = frozenset(),
    progress: Progress,
) -> RoomRun:
    """Reconstruct `photo_path` into the run folder `out`.

    redo: this stage and those after it are made again. only: names of objects to generate again, the others
    are kept. Raises InputError before anything is written, OutputError with the folder left as it was.
    """
    started = time.perf_counter()
    given = _read(photo_path, settings, given_files or GivenFiles())
    models = load_models(settings, segmenter=given.segmenter, depth=given.depth, prompts=given.prompts)
    keys = stage_keys(given.photo, models, settings, given.known)
    folder = RunFolder(out, stages=tuple(keys))
    with folder.locked():
        told = _make_again(folder, keys, redo, only)
        if folder.has("export", keys["export"]):
            return _finished(folder, started)
        told = (*_lock_note(folder), *told)
        done = _reconstruct(models, settings, given, folder, keys, only, progress, started)
        return replace(done, folder_notes=told)


def plan_room(
    photo_path: Path,
    out: Path,
    settings: Settings,
    given_files: GivenFiles,
    *,
    redo: str | None = None,
    only: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """What `run_room` would do, as plain facts; writes nothing. Raises as it does."""
    given = _read(photo_path, settings, given_files)
    photo = given.photo
    models = load_models(settings, segmenter=given.segmenter, depth=given.depth, prompts=given.prompts)
    keys = stage_keys(photo, models, settings, given.known)
    folder = RunFolder(out, stages=tuple(keys))
    told = _make_again(folder, keys, redo, only)
    stages = {stage: "keep" if folder.has(stage, keys[stage]) else "run" for stage in keys}
    return {
        "photo": photo.file_name,
        "size_px": list(photo.full_size_px),
        "out": str(out),
        "segmenter": models.segmenter.name,
        "depth": models.depth.name,
        "completer": models.completer.name if models.completer else "none",
        "generator": models.generator.name,
        "stages": stages | ({"generate": "run"} if only else {}),
        "only": sorted(only),
        "notes": [*photo.notes, *given.notes, *told, *_unused_device_notes(models, settings)],
    }


def _make_again(folder: RunFolder, keys: Mapping[str, str], redo: str | None, only: frozenset[str]) -> tuple[str, ...]:
    """The folder's manifest in memory, without what is to be made again; sentences on what is, for another reason than
    `redo` and `only`, though no setting changed. Raises InputError where they ask for what cannot be done."""
    if redo is not None and only:
        raise InputError("--redo makes a stage again for all objects and --only for some; give one of them.")
    told = _lost_remade(folder, keys)
    if redo is not None:
        folder.forget(redo)
    if not only:
        return (*told, *_other_settings_remade(folder, keys))
    if lost := folder.lost_stages():
        raise InputError(
            f"--only keeps results, and those of the stage {lost[0]} are missing or not as they were written; run the "
            f"same command with --redo {lost[0]} first."
        )
    looked = all(folder.has(stage, keys[stage]) for stage in ("segment", "depth", "complete") if stage in keys)
    if not (looked and folder.finished("generate")):
        raise InputError(
            f"--only needs a finished run of the same photo, masks and depth in {folder.path}; "
            "run the same command without it first."
        )
    names = folder.object_names()
    if unknown := sorted(only - set(names)):
        raise InputError(f"There is no object {', '.join(unknown)}; the run has: {', '.join(names)}.")
    folder.forget("place")
    return told


def _read(photo_path: Path, settings: Settings, given_files: GivenFiles) -> Given:
    photo = read_photo(
        photo_path, max_megapixels=settings.photo.max_megapixels, allow_panorama=settings.photo.allow_panorama
    )
    return read_given(given_files, photo, settings)


def _lock_note(folder: RunFolder) -> tuple[str, ...]:
    if folder.has_lock:
        return ()
    return (f"{folder.path} cannot be locked here: start no second run into it before this one has ended.",)


def _lost_remade(folder: RunFolder, keys: Mapping[str, str]) -> tuple[str, ...]:
    names = folder.lost(keys)
    return (f"Made again, since missing or not as it was written: {', '.join(names)}.",) if names else ()


def _other_settings_remade(folder: RunFolder, keys: Mapping[str, str]) -> tuple[str, ...]:
    if not (names := objects_of_other_settings(folder, keys)):
        return ()
    return (
        f"Made again, since --only had mixed the settings of this folder's objects: {', '.join(names)}; "
        "--only keeps the other objects as they are.",
    )


def _other_settings_kept(folder: RunFolder, keys: Mapping[str, str]) -> tuple[str, ...]:
    if not (names := objects_of_other_settings(folder, keys)):
        return ()
    return (
        f"Of other settings than the rest, since --only kept them: {', '.join(names)}; the same command without --only "
        "makes them again.",
    )


def _finished(folder: RunFolder, started: float) -> RoomRun:
    facts = json.loads((folder.path / "scene.json").read_text())
    report = json.loads((folder.path / "report.json").read_text())
    return RoomRun(
        folder=folder.path,
        objects=tuple(facts["objects"]),
        notes=tuple(report["notes"]),
        fell_back=tuple(report["fell_back"]),
        resumed=True,
        seconds=time.perf_counter() - started,
    )


def _reconstruct(
    models: Models,
    settings: Settings,
    given: Given,
    folder: RunFolder,
    keys: Mapping[str, str],
    only: frozenset[str],
    progress: Progress,
    started: float,
) -> RoomRun:
    store = RunFolderStore(folder, keys, only=only)
    placed = time.perf_counter()
    result = reconstruct(given.photo, models, settings, known=given.known, progress=progress, store=store)
    place_seconds = time.perf_counter() - placed - sum(store.seconds.values())
    folder.finish("place", keys["place"], [], seconds=place_seconds)
    exported = time.perf_counter()
    progress.start("export", 1)
    notes = (*given.photo.notes, *given.notes, *result.instances.notes, *result.depth.notes, *result.room.notes)
    readiness = assess_given(given, result.instances if given.segmenter is not None else None)
    notes = notes if readiness.warning is None else (*notes, readiness.warning)
    depth = depth_at_full_size(result, models)
    notes = (
        *notes,
        *_other_settings_kept(folder, keys),
        *result.notes,
        *_depth_png_notes(depth),
        *_unused_completion_notes(models),
        *_unused_device_notes(models, settings),
    )
    files = _files(result, settings, notes, _stage_records(folder, store), readiness)
    files |= {"instances.png": _instances_png(label_map_at_full_size(result, models)), "depth.png": _depth_png(depth)}
    if given.undistorted is not None:
        files[UNDISTORTED_NAME] = _jpeg(given.undistorted.image)
    folder.manifest["versions"] = _versions()
    folder.manifest["settings"] = settings.model_dump()
    folder.write(files)
    kept_files = [f for s in folder.manifest["stages"].values() for f in s["files"]]
    folder.remove_stale([*files, *kept_files])
    folder.finish("export", keys["export"], files, seconds=time.perf_counter() - exported)
    progress.step()
    progress.finish()
    return RoomRun(
        folder=folder.path,
        objects=tuple(json.loads(files["scene.json"])["objects"]),
        notes=notes,
        fell_back=tuple(_name_of(result, a.mask_value) for a in result.fallbacks),
        resumed=False,
        seconds=time.perf_counter() - started,
    )


def _files(
    result: Reconstruction,
    settings: Settings,
    notes: tuple[str, ...],
    stages: tuple[StageRecord, ...],
    readiness: Readiness,
) -> dict[str, bytes]:
    """Every file of the product by its name in the run folder, but for the maps at the size of the photo's file."""
    quality = settings.export.jpeg_quality
    run = RunResult(
        photo=result.photo,
        instances=result.instances,
        depth=result.depth,
        scene=result.scene,
        crops=result.volumes,
        stages=stages,
        settings=settings.model_dump(),
        versions=_versions(),
        licences=_licences(result, settings),
        notes=notes,
        readiness=readiness,
    )
    report = report_facts(run) | {
        "notes": list(notes),
        "fell_back": [_name_of(result, a.mask_value) for a in result.fallbacks],
    }
    files = {
        "scene.glb": scene_glb(
            result.scene, photo=result.photo, jpeg_quality=quality, room_shell=settings.export.room_shell
        ),
        "scene.json": _json(scene_facts(result.scene, result.photo)),
        "report.html": report_html(run).encode(),
        "report.json": _json(report),
    }
    for volume in result.volumes:
        files[f"crops/{volume.name}.png"] = _png(Image.fromarray(np.asarray(volume.rgba)))
    for item in result.scene.objects:
        if item.mesh_node is not None:
            files[f"objects/{item.name}.glb"] = object_glb(item, jpeg_quality=quality)
    return files


def _instances_png(label_map: UInt16[np.ndarray, "H W"]) -> bytes:
    return _png(Image.fromarray(label_map.astype(np.uint8) if label_map.max() < 256 else label_map))


def _depth_png(depth: Depth) -> bytes:
    millimetres = np.where(_fits_depth_png(depth), depth.z_m * 1000, 0)
    return _png(Image.fromarray(millimetres.round().astype(np.uint16)))


def _depth_png_notes(depth: Depth) -> tuple[str, ...]:
    left_out = int((depth.valid & ~_fits_depth_png(depth)).sum())
    if not left_out:
        return ()
    return (f"{left_out} depth values are outside 1 mm to 65.535 m; depth.png, 16 bit, has 0 (not known) there.",)


def _unused_completion_notes(models: Models) -> tuple[str, ...]:
    if models.completer is None or models.generator.name != models.fallback.name:
        return ()
    return (
        f"The generator {models.generator.name} works from the visible surface: what {models.completer.name} painted "
        "is seen in crops/ and changes no mesh. Choose a learned generator (--preset pixal3d) to make use of it.",
    )


def _unused_device_notes(models: Models, settings: Settings) -> tuple[str, ...]:
    parts = (models.segmenter.name, models.depth.name, models.generator.name)
    own = [name for name in dict.fromkeys(parts) if name in OWN_PARTS]
    if settings.device in ("auto", "cpu") or not own:
        return ()
    return (
        f"--device {settings.device} is not used by {' and '.join(own)}: the package's own networks run on the CPU.",
    )


def _fits_depth_png(depth: Depth) -> Bool[np.ndarray, "H W"]:
    return depth.valid & (depth.z_m > 0.0005) & (depth.z_m < 65.5355)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _stage_records(folder: RunFolder, store: RunFolderStore) -> tuple[StageRecord, ...]:
    return tuple(
        StageRecord(
            name=stage,
            seconds=entry["seconds"],
            status="done" if stage in store.seconds or stage == "place" else "kept",
            peak_memory_bytes=entry["peak_memory_bytes"],
        )
        for stage, entry in folder.manifest["stages"].items()
    )


def _name_of(result: Reconstruction, mask_value: int) -> str:
    return next(i.name for i in result.instances.items if i.mask_value == mask_value)


def _licences(result: Reconstruction, settings: Settings) -> dict[str, str]:
    """Of the package and of every network that had a part in the run."""
    used = licences_used(
        settings,
        masks_given=result.instances.source == "given",
        depth_given=result.depth.source == "given",
        votes_asked=HOW_CUT[True] in result.instances.notes,
    )
    return {"pixal3d-scene": LICENCE, **used}


def _versions() -> dict[str, str]:
    versions = {"pixal3d-scene": __version__, "python": platform.python_version()}
    for name in _VERSIONS_OF:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
