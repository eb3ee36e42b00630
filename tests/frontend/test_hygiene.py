"""Every rule of the mask hygiene on rooms of boxes with exact depth: what it changes and what it leaves alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from mask_scenes import FLOOR, LAMP, SIZE, SOFA, TABLE, VASE, WALL, Box, iou, proposal, render, slatted_chair
from scipy.ndimage import binary_dilation, binary_erosion
from scipy.spatial.transform import RigidTransform

from pixal3d_scene.depth import Depth
from pixal3d_scene.errors import StageFailed
from pixal3d_scene.frontend.clean_given import clean_given
from pixal3d_scene.frontend.given_masks import instances_from_label_map
from pixal3d_scene.frontend.hygiene import clean_masks
from pixal3d_scene.frontend.mask_structure import structure_of_label
from pixal3d_scene.frontend.proposals import MaskProposal
from pixal3d_scene.instances import SHELL_PARTS, Instances


def clean(
    proposals: Sequence[MaskProposal],
    depth: Depth | None,
    *,
    size_px: tuple[int, int] = SIZE,
    max_objects: int = 50,
    min_area_share: float = 0.0005,
) -> Instances:
    return clean_masks(
        proposals, size_px=size_px, depth=depth, source="test", max_objects=max_objects, min_area_share=min_area_share
    )


def best(instances: Instances, mask: np.ndarray) -> np.ndarray:
    """The object that fits a mask best."""
    return max((instances.mask(i.mask_value) for i in instances.items), key=lambda m: iou(m, mask))


def test_what_rests_on_a_table_is_cut_off_along_its_true_border() -> None:
    depth, ids = render(TABLE, VASE)
    found = clean([proposal(ids > 0)], depth)
    assert len(found) == 2
    assert all("split" in i.flags for i in found.items)
    for number in (1, 2):
        wrong = best(found, ids == number) ^ (ids == number)
        border = binary_dilation(ids == 1) & binary_dilation(ids == 2)
        assert not (wrong & ~binary_dilation(border, iterations=2)).any()


def test_masks_of_whole_objects_stay_as_they_are() -> None:
    depth, ids = render(TABLE, VASE, slatted_chair(1.0, -2.0), SOFA)
    masks = [ids == number for number in (1, 2, 3, 4)]
    found = clean([proposal(m) for m in masks], depth)
    assert len(found) == 4
    assert min(iou(best(found, m), m) for m in masks) >= 0.99
    assert not {"split", "merged"} & {flag for item in found.items for flag in item.flags}


def test_neighbours_that_touch_in_the_picture_only_are_cut_at_the_depth_step() -> None:
    crate = (((-0.3, 0.0, -1.8), (0.2, 0.5, -1.4)),)
    depth, ids = render(crate, SOFA)
    found = clean([proposal(ids > 0)], depth)
    assert len(found) == 2
    assert min(iou(best(found, ids == n), ids == n) for n in (1, 2)) >= 0.98


def test_a_chair_keeps_the_gaps_of_its_back_and_loses_pinholes_and_specks() -> None:
    depth, ids = render(slatted_chair())
    chair = ids == 1
    harmed = chair.copy()
    rows, columns = np.nonzero(binary_erosion(chair, iterations=2))
    harmed[rows[::40], columns[::40]] = False
    harmed[5, 5] = harmed[200, 300] = True
    found = best(clean([proposal(harmed)], depth), chair)
    np.testing.assert_array_equal(found, chair)


def test_specks_all_over_the_photo_join_nothing() -> None:
    """More specks than a fan has pieces: far from their objects they go, and quickly."""
    depth, ids = render(TABLE, slatted_chair(1.0, -2.0), SOFA)
    harmed = []
    for number in (1, 2, 3):
        strewn = np.random.default_rng(number).random(ids.shape) < 0.02
        harmed.append(proposal((ids == number) | (strewn & ~binary_dilation(ids > 0, iterations=12))))
        assert strewn.sum() > 0.1 * (ids == number).sum()
    found = clean(harmed, depth)
    assert len(found) == 3
    assert min(iou(best(found, ids == n), ids == n) for n in (1, 2, 3)) > 0.85


def test_two_halves_of_a_sofa_behind_a_lamp_are_one_object() -> None:
    depth, ids = render(LAMP, SOFA)
    sofa = ids == 2
    middle = SIZE[0] // 2
    left, right = sofa.copy(), sofa.copy()
    left[:, middle:], right[:, :middle] = False, False
    found = clean([proposal(left), proposal(right), proposal(ids == 1)], depth)
    assert len(found) == 2
    np.testing.assert_array_equal(best(found, sofa), sofa)
    assert "merged" in found.items[0].flags


def test_fragments_that_touch_are_joined_but_not_what_stands_on_another() -> None:
    sideboard = (((-0.6, 0.0, -2.9), (0.6, 0.75, -2.2)),)
    depth, ids = render(sideboard, VASE)
    whole = ids == 1
    left, right = whole.copy(), whole.copy()
    left[:, 130:], right[:, :130] = False, False
    found = clean([proposal(left), proposal(right), proposal(ids == 2)], depth)
    assert len(found) == 2
    assert min(iou(best(found, ids == n), ids == n) for n in (1, 2)) >= 0.99


@pytest.mark.parametrize(
    "thing",
    [
        (((-0.15, 0.75, -2.6), (0.15, 0.77, -2.35)),),  # a plate, amid the top
        (((0.25, 0.75, -2.3), (0.55, 0.77, -2.08)),),  # over the top's edge
        (((-0.05, 0.75, -2.2), (0.05, 0.80, -2.1)),),  # a cup, a hundredth of the table
    ],
)
def test_a_flat_thing_on_a_table_is_no_piece_of_it(thing: tuple[Box, ...]) -> None:
    depth, ids = render(TABLE, thing)
    found = clean([proposal(ids == 1), proposal(ids == 2)], depth)
    assert len(found) == 2
    assert found.rejected == ()
    for number in (1, 2):
        np.testing.assert_array_equal(best(found, ids == number), ids == number)


def test_a_hole_that_another_mask_fills_is_no_pinhole() -> None:
    depth, ids = render(SOFA)
    sofa, button, pinhole = ids == 1, np.zeros_like(ids, dtype=bool), np.zeros_like(ids, dtype=bool)
    button[120:128, 150:162] = pinhole[120:123, 185:188] = True
    assert sofa[button | pinhole].all()
    masks = [proposal(sofa & ~button & ~pinhole), proposal(button)]
    alone, beside = clean(masks[:1], depth), clean(masks, depth)
    np.testing.assert_array_equal(best(alone, sofa), sofa)
    np.testing.assert_array_equal(best(beside, sofa), sofa & ~button)
    np.testing.assert_array_equal(best(beside, button), button)


def test_copies_go_and_say_why_and_where() -> None:
    depth, ids = render(SOFA)
    sofa = ids == 1
    found = clean([proposal(sofa), proposal(binary_erosion(sofa), score=0.5)], depth)
    assert len(found) == 1
    (gone,) = found.rejected
    assert gone.reason.startswith("shows the same as another mask (IoU 0.")
    rows, columns = np.nonzero(binary_erosion(sofa))
    assert gone.area_px == len(rows)
    assert gone.centre_px == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5))


def test_a_part_of_a_sofa_goes_and_a_vase_in_the_tables_mask_does_not() -> None:
    depth, ids = render(SOFA)
    part = ids == 1
    part[:, :110], part[:, 190:] = False, False
    found = clean([proposal(ids == 1), proposal(part)], depth)
    assert [r.reason for r in found.rejected] == ["is a part of another mask"]
    depth, ids = render(TABLE, VASE)
    found = clean([proposal(ids > 0), proposal(ids == 2)], depth)
    assert len(found) == 2
    assert iou(best(found, ids == 2), ids == 2) >= 0.95


def test_labels_decide_where_there_is_no_depth() -> None:
    _, ids = render(TABLE, VASE)
    vase = ids == 2
    assert len(clean([proposal(ids > 0, "table"), proposal(vase, "vase")], None)) == 2
    assert len(clean([proposal(ids > 0, "sofa"), proposal(vase, "cushion")], None)) == 1
    assert len(clean([proposal(ids > 0), proposal(vase)], None)) == 1


def test_floor_and_walls_are_the_shell_with_and_without_labels() -> None:
    depth, ids = render(SOFA)
    for labels in (("floor", "wall"), ("", "")):
        floor, wall = (proposal(ids == n, label) for n, label in zip((FLOOR, WALL), labels, strict=True))
        found = clean([floor, wall, proposal(ids == 1)], depth)
        assert len(found) == 1
        assert found.shell_map is not None
        assert iou(found.shell_map == SHELL_PARTS.index("floor"), ids == FLOOR) > 0.95
        assert (found.shell_map[ids == 1] == 0).all()
    assert (found.shell_map[ids == WALL] > 0).mean() > 0.85


@pytest.mark.parametrize("with_room", [False, True])
def test_a_rug_and_a_picture_cut_by_the_photos_border_are_objects_without_labels(with_room: bool) -> None:
    rug: tuple[Box, ...] = (((-0.9, 0.0, -2.6), (0.4, 0.004, -1.2)),)
    picture: tuple[Box, ...] = (((1.99, 1.2, -3.8), (2.0, 1.8, -2.5)),)
    depth, ids = render(rug, picture)
    objects = [ids == 1, ids == 2]
    assert all(m[-1].any() or m[:, -1].any() for m in objects)
    room = [proposal(ids == n) for n in (FLOOR, WALL)] if with_room else []
    found = clean([*map(proposal, objects), *room], depth)
    assert len(found) == 2
    for mask in objects:
        np.testing.assert_array_equal(best(found, mask), mask)


def test_a_labelled_picture_on_the_wall_stays_an_object() -> None:
    depth, ids = render(SOFA)
    picture = np.zeros_like(ids, dtype=bool)
    picture[30:60, 140:190] = True
    wall = ids == WALL
    found = clean([proposal(wall, "wall"), proposal(picture, "picture"), proposal(ids == 1, "sofa")], depth)
    assert sorted(i.label for i in found.items) == ["picture", "sofa"]
    np.testing.assert_array_equal(best(found, picture), picture)


@pytest.mark.parametrize(
    ("label", "part"),
    [("floor", "floor"), ("wooden floor", "floor"), ("floor lamp", ""), ("walls", "wall"), ("wall clock", ""),
     ("glass door", "door"), ("cabinet door", ""), ("windows", "window"), ("", "")],
)  # fmt: skip
def test_the_last_word_of_a_label_tells_the_room_from_an_object(label: str, part: str) -> None:
    assert SHELL_PARTS[structure_of_label(label)] == part


def test_the_order_of_the_proposals_does_not_matter() -> None:
    depth, ids = render(TABLE, VASE, SOFA)
    masks = [proposal(ids > 0), proposal(ids == 2, score=0.8), proposal(ids == 3), proposal(ids == FLOOR)]
    first = clean(masks, depth)
    for order in itertools.permutations(masks):
        other = clean(order, depth)
        np.testing.assert_array_equal(other.label_map, first.label_map)
        assert (other.items, other.rejected) == (first.items, first.rejected)


def mirrored(depth: Depth) -> Depth:
    camera = depth.camera
    K = np.array(camera.K)
    K[0, 2] = camera.size_px[0] - K[0, 2]
    pose = camera.T_world_from_cam.as_matrix()
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    turned = replace(camera, K=K, T_world_from_cam=RigidTransform.from_matrix(flip @ pose @ flip))
    return replace(depth, z_m=depth.z_m[:, ::-1].copy(), valid=depth.valid[:, ::-1].copy(), camera=turned)


def test_a_mirrored_photo_gives_the_mirrored_result() -> None:
    crate = (((0.9, 0.0, -1.9), (1.3, 0.5, -1.4)),)
    depth, ids = render(TABLE, VASE, crate)
    masks = [(ids == 1) | (ids == 2), ids == 3]
    there = clean([proposal(m) for m in masks], depth)
    back = clean([proposal(m[:, ::-1]) for m in masks], mirrored(depth))
    assert [i.flags for i in there.items] == [i.flags for i in back.items]
    assert (there.label_map != back.label_map[:, ::-1]).mean() < 1e-4


def test_flags_sizes_and_limits() -> None:
    _, ids = render(SOFA)
    small, border, speck = (np.zeros_like(ids, dtype=bool) for _ in range(3))
    small[100:109, 10:19] = True
    border[200:240, 100:180] = True
    speck[10:14, 10:14] = True
    found = clean([proposal(small), proposal(border), proposal(speck)], None)
    assert [(i.mask_value, i.flags) for i in found.items] == [(1, ("touches_border",)), (2, ("tiny",))]
    assert [(r.reason, r.area_px) for r in found.rejected] == [("smaller than 0.05 % of the photo", 16)]
    fewer = clean([proposal(small), proposal(border)], None, max_objects=1)
    assert [r.reason for r in fewer.rejected] == ["more than 1 objects; the largest stay"]


def test_the_result_has_the_photos_size_and_the_half_pixel() -> None:
    mask = np.zeros((60, 80), dtype=bool)
    mask[20:40, 30:60] = True
    found = clean([proposal(mask)], None, size_px=(320, 240)).mask(1)
    rows, columns = np.nonzero(found)
    # Corners are rounded, edges are not moved.
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (80, 160, 120, 240)
    exact = np.kron(mask, np.ones((4, 4), dtype=bool))
    assert (found ^ exact).sum() <= 40


def test_nothing_to_clean_is_said() -> None:
    with pytest.raises(StageFailed, match="--masks"):
        clean([], None)
    with pytest.raises(StageFailed, match="None of the masks"):
        clean([proposal(np.eye(240, 320, dtype=bool) & False)], None)


def test_the_users_own_masks_keep_their_values() -> None:
    depth, ids = render(TABLE, VASE, SOFA)
    label_map = np.where((ids == 1) | (ids == 2), 7, np.where(ids == 3, 40, 0)).astype(np.uint16)
    label_map[2, 2] = 7
    given = instances_from_label_map(label_map, source="given")
    cleaned = clean_given(given, depth)
    assert [i.mask_value for i in cleaned.items] == [7, 40, 41]
    assert iou(cleaned.mask(7), ids == 1) > 0.95
    assert iou(cleaned.mask(41), ids == 2) > 0.95
    np.testing.assert_array_equal(cleaned.mask(40), ids == 3)
    assert any("object_41" in note and "rests on another object" in note for note in cleaned.notes)
    uncut = clean_given(given, None)
    assert [i.mask_value for i in uncut.items] == [7, 40]
    assert any("--depth" in note for note in uncut.notes)
