"""Fixtures shared by all tests: where the data is that is not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-dir",
        default=None,
        help="folder with NAME.safetensors + NAME.json to compare the networks with (default: SHARED/golden)",
    )


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Rooms with ground truth, real photos and golden tensors; not part of the repository."""
    folder = Path(os.environ.get("PIXAL3D_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (set PIXAL3D_SHARED to the folder with rooms/, photos/ and golden/)")
    return folder


@pytest.fixture(scope="session")
def rooms_dir(shared_dir: Path) -> Path:
    if not (shared_dir / "rooms").is_dir():
        pytest.skip(f"{shared_dir / 'rooms'} is not there")
    return shared_dir / "rooms"


@pytest.fixture(scope="session")
def photos_dir(shared_dir: Path) -> Path:
    if not (shared_dir / "photos").is_dir():
        pytest.skip(f"{shared_dir / 'photos'} is not there")
    return shared_dir / "photos"


@pytest.fixture(scope="session")
def golden_dir(request: pytest.FixtureRequest) -> Path:
    """Folder of golden tensors: the option --golden-dir, else the shared one."""
    option = request.config.getoption("--golden-dir")
    if option is not None:
        folder = Path(str(option))
        if not folder.is_dir():
            pytest.fail(f"--golden-dir {folder} is not a folder")
        return folder
    shared = Path(os.environ.get("PIXAL3D_SHARED", ROOT.parent / "shared")) / "golden"
    if not shared.is_dir():
        pytest.skip(f"{shared} is not there (give --golden-dir)")
    return shared
