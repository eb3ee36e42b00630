"""Digests: right, computed once, and noticed to have changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hub_cache import add_to_cache

from pixal3d_scene.weights import digest as module
from pixal3d_scene.weights.digest import computed_digest, content_digest, promised_digest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIXAL3D_CACHE", str(tmp_path / "own"))
    return tmp_path / "own"


def test_digest_is_sha256_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    expected = hashlib.sha256(b"abc").hexdigest()
    assert content_digest(file) == computed_digest(file) == expected
    monkeypatch.setattr(module, "computed_digest", None)
    assert content_digest(file) == expected


def test_changed_files_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    content_digest(file)
    file.write_bytes(b"abd")
    os.utime(file, ns=(1, 1))
    assert content_digest(file) == hashlib.sha256(b"abd").hexdigest()


@pytest.mark.parametrize("memory", ["", "{}", "[]", '{"file": 3}'])
def test_a_damaged_memory_is_made_again(tmp_path: Path, own_cache: Path, memory: str) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    content_digest(file)
    [remembered] = (own_cache / "digests").iterdir()
    remembered.write_text(memory)
    assert content_digest(file) == hashlib.sha256(b"abc").hexdigest()


def test_without_a_cache_it_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    monkeypatch.setenv("PIXAL3D_CACHE", str(file))
    assert content_digest(file) == hashlib.sha256(b"abc").hexdigest()


def test_hub_files_carry_their_digest(tmp_path: Path) -> None:
    file = add_to_cache(tmp_path / "hub", "owner/name", "model.safetensors", b"abc")
    assert content_digest(file) == promised_digest(file) == hashlib.sha256(b"abc").hexdigest()
    assert promised_digest(tmp_path / "hub") is None
