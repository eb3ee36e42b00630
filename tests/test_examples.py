"""Every numbered example runs as written, from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ARGUMENTS = {"01_compose_room.py": ["room", "--seed", "7", "--width", "160"]}
WRITES = {
    "01_compose_room.py": "room/photo.jpg",
    "02_reconstruct.py": "scene.glb",
    "03_own_segmenter.py": None,
    "04_before_after.py": "before_after.jpg",
}


def test_every_example_is_run() -> None:
    assert {p.name for p in EXAMPLES.glob("[0-9]*.py")} == set(WRITES)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WRITES))
def test_example(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *ARGUMENTS.get(name, [])],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    written = WRITES[name]
    if written is not None:
        assert (tmp_path / written).stat().st_size > 1000
