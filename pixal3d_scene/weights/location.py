"""Where weights lie on this machine: a folder or hub id goes in, a folder comes out. Never touches the network.

A hub id is looked up in the hub's own cache, in the snapshot of the wanted commit, so that files fetched by any
program count and nothing is stored twice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BackendMissing
from .registry import published_as


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFolder:
    """Files of one reference. revision: the hub's commit, None for a folder of the user's own."""

    reference: str
    path: Path
    revision: str | None


def find_weights(reference: str, *, revision: str | None = None, files: Sequence[str] = ()) -> WeightsFolder:
    """A local folder if there is one of that name, else the fetched snapshot of a hub id.

    revision: the commit; without one the registry's, else the only commit that was fetched. files: must be in it.
    Raises BackendMissing, with the command that fetches, where nothing or not all is there, and where several commits
    are and none is named.
    """
    found = _found(reference, revision)
    missing = [name for name in files if not (found.path / name).is_file()]
    if not missing:
        return found
    known = published_as(reference)
    if found.revision is None:
        remedy = "copy the whole folder"
    else:
        name = f"pixal3d-scene models fetch {known.name}" if known else f"hf download {reference}"
        remedy = f"fetch them with `{name} --revision {found.revision}`"
    raise BackendMissing(f"The weights in {found.path} are not complete: {', '.join(missing)} is missing; {remedy}.")


def _found(reference: str, revision: str | None) -> WeightsFolder:
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return WeightsFolder(reference=reference, path=folder, revision=None)
    known = published_as(reference)
    wanted = revision or (known.revision if known else None)
    snapshots = hub_cache() / f"models--{reference.replace('/', '--')}" / "snapshots"
    fetched = sorted(p.name for p in snapshots.iterdir()) if snapshots.is_dir() else []
    if wanted in fetched or (wanted is None and len(fetched) == 1):
        commit = wanted or fetched[0]
        return WeightsFolder(reference=reference, path=snapshots / commit, revision=commit)
    if wanted is None and fetched:
        raise BackendMissing(
            f"The weights {reference} are here in {len(fetched)} revisions ({', '.join(fetched)}) and none is chosen; "
            f"give the folder of one, {snapshots}/REVISION, in a config file, or the setting `revision` beside it."
        )
    commit = f" --revision {wanted or 'COMMIT'}"
    command = f"pixal3d-scene models fetch {known.name}{commit}" if known else f"hf download {reference}{commit}"
    at = f" at revision {wanted}" if wanted else ""
    raise BackendMissing(
        f"The weights {reference}{at} are not on this machine: {folder} is no folder, and they were not fetched into "
        f"{hub_cache()}. Fetch them with `{command}` on a machine with a network; `pixal3d-scene models list` tells "
        "size and licence."
    )


def hub_cache() -> Path:
    """The hub's cache, found by its own rules (HF_HUB_CACHE, HF_HOME)."""
    hf_home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(hf_home) / "hub").expanduser()


def own_cache() -> Path:
    """This package's cache: converted checkpoints, remembered digests, weights put there by hand."""
    chosen = os.environ.get("PIXAL3D_CACHE")
    return Path(chosen or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "pixal3d-scene").expanduser()
