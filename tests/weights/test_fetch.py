"""Fetching: what is asked of the hub, at which commit, and what each refusal tells the user to do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from hub_cache import COMMIT, add_to_cache
from huggingface_hub import errors
from tiny_pipeline import pipeline_args

from pixal3d_scene.errors import BackendMissing, InputError
from pixal3d_scene.weights.fetch import fetch_weights
from pixal3d_scene.weights.registry import published

PIXAL3D, DINOV3 = published("pixal3d"), published("dinov3")


class Hub:
    """Gives an empty file for everything, but what the test put there; remembers what was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, hub_id: str, file: str, revision: str) -> Path:
        self.asked.append((hub_id, file, revision))
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def put_pipeline(hub: Hub, **models: str) -> None:
    args = pipeline_args()
    (hub.folder / "pipeline.json").write_text(json.dumps({"args": args | {"models": args["models"] | models}}))


def test_every_file_at_the_named_commit(hub: Hub) -> None:
    paths = fetch_weights(DINOV3, revision=COMMIT, download=hub)
    assert hub.asked == [(DINOV3.hub_id, file, COMMIT) for file in DINOV3.files]
    assert paths == [hub.folder / file for file in DINOV3.files]


def test_a_pipelines_own_list_decides(hub: Hub) -> None:
    put_pipeline(hub, shape_slat_decoder="elsewhere/dec")
    fetch_weights(PIXAL3D, revision=COMMIT, download=hub)
    files = [file for _, file, _ in hub.asked]
    assert files[0] == "pipeline.json"
    assert {"elsewhere/dec.json", "elsewhere/dec.safetensors", "ckpts/ss_flow.safetensors"} <= set(files)
    assert len(files) == 1 + 2 * 7  # the other roles of the file are not fetched
    assert {revision for _, _, revision in hub.asked} == {COMMIT}


def test_a_stem_in_another_repository_is_named(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    put_pipeline(hub, sparse_structure_decoder="owner/other/ckpts/dec")
    with pytest.raises(BackendMissing, match="hf download owner/other --revision COMMIT"):
        fetch_weights(PIXAL3D, revision=COMMIT, download=hub)
    add_to_cache(tmp_path / "hub", "owner/other", "ckpts/dec.json")
    fetch_weights(PIXAL3D, revision=COMMIT, download=hub)


def test_unpinned_weights_need_a_commit(hub: Hub) -> None:
    with pytest.raises(InputError, match=r"not pinned.*commits/main.*--revision"):
        fetch_weights(replace(DINOV3, revision=None), download=hub)
    with pytest.raises(InputError, match=r"'main' is not a 40-digit commit"):
        fetch_weights(DINOV3, revision="main", download=hub)
    assert hub.asked == []
    fetch_weights(replace(DINOV3, revision=COMMIT), download=hub)
    assert {revision for _, _, revision in hub.asked} == {COMMIT}


def test_what_is_not_on_the_hub_says_how_to_get_it(hub: Hub) -> None:
    with pytest.raises(InputError, match=r"docs/weights\.md"):
        fetch_weights(published("naf"), revision=COMMIT, download=hub)


RESPONSE = httpx2.Response(403, request=httpx2.Request("GET", "https://huggingface.co"))
REFUSALS = [
    (errors.GatedRepoError("gated", response=RESPONSE), BackendMissing, r"accept its terms at https.*hf auth login"),
    (
        errors.RepositoryNotFoundError("no", response=RESPONSE),
        BackendMissing,
        "does not exist on the hub, or is private",
    ),
    (errors.RevisionNotFoundError("no", response=RESPONSE), InputError, "has no revision 0123"),
    (errors.RemoteEntryNotFoundError("no", response=RESPONSE), BackendMissing, r"has no file config\.json"),
    (errors.LocalEntryNotFoundError("offline"), BackendMissing, "HF_HUB_OFFLINE"),
    (errors.HfHubHTTPError("503 busy\nmore", response=RESPONSE), BackendMissing, r"\(503 busy\); check network"),
    (OSError(28, "No space left on device"), BackendMissing, "No space left on device.*disk space"),
]


@pytest.mark.parametrize(("refusal", "kind", "message"), REFUSALS, ids=lambda value: type(value).__name__)
def test_every_refusal_names_the_remedy(refusal: Exception, kind: type[Exception], message: str) -> None:
    def refuse(*_: str) -> Path:
        raise refusal

    with pytest.raises(kind, match=message) as caught:
        fetch_weights(DINOV3, revision=COMMIT, download=refuse)
    assert caught.value.__cause__ is refusal


def test_offline_is_complete(tmp_path: Path) -> None:
    """With HF_HUB_OFFLINE the hub's own library serves what is in the cache, and names what is not."""
    for file in DINOV3.files:
        add_to_cache(tmp_path, str(DINOV3.hub_id), file)
    program = (
        "from pixal3d_scene.weights.fetch import fetch_weights; from pixal3d_scene.weights.registry import published\n"
        "from pixal3d_scene.errors import BackendMissing\n"
        f"print(*[p.name for p in fetch_weights(published('dinov3'), revision='{COMMIT}')])\n"
        f"try: fetch_weights(published('pixal3d'), revision='{COMMIT}')\n"
        "except BackendMissing as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[2],
        env={"PATH": "", "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path), "HOME": str(tmp_path)},
        check=True,
    )
    first, second = result.stdout.strip().splitlines()
    assert first == "config.json model.safetensors"
    assert "pipeline.json of TencentARC/Pixal3D is not in the cache" in second
