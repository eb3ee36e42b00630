"""The score falls with every kind of damage, is the same in the mirror and not raised by enlarging or compressing."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from damage import blurred, compressed, exposed, resized, watermarked
from PIL import Image

from pixal3d_scene.arrays import nearest
from pixal3d_scene.camera import Camera
from pixal3d_scene.frontend.given_masks import instances_from_label_map
from pixal3d_scene.instances import Instances
from pixal3d_scene.photo import Photo
from pixal3d_scene.review.readiness import GO_SCORE, RULES, Part, Readiness, assess

ROOM = Path(__file__).resolve().parents[2] / "examples" / "room"
SIZE_PX = (640, 480)
# Points by which the measured blur of the same picture, enlarged or compressed, may seem smaller.
MEASURING_ERROR = 3.0


def photo_of(image: Image.Image, *, focal_px: float | None = None) -> Photo:
    return Photo(rgb=np.array(image.convert("RGB")), file_name="a.jpg", sha256="0" * 64, focal_px=focal_px)


def score(image: Image.Image) -> float:
    return assess(photo_of(image)).score


@pytest.fixture(scope="module")
def room() -> Image.Image:
    """The example room at 640 x 480 px, which is quicker."""
    return Image.open(ROOM / "photo.jpg").convert("RGB").resize(SIZE_PX, Image.Resampling.LANCZOS)


def masks_of_room() -> Instances:
    label_map = np.asarray(Image.open(ROOM / "instances.png")).astype(np.uint16)
    return instances_from_label_map(nearest(label_map, SIZE_PX), source="given")


def assert_falls(scores: list[float]) -> None:
    assert all(worse < better for better, worse in pairwise(scores)), scores


def measured(readiness: Readiness) -> dict[str, float]:
    return {part.rule.name: part.measured for part in readiness.parts if part.measured is not None}


def test_a_good_photo_is_a_go(room: Image.Image) -> None:
    readiness = assess(photo_of(room), masks_of_room())
    assert readiness.go
    assert readiness.warning is None
    assert 75 <= readiness.score <= 100


def test_blur_lowers_the_score(room: Image.Image) -> None:
    scores = [score(room), *(score(blurred(room, sigma_px)) for sigma_px in (0.7, 1, 1.5, 2, 3, 4))]
    assert_falls(scores)
    assert scores[-1] < GO_SCORE


def test_darkness_lowers_the_score(room: Image.Image) -> None:
    scores = [score(exposed(room, gain)) for gain in (1, 0.7, 0.5, 0.35, 0.25, 0.12, 0.06)]
    assert_falls(scores)
    assert scores[-1] < GO_SCORE


def test_over_exposure_lowers_the_score(room: Image.Image) -> None:
    """From where parts begin to burn out; until then, light does a photo of an evening good."""
    assert_falls([score(exposed(room, gain)) for gain in (2, 3, 4, 6, 8)])


@pytest.mark.parametrize("kernel", [Image.Resampling.LANCZOS, Image.Resampling.BOX])
def test_shrinking_lowers_the_score(room: Image.Image, kernel: Image.Resampling) -> None:
    scores = [score(resized(room, factor, kernel)) for factor in (1, 0.7, 0.5, 0.35, 0.25)]
    assert_falls(scores)
    assert scores[-1] < GO_SCORE


@pytest.mark.slow
def test_enlarging_a_blurred_photo_does_not_help(room: Image.Image) -> None:
    soft = blurred(room, 3)
    before = score(soft)
    for factor in (1.5, 2, 3):
        assert score(resized(soft, factor, Image.Resampling.BICUBIC)) < before + MEASURING_ERROR


@pytest.mark.slow
def test_enlarging_and_compressing_do_not_help(room: Image.Image) -> None:
    before = score(room)
    assert score(resized(room, 2, Image.Resampling.BICUBIC)) < before + MEASURING_ERROR
    for quality in (90, 50, 20, 8):
        assert score(compressed(room, quality)) < before + MEASURING_ERROR
    assert score(compressed(room, 8)) < before
    soft = blurred(room, 3)
    for quality in (50, 10):  # the borders of blocks are sharp
        assert score(compressed(soft, quality)) < score(soft) + MEASURING_ERROR


def test_the_mirror_image_has_the_same_score(room: Image.Image) -> None:
    masks = masks_of_room()
    there = assess(photo_of(room), masks)
    mirrored = instances_from_label_map(np.ascontiguousarray(masks.label_map[:, ::-1]), source="given")
    back = assess(photo_of(room.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), mirrored)
    assert back.score == pytest.approx(there.score, abs=0.2)


def test_a_watermark_lowers_the_score_and_is_named(room: Image.Image) -> None:
    marked = assess(photo_of(watermarked(room)))
    assert measured(marked)["lettering"] > measured(assess(photo_of(room)))["lettering"]
    assert any("watermark" in sentence for sentence in marked.advice)
    assert marked.score < score(room) - 2


def test_masks_add_what_only_they_can_tell(room: Image.Image) -> None:
    without, with_masks = assess(photo_of(room)), assess(photo_of(room), masks_of_room())
    assert {"cut off", "hidden", "object resolution"} == set(measured(with_masks)) - set(measured(without))
    assert {"resolution"} == set(measured(without)) - set(measured(with_masks))
    half = tuple(side // 2 for side in room.size)
    crop = room.crop((0, 0, *half))  # cuts through objects
    labels = np.asarray(masks_of_room().label_map)[: half[1], : half[0]]
    cropped = assess(photo_of(crop), instances_from_label_map(np.ascontiguousarray(labels), source="given"))
    assert measured(cropped)["cut off"] > measured(with_masks)["cut off"]
    assert cropped.score < with_masks.score


def test_the_field_of_view_is_taken_from_the_best_source(room: Image.Image) -> None:
    focal_px = max(room.size) / 2 / math.tan(math.radians(75) / 2)
    assert measured(assess(photo_of(room, focal_px=focal_px)))["field of view"] == pytest.approx(10)
    camera = Camera.from_fov(horizontal_fov_deg=110.0, size_px=room.size)
    wide = assess(photo_of(room, focal_px=focal_px), camera=camera)
    assert measured(wide)["field of view"] == pytest.approx(45)
    assert any("ultra wide" in sentence for sentence in wide.advice)
    turned = photo_of(room.transpose(Image.Transpose.ROTATE_90), focal_px=focal_px)  # of the longer side: portrait too
    assert measured(assess(turned))["field of view"] == pytest.approx(10)


def test_every_limit_is_worth_three_quarters_and_so_is_a_photo_at_all_of_them() -> None:
    parts = tuple(Part(rule=rule, measured=rule.limit) for rule in RULES)
    assert Readiness(parts=parts).score == pytest.approx(GO_SCORE)
    for rule in RULES:
        better = rule.limit * (1.1 if rule.more_is_better else 0.9)
        assert rule.quality(better) > rule.quality(rule.limit) == pytest.approx(0.75)
        assert 0 < rule.quality(0.0 if rule.more_is_better else 1e9) < 0.75


def test_the_costliest_advice_comes_first_and_unknown_parts_cost_nothing() -> None:
    by_name = {rule.name: rule for rule in RULES}
    parts = (
        Part(rule=by_name["clutter"], measured=30.0),
        Part(rule=by_name["sharpness"], measured=300.0),
        Part(rule=by_name["brightness"], measured=None),
    )
    readiness = Readiness(parts=parts)
    assert readiness.advice == (by_name["sharpness"].advice, by_name["clutter"].advice)
    assert readiness.score == Readiness(parts=parts[:2]).score
    assert parts[2].passed is None
    facts = json.loads(json.dumps(readiness.facts(), allow_nan=False))
    assert facts["go"] is False
    assert "readiness" in str(readiness.warning)


def test_a_picture_without_any_edge_is_not_called_blurred() -> None:
    wall = Image.fromarray(np.full((480, 640, 3), 180, dtype=np.uint8))
    assert "sharpness" not in measured(assess(photo_of(wall)))


@pytest.mark.slow
def test_usable_photos_are_go_and_damaged_ones_are_not(photos_dir: Path) -> None:
    """Two of the calibration photos; docs/readiness.md has the table of all of them."""
    for name in ("living_bright.jpg", "office_lounge.jpg"):
        image = Image.open(photos_dir / name).convert("RGB")
        before = score(image)
        assert before >= 85
        assert score(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == pytest.approx(before, abs=0.2)
        assert_falls([before, score(blurred(image, 2)), score(blurred(image, 4)), score(blurred(image, 8))])
        assert_falls([before, score(exposed(image, 0.3)), score(exposed(image, 0.05))])
        assert_falls([before, score(resized(image, 0.5)), score(resized(image, 0.25)), score(resized(image, 0.15))])
        assert max(score(blurred(image, 4)), score(resized(image, 0.15))) < GO_SCORE
