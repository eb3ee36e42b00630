"""P-MIDI on shapes whose score is known: squared Chamfer, boxes before alignment, the true scene's cube."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from protocol_cases import (
    TRUE_SAMPLES,
    block,
    l_shape,
    mirrored,
    run_of,
    sampling_squared,
    shifted,
    sphere,
    true_room,
    with_swapped_masks,
)

from pixal3d_scene.errors import InputError
from pixal3d_scene.review.protocol_midi import MidiProtocol

PROTOCOL = MidiProtocol(points_per_object=TRUE_SAMPLES)
UNIT_SPHERE_AREA = 4 * np.pi


@pytest.mark.parametrize(("d", "f_score"), [(0.05, 100.0), (0.15, 0.0)])
def test_spheres_within_each_other(d: float, f_score: float) -> None:
    truth = true_room({1: sphere(0.5)})
    got = PROTOCOL.score(truth, run_of(truth, {1: sphere(0.5 * (1 + d))})).figures
    # The true sphere has radius 1 in the cube: every point is d away, squared, twice; then the samples' spacing.
    spacing = 2 * sampling_squared(UNIT_SPHERE_AREA * (1 + d) ** 2, TRUE_SAMPLES)
    assert 2 * d**2 * 0.98 < got["CD-S"] < 2 * d**2 * 1.02 + 1.5 * spacing
    assert got["F-S"] == pytest.approx(f_score, abs=0.5)
    assert got["IoU-B"] == pytest.approx(1 / (1 + d) ** 3, abs=0.01)
    # Stretched to the same cube, nothing is left between two spheres.
    assert got["CD-O"] < 3 * spacing
    assert got["F-O"] == pytest.approx(100, abs=0.2)


def test_parallel_plates_before_and_after_the_alignment() -> None:
    plate = block((2.0, 1.0, 0.0), (0, 0, 4))
    truth = true_room({1: plate})
    run = run_of(truth, {1: shifted(plate, 0, 0, 0.05)})
    unmoved = replace(PROTOCOL, icp_steps=0).score(truth, run).figures
    spacing = 2 * sampling_squared(2.0, TRUE_SAMPLES)
    assert 2 * 0.05**2 < unmoved["CD-S"] < 2 * 0.05**2 + 1.5 * spacing
    assert PROTOCOL.score(truth, run).figures["CD-S"] < 1.5 * spacing


def test_boxes_are_compared_before_the_alignment() -> None:
    chest, stool = block((1, 1, 1), (-1, 0, 5)), block((0.5, 0.5, 0.5), (1, 0, 5))
    truth = true_room({1: chest, 2: stool})
    got = PROTOCOL.score(truth, run_of(truth, {1: shifted(chest, 0.1, 0, 0), 2: shifted(stool, 0.1, 0, 0)})).figures
    expected = np.mean([(1 - 0.1) / (1 + 0.1), (0.5 - 0.1) / (0.5 + 0.1)])
    assert got["IoU-B"] == pytest.approx(expected, abs=0.01)
    assert got["F-S"] == pytest.approx(100, abs=0.2)


def test_a_mirrored_object_is_seen_by_its_shape_alone() -> None:
    truth = true_room({1: l_shape()})
    got = PROTOCOL.score(truth, run_of(truth, {1: mirrored(l_shape())})).figures
    assert got["IoU-B"] > 0.98
    assert got["F-O"] < 90


def test_an_object_in_another_place_costs_the_scene_and_its_box_but_no_shape() -> None:
    chest, stool = block((1, 1, 1), (-1, 0, 5)), block((0.5, 0.5, 0.5), (1, 0, 5))
    truth = true_room({1: chest, 2: stool})
    got = PROTOCOL.score(truth, run_of(truth, {1: chest, 2: shifted(stool, 0, -1.0, 0)})).figures
    assert got["IoU-B"] == pytest.approx(0.5, abs=0.01)
    assert got["F-S"] < 95
    assert got["F-O"] == pytest.approx(100, abs=0.2)


@pytest.mark.slow
def test_missing_and_superfluous_objects() -> None:
    chest, stool = block((1, 1, 1), (-1, 0, 5)), block((0.5, 0.5, 0.5), (1, 0, 5))
    truth = true_room({1: chest, 2: stool})
    missing = PROTOCOL.score(truth, run_of(truth, {1: chest}))
    assert (missing.matched_objects, missing.true_objects) == (1, 2)
    assert missing.figures["F-O"] == pytest.approx(50, abs=0.2)
    assert missing.figures["IoU-B"] == pytest.approx(0.5, abs=0.01)
    assert missing.figures["CD-O"] < 1e-2
    assert missing.weights == {"CD-O": 1, "F-O": 2, "IoU-B": 2}
    more = PROTOCOL.score(truth, run_of(truth, {1: chest, 2: stool, 9: block((1, 1, 1), (0, -3, 5))}))
    assert more.figures["IoU-B"] > 0.98
    assert more.figures["F-S"] < 85


def test_masks_of_its_own_are_refused() -> None:
    chest, stool = block((1, 1, 1), (-1, 0, 5)), block((0.5, 0.5, 0.5), (1, 0, 5))
    truth = true_room({1: chest, 2: stool})
    run = with_swapped_masks(run_of(truth, {1: chest, 2: stool}), 1, 2)
    with pytest.raises(InputError, match=r"P-MIDI pairs objects by the index of their mask.*--masks"):
        PROTOCOL.score(truth, run)
    with pytest.raises(InputError, match="no object with a mesh"):
        PROTOCOL.score(truth, run_of(truth, {}))


def test_objects_too_small_to_count_cost_nothing() -> None:
    chest, speck = block((1, 1, 1), (-1, 0, 5)), block((0.3, 0.3, 0.3), (3, 0, 5))
    truth = true_room({1: chest, 2: speck})
    truth.points_cam.pop(2)
    got = PROTOCOL.score(truth, run_of(truth, {1: chest, 2: shifted(speck, 0, 2, 0)}))
    assert got.true_objects == 1
    assert got.figures["F-S"] == pytest.approx(100, abs=0.2)
