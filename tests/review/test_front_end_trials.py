"""Harmed masks: what is said to be done to a mask is done to it, and the hygiene undoes it on a composed room."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.front_end_study import study
from pixal3d_scene.review.front_end_trials import HARMS
from pixal3d_scene.review.true_masks import NOISY_DEPTH, TrueMasks, compose_true_masks, noisy_depth


@pytest.fixture(scope="module")
def room() -> TrueMasks:
    return compose_true_masks(1005)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_same_seed_gives_the_same_trial(room: TrueMasks) -> None:
    for harm in HARMS.values():
        first, again = (harm(room, np.random.default_rng(5)) for _ in range(2))
        assert len(first.proposals) == len(again.proposals)
        for a, b in zip(first.proposals, again.proposals, strict=True):
            np.testing.assert_array_equal(a.mask, b.mask)


def test_harms_are_what_they_are_called(room: TrueMasks) -> None:
    rng = np.random.default_rng(1)
    copies = HARMS["duplicated"](room, rng)
    for owner, copy in zip(copies.extra_of, copies.extra, strict=True):
        assert 0.8 <= _iou(copy, room.mask(owner)) <= 0.95
    parts = HARMS["parts"](room, rng)
    for owner, part in zip(parts.extra_of, parts.extra, strict=True):
        assert not (part & ~room.mask(owner)).any()
    merged = HARMS["merged"](room, rng)
    masks = [p.mask for p in merged.proposals]
    assert merged.merges
    for a, b in merged.merges:
        assert any((m == (room.mask(a) | room.mask(b))).all() for m in masks)
    pieces = HARMS["fragmented"](room, rng)
    assert len(pieces.proposals) > len(pieces.untouched) + len(pieces.fragmented)


def test_noisy_depth_has_the_errors_it_names(room: TrueMasks) -> None:
    depth = noisy_depth(room, 3)
    ratio = np.log(depth.z_m[depth.valid] / room.depth.z_m[depth.valid])
    assert np.median(ratio) == pytest.approx(np.log(NOISY_DEPTH.scale_bias), abs=0.03)
    assert np.diff(ratio).std() / np.sqrt(2) == pytest.approx(NOISY_DEPTH.noise_share, rel=0.2)
    height_m = room.depth.camera.centre_world[1]
    assert depth.camera.centre_world[1] == pytest.approx(NOISY_DEPTH.scale_bias * height_m)


@pytest.mark.slow
def test_true_masks_stay_and_merged_ones_are_cut(room: TrueMasks) -> None:
    clean = study(room, "pristine", "true", seed=0)
    assert not any(clean.changed)
    merged = study(room, "merged", "true", seed=0)
    assert all(merged.merges)
    copies = study(room, "duplicated", "true", seed=0)
    assert np.mean(copies.removed) >= 0.9
    assert np.mean(copies.pq_after) > np.mean(copies.pq_before) + 0.3
