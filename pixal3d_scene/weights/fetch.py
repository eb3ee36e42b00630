"""Fetching published weights into the hub's cache: the only place of the package that uses the network.

It runs when a person asks for it (`models fetch`), never on the way of a job, and only at a named commit: the same
command brings the same bytes next year. With HF_HUB_OFFLINE set it only checks that everything is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import BackendMissing, InputError
from .location import find_weights
from .registry import PublishedWeights

_COMMIT = re.compile(r"[0-9a-f]{40}")

# Downloads one file of a repository at a commit and returns where it lies.
Download = Callable[[str, str, str], Path]


def fetch_weights(
    weights: PublishedWeights, *, revision: str | None = None, download: Download | None = None
) -> list[Path]:
    """Bring all files of an entry here, and return where they lie.

    revision: a 40-digit commit; needed where the registry pins none. Raises InputError where the entry cannot be
    fetched as asked, BackendMissing (with the remedy) where the hub refuses or cannot be reached.
    """
    if weights.hub_id is None:
        raise InputError(f"The weights {weights.name} cannot be fetched: {weights.remark}")
    commit = _commit_of(weights, revision)
    download = download or _download
    if weights.follows is None:
        return [_tried(weights.hub_id, file, commit, download) for file in weights.files]
    pipeline = _tried(weights.hub_id, weights.follows, commit, download)
    others = [_tried(weights.hub_id, file, commit, download) for file in _checkpoints_of(pipeline, weights)]
    return [pipeline, *others]


def _commit_of(weights: PublishedWeights, revision: str | None) -> str:
    commit = revision or weights.revision
    if commit is None:
        raise InputError(
            f"The weights {weights.name} are not pinned to a revision yet; choose a commit at "
            f"https://huggingface.co/{weights.hub_id}/commits/main and give it as --revision."
        )
    if not _COMMIT.fullmatch(commit):
        raise InputError(
            f"The revision {commit!r} is not a 40-digit commit; a branch or tag may hold other files tomorrow."
        )
    return commit


def _checkpoints_of(pipeline: Path, weights: PublishedWeights) -> Iterator[str]:
    """Files of the checkpoints that a pipeline file names, in its own repository."""
    from ..generator.pipeline_file import stems_of_roles

    for stem in stems_of_roles(pipeline).values():
        if f"{stem}.json" in weights.files or stem.count("/") < 2:
            yield from (f"{stem}.json", f"{stem}.safetensors")
            continue
        owner, repository, _ = stem.split("/", 2)  # a stem that is a reference of its own
        try:
            find_weights(f"{owner}/{repository}")
        except BackendMissing as error:
            raise BackendMissing(
                f"{weights.follows} of {weights.hub_id} refers to {stem}, a repository of its own; fetch it with "
                f"`hf download {owner}/{repository} --revision COMMIT` and run the same command again."
            ) from error


def _tried(hub_id: str, file: str, revision: str, download: Download) -> Path:
    """One file, with the hub's errors said in a sentence that names the remedy."""
    from huggingface_hub import errors

    page = f"https://huggingface.co/{hub_id}"
    try:
        return download(hub_id, file, revision)
    except errors.GatedRepoError as error:
        raise BackendMissing(
            f"{hub_id} is gated: accept its terms at {page} with your account, then log in with `hf auth login` (or "
            "set HF_TOKEN) and run the same command again."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(f"{hub_id} has no revision {revision}; choose a commit at {page}/commits/main.") from error
    except errors.RepositoryNotFoundError as error:
        raise BackendMissing(
            f"{hub_id} does not exist on the hub, or is private; look at {page} and log in with `hf auth login`."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise BackendMissing(
            f"{file} of {hub_id} is not in the cache and the hub cannot be reached (offline, or HF_HUB_OFFLINE is "
            "set); run the same command with a network, or copy the hub's cache folder from another machine."
        ) from error
    except errors.EntryNotFoundError as error:
        raise BackendMissing(f"{hub_id} has no file {file} at revision {revision}; see {page}/tree/main.") from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise BackendMissing(
            f"{file} of {hub_id} could not be fetched ({_first_line(error)}); check network and disk space and run "
            "the same command again, finished files are kept."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _download(hub_id: str, file: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download

    options: dict[str, Any] = {"repo_id": hub_id, "filename": file, "revision": revision}
    return Path(hf_hub_download(**options))
