"""Weights on this machine: what exists, bringing it here, and whether it is whole. See `docs/weights.md`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pixal3d_scene import __version__
from pixal3d_scene.errors import BackendMissing, InputError, SceneError
from pixal3d_scene.generator.pipeline_file import (
    Checkpoint,
    find_checkpoint,
    find_image_encoder,
    find_upsampler,
    stems_of_roles,
)
from pixal3d_scene.weights.digest import computed_digest, promised_digest
from pixal3d_scene.weights.fetch import fetch_weights
from pixal3d_scene.weights.location import WeightsFolder, find_weights, own_cache
from pixal3d_scene.weights.own import FOLDER, FRONT_END, HIDDEN_SIDES, LICENCE, OWN, own_weights
from pixal3d_scene.weights.registry import REGISTRY, PublishedWeights, published
from pixal3d_scene.weights.transformers_folder import CLASSES, load_any

_PIPELINE_FILES = ("pipeline.json", "pipeline_mv.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsStatus:
    """Weights that the package knows and what of them is here. files_missing is empty where `present`."""

    name: str
    purpose: str
    hub_id: str | None
    revision: str | None
    size_bytes: int
    licence: str
    gated: bool
    commercial: str
    present: bool
    where: str
    files_missing: tuple[str, ...]
    remark: str

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    def row(self) -> list[str]:
        """For a table under `LIST_HEADER`."""
        return [
            self.name,
            _bytes(self.size_bytes),
            self.licence,
            "yes" if self.gated else "no",
            self.commercial,
            self.revision or "not pinned",
            "yes" if self.present else "no",
            self.hub_id or self.where,
        ]


LIST_HEADER = ("weights", "size", "licence", "gated", "commercial", "revision", "here", "from")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
CHECK_HEADER = ("file", "state", "sha256", "remark")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """state: "ok"; "missing"; "damaged" (not the bytes that were published) or "wrong" (does not fit its network)."""

    name: str
    state: Literal["ok", "missing", "damaged", "wrong"]
    sha256: str = ""
    remark: str = ""

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    def row(self) -> list[str]:
        """For a table under `CHECK_HEADER`."""
        return [self.name, self.state, self.sha256[:16], self.remark]


def list_weights() -> list[WeightsStatus]:
    """The package's own weights and every entry of the registry. Looks at this machine only."""
    return [_own_status(name) for name in OWN] + [_status(weights) for weights in REGISTRY.values()]


def fetch(names: Sequence[str], *, revision: str | None = None) -> dict[str, list[Path]]:
    """Bring entries of the registry here; the files of each by its name. See `fetch_weights` for what it raises."""
    for name in names:
        if name in OWN:
            raise InputError(f"{name} is part of the package: there is nothing to fetch; leave it out.")
    entries = [published(name) for name in names]  # a wrong name is said before the first gigabyte
    return {weights.name: fetch_weights(weights, revision=revision) for weights in entries}


def check(reference: str, *, revision: str | None = None) -> list[FileCheck]:
    """Every file of a registry name, a folder or a hub id: there, unharmed, and fitting its network.

    Raises InputError for what is none of these, BackendMissing where nothing is there at all.
    """
    if reference in OWN:
        return [_checked_own(reference)]
    if reference not in REGISTRY and not Path(reference).is_dir() and not _HUB_ID.fullmatch(reference):
        raise InputError(
            f"{reference!r} is no folder, no hub id (OWNER/NAME) and no name; the names are "
            f"{', '.join([*OWN, *REGISTRY])}."
        )
    entry = REGISTRY.get(reference)
    if entry is not None and entry.hub_id is None:
        return [_checked(entry.name, lambda: find_upsampler(own_cache(), None))]
    found = find_weights(str(entry.hub_id) if entry else reference, revision=revision)
    if (found.path / "model_index.json").is_file():
        return [_checked_file(found.path, file) for file in _files_of_pipeline(found.path, entry)]
    wanted = [entry.follows] if entry and entry.follows else _PIPELINE_FILES
    pipelines = [found.path / name for name in wanted if name and (found.path / name).is_file()]
    if not pipelines:
        return [_checked_alone(found.path, entry)]
    checks = []
    for pipeline in pipelines:
        for role, stem in stems_of_roles(pipeline).items():
            checks.append(_checked(role, partial(find_checkpoint, found.path, stem)))
    checks.append(_checked_image_encoder(lambda: find_image_encoder(found.path, None)))
    checks.append(_checked("naf", lambda: find_upsampler(found.path, None)))
    return checks


def _checked_own(name: str) -> FileCheck:
    """A file of the package, read as it is for a run."""
    from pixal3d_scene.frontend.front_end_weights import read_front_end
    from pixal3d_scene.generator.hidden_network import read_hidden

    file, _ = OWN[name]
    try:
        path = own_weights(file)
    except BackendMissing as error:
        return FileCheck(name=name, state="missing", remark=str(error))
    readable = replace(_checked_file(path.parent, file), name=name)
    read = {FRONT_END: read_front_end, HIDDEN_SIDES: read_hidden}.get(file)
    if readable.state != "ok" or read is None:
        return readable
    try:
        read(path)
    except SceneError as error:
        return replace(readable, state="wrong", remark=str(error))
    return readable


def _checked(name: str, find: Callable[[], Checkpoint]) -> FileCheck:
    from pixal3d_scene.generator.checkpoint import check_checkpoint

    try:
        place = find()
    except SceneError as error:
        return FileCheck(name=name, state="missing", remark=str(error))
    digest = computed_digest(place.weights)
    if (promised := promised_digest(place.weights)) not in (None, digest):
        return _damaged(name, digest, promised)
    try:
        check_checkpoint(place)
    except SceneError as error:
        return FileCheck(name=name, state="wrong", sha256=digest, remark=str(error))
    return FileCheck(name=name, state="ok", sha256=digest, remark=str(place.weights))


def _model_type(folder: Path) -> str | None:
    """What config.json says of a network of transformers; None where there is none."""
    try:
        return str(json.loads((folder / "config.json").read_text())["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checked_alone(folder: Path, entry: PublishedWeights | None) -> FileCheck:
    """A folder with one network: the image encoder of the generator, or one of the front-end."""
    kind = _model_type(folder)
    name = entry.name if entry else str(kind)
    if kind == "sam" or (kind is None and _is_official_sam(folder)):
        return _checked_network(name if entry else "sam", folder, entry, _load_sam)
    if name.startswith("dinov3") or (entry is None and kind not in CLASSES):
        return _checked_image_encoder(lambda: find_image_encoder(folder, str(folder)))
    return _checked_network(
        name, folder, entry, partial(load_any, CLASSES.get(str(kind), ""), what=f"The network {name}")
    )


def _is_official_sam(folder: Path) -> bool:
    from pixal3d_scene.frontend.sam_checkpoint import is_official_sam

    return is_official_sam(folder)


def _load_sam(folder: Path) -> object:
    from pixal3d_scene.frontend.sam_checkpoint import load_sam

    return load_sam(folder / "model.safetensors")


def _checked_network(
    name: str, folder: Path, entry: PublishedWeights | None, load: Callable[[Path], object]
) -> FileCheck:
    """A network of the front-end in a folder of its own."""
    missing = [file for file in (entry.files if entry else ("model.safetensors",)) if not (folder / file).is_file()]
    if missing:
        return FileCheck(name=name, state="missing", remark=f"{folder} lacks {', '.join(missing)}; fetch it again.")
    weights = folder / "model.safetensors"
    digest = computed_digest(weights)
    if (promised := promised_digest(weights)) not in (None, digest):
        return _damaged(name, digest, promised)
    try:
        load(folder)
    except SceneError as error:
        return FileCheck(name=name, state="wrong", sha256=digest, remark=str(error))
    return FileCheck(name=name, state="ok", sha256=digest, remark=str(weights))


def _checked_image_encoder(find: Callable[[], WeightsFolder]) -> FileCheck:
    from pixal3d_scene.generator.checkpoint import load_image_encoder

    try:
        found = find()
    except SceneError as error:
        return FileCheck(name="dinov3", state="missing", remark=str(error))
    weights = found.path / "model.safetensors"
    digest = computed_digest(weights)
    if (promised := promised_digest(weights)) not in (None, digest):
        return _damaged("dinov3", digest, promised)
    try:
        load_image_encoder(found)
    except SceneError as error:
        return FileCheck(name="dinov3", state="wrong", sha256=digest, remark=str(error))
    return FileCheck(name="dinov3", state="ok", sha256=digest, remark=str(weights))


def _files_of_pipeline(folder: Path, entry: PublishedWeights | None) -> Sequence[str]:
    """Of a pipeline of diffusers: those that were published, or all that are in a folder of the user's own."""
    if entry is not None:
        return entry.files
    return [str(file.relative_to(folder)) for file in sorted(folder.glob("*/*")) if file.is_file()]


def _checked_file(folder: Path, name: str) -> FileCheck:
    """There, unharmed, and (weights) readable as safetensors; whether it fits its network the next run says."""
    from safetensors import SafetensorError, safe_open

    path = folder / name
    if not path.is_file():
        return FileCheck(name=name, state="missing", remark=f"{path} is not there; fetch it again")
    digest = computed_digest(path)
    if (promised := promised_digest(path)) not in (None, digest):
        return _damaged(name, digest, promised)
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            return FileCheck(name=name, state="wrong", sha256=digest, remark=f"no safetensors file: {error}")
    return FileCheck(name=name, state="ok", sha256=digest, remark=str(path))


def _damaged(name: str, digest: str, promised: str | None) -> FileCheck:
    remark = f"the hub published {promised}; delete the file from the hub's cache and fetch it again"
    return FileCheck(name=name, state="damaged", sha256=digest, remark=remark)


def _status(weights: PublishedWeights) -> WeightsStatus:
    where, revision = _where(weights)
    missing = tuple(file for file in weights.files if where is None or not (where / file).is_file())
    return WeightsStatus(
        name=weights.name,
        purpose=weights.purpose,
        hub_id=weights.hub_id,
        revision=revision or weights.revision,
        size_bytes=weights.size_bytes,
        licence=weights.licence,
        gated=weights.gated,
        commercial=weights.commercial,
        present=not missing,
        where="" if where is None else str(where),
        files_missing=missing,
        remark=weights.remark,
    )


def _own_status(name: str) -> WeightsStatus:
    stem, purpose = OWN[name]
    path = FOLDER / stem
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    return WeightsStatus(
        name=name,
        purpose=purpose,
        hub_id=None,
        revision=__version__,
        size_bytes=sum(file.stat().st_size for file in files),
        licence=LICENCE,
        gated=False,
        commercial="yes",
        present=bool(files),
        where=str(path),
        files_missing=() if files else (stem,),
        remark="Trained by this project; part of the package.",
    )


def _where(weights: PublishedWeights) -> tuple[Path | None, str | None]:
    if weights.hub_id is None:
        return own_cache(), None
    try:
        found = find_weights(weights.hub_id, revision=weights.revision)
    except BackendMissing:
        return None, None
    return found.path, found.revision


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
