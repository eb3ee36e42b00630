"""The tiny pipelines, made once for all tests of the generator; the package's cache goes to a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_object_networks import write_object_networks
from tiny_pipeline import write_tiny_pipeline


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: copy it before changing anything."""
    return write_tiny_pipeline(tmp_path_factory.mktemp("pipeline") / "tiny")


@pytest.fixture(scope="session")
def object_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small object networks. Read only: copy it before changing anything."""
    return write_object_networks(tmp_path_factory.mktemp("objects") / "tiny")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.getbasetemp() / "own-cache"
    monkeypatch.setenv("PIXAL3D_CACHE", str(folder))
    return folder
