"""P-SceneGen on shapes whose score is known: each scene in its own cube, FilterReg, boxes after it."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from protocol_cases import block, l_shape, mirrored, run_of, sampling_squared, shifted, sphere, true_room

from pixal3d_scene.errors import InputError
from pixal3d_scene.review.protocol_midi import MidiProtocol
from pixal3d_scene.review.protocol_scenegen import SceneGenProtocol

POINTS = 3000
PROTOCOL = SceneGenProtocol(points_per_object=POINTS, filterreg_steps=15)  # enough where little is to be moved
MIDI = MidiProtocol(points_per_object=POINTS)


@pytest.mark.slow
def test_two_spheres_of_which_one_is_too_large() -> None:
    # Their distance sets the cube's scale: side 2 spans the outer borders.
    truth = true_room({1: shifted(sphere(0.5), -1.5, 0, 0), 2: shifted(sphere(0.5), 1.5, 0, 0)})
    grown = {1: shifted(sphere(0.75), -1.25, 0, 0), 2: shifted(sphere(0.75), 1.25, 0, 0)}
    got = PROTOCOL.score(truth, run_of(truth, grown)).figures
    # Both scenes are 4 m wide. A larger sphere that touches the smaller one from around it: the distance of a point
    # of the outer one, at an angle t from where they touch, is the law of cosines less the radius.
    inner, outer, shift = 0.5 / 2, 0.75 / 2, 0.25 / 2  # in cube units
    cosine = np.linspace(-1, 1, 20001)
    to_inner = np.sqrt(outer**2 + shift**2 - 2 * outer * shift * cosine) - inner
    to_outer = outer - np.sqrt(inner**2 + shift**2 + 2 * inner * shift * cosine)
    expected = float((to_inner**2).mean() + (to_outer**2).mean())
    spacing = sampling_squared(8 * np.pi * inner**2, 2 * POINTS) + sampling_squared(8 * np.pi * outer**2, 2 * POINTS)
    assert expected * 0.97 < got["CD-S"] < expected * 1.03 + 1.5 * spacing
    assert got["IoU-B"] == pytest.approx((0.5 / 0.75) ** 3, abs=0.02)
    assert got["F-O"] == pytest.approx(100, abs=0.2)


def test_a_wrong_size_of_the_whole_scene_is_seen_by_midi_alone() -> None:
    truth = true_room({1: sphere(0.5)})
    run = run_of(truth, {1: sphere(0.6)})
    spacing = 2 * sampling_squared(4 * np.pi, POINTS)
    got = PROTOCOL.score(truth, run).figures
    assert got["CD-S"] < 3 * spacing
    assert got["F-S"] == pytest.approx(100, abs=0.2)
    assert got["IoU-B"] > 0.97
    midi = MIDI.score(truth, run).figures
    assert midi["CD-S"] > 2 * 0.19**2
    assert midi["F-S"] < 1


@pytest.mark.slow
def test_boxes_are_compared_after_the_alignment() -> None:
    chest, stool = block((2, 1, 0.5), (-1, 0, 5)), block((0.5, 0.5, 0.5), (1, 0, 5))
    truth = true_room({1: chest, 2: stool})
    turn = trimesh.transformations.rotation_matrix(np.deg2rad(10), [0, 1, 0], [0, 0, 5])
    run = run_of(truth, {v: m.copy().apply_transform(turn) for v, m in {1: chest, 2: stool}.items()})
    assert PROTOCOL.score(truth, run).figures["IoU-B"] > 0.9
    # P-MIDI sees the turned boxes: the chest's turned box holds the true one but for its shifted middle.
    assert MIDI.score(truth, run).figures["IoU-B"] < 0.65


@pytest.mark.slow
def test_a_mirrored_object_is_seen_by_its_shape_alone() -> None:
    truth = true_room({1: l_shape()})
    assert PROTOCOL.score(truth, run_of(truth, {1: mirrored(l_shape())})).figures["F-O"] < 90
    assert PROTOCOL.score(truth, run_of(truth, {1: l_shape()})).figures["F-O"] > 98


def test_missing_objects_and_missing_truth() -> None:
    chest, stool = block((1, 1, 1), (-1, 0, 5)), block((0.5, 0.5, 0.5), (1, 0, 5))
    truth = true_room({1: chest, 2: stool})
    got = PROTOCOL.score(truth, run_of(truth, {1: chest}))
    assert (got.matched_objects, got.true_objects) == (1, 2)
    assert got.figures["F-O"] == pytest.approx(50, abs=1)
    truth.meshes_cam.clear()
    with pytest.raises(InputError, match=r"no truth\.glb; P-SceneGen"):
        PROTOCOL.score(truth, run_of(truth, {1: chest}))
