"""What counts as a solid."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.asset import Mesh
from pixal3d_scene.mesh.closed import is_closed, smallest_area, volume

VERTICES = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def test_tetrahedron_is_closed_and_faces_outwards() -> None:
    mesh = Mesh(vertices=VERTICES, faces=FACES)
    assert is_closed(mesh)
    assert volume(mesh) == pytest.approx(1 / 6)
    assert smallest_area(mesh) == pytest.approx(0.5)


def test_turned_inside_out_has_negative_volume() -> None:
    assert volume(Mesh(vertices=VERTICES, faces=FACES[:, ::-1])) == pytest.approx(-1 / 6)


@pytest.mark.parametrize(
    "faces",
    [
        pytest.param(FACES[:3], id="a face is missing"),
        pytest.param(np.concatenate([FACES[:3], FACES[3:, ::-1]]), id="a face is turned"),
        pytest.param(np.concatenate([FACES, FACES]), id="every face twice"),
        pytest.param(np.zeros((0, 3), dtype=np.int64), id="nothing"),
    ],
)
def test_everything_else_is_open(faces: np.ndarray) -> None:
    assert not is_closed(Mesh(vertices=VERTICES, faces=faces))
