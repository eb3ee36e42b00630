"""Where weights are found, without any network."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hub_cache import COMMIT, add_to_cache

from pixal3d_scene.errors import BackendMissing
from pixal3d_scene.weights.location import find_weights, hub_cache, own_cache

OTHER = "f" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache on a machine without a network."""

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a network call that nobody asked for")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_folder_is_itself(tmp_path: Path, cache: Path) -> None:
    found = find_weights(str(tmp_path))
    assert (found.path, found.revision) == (tmp_path, None)


def test_a_folder_wins_over_the_hub(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_to_cache(cache, "owner/name", "pipeline.json")
    (tmp_path / "owner/name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_weights("owner/name").revision is None


def test_the_only_snapshot_is_taken(cache: Path) -> None:
    file = add_to_cache(cache, "owner/name", "pipeline.json")
    found = find_weights("owner/name")
    assert (found.path, found.revision) == (file.parent, COMMIT)


def test_of_several_snapshots_one_must_be_named(cache: Path) -> None:
    add_to_cache(cache, "owner/name", "pipeline.json")
    add_to_cache(cache, "owner/name", "pipeline.json", commit=OTHER)
    with pytest.raises(BackendMissing, match=rf"2 revisions \({COMMIT}, {OTHER}\).*setting `revision`"):
        find_weights("owner/name")
    assert find_weights("owner/name", revision=OTHER).revision == OTHER


def test_what_was_not_fetched_names_the_command(cache: Path) -> None:
    with pytest.raises(BackendMissing, match="pixal3d-scene models fetch pixal3d --revision COMMIT`"):
        find_weights("TencentARC/Pixal3D")
    with pytest.raises(BackendMissing, match="hf download owner/name --revision COMMIT`"):
        find_weights("owner/name")
    add_to_cache(cache, "owner/name", "pipeline.json")
    with pytest.raises(BackendMissing, match=f"at revision {OTHER} .*hf download owner/name --revision {OTHER}`"):
        find_weights("owner/name", revision=OTHER)


def test_caches_follow_the_usual_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "PIXAL3D_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hub_cache() == tmp_path / ".cache/huggingface/hub"
    assert own_cache() == tmp_path / ".cache/pixal3d-scene"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert hub_cache() == tmp_path / "x/huggingface/hub"
    assert own_cache() == tmp_path / "x/pixal3d-scene"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("PIXAL3D_CACHE", str(tmp_path / "p"))
    assert hub_cache() == tmp_path / "h/hub"
    assert own_cache() == tmp_path / "p"


def test_the_cache_is_where_the_hubs_library_looks() -> None:
    from huggingface_hub import constants

    assert str(hub_cache()) == str(Path(constants.HF_HUB_CACHE))
