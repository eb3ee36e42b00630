"""A network's depth in a box: bulging walls become flat, objects are shaped, and what is no box stays."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from jaxtyping import Bool
from painted_room import HEIGHT_M, camera_in_room, furniture, painted_room
from rendered_scene import RenderedScene
from scipy.ndimage import gaussian_filter

from pixal3d_scene.depth import Depth
from pixal3d_scene.frontend.boxed_depth import with_room_in_box
from pixal3d_scene.frontend.given_masks import instances_from_label_map
from pixal3d_scene.frontend.object_reliefs import ObjectReliefs
from pixal3d_scene.frontend.relief_picture import SeenRelief
from pixal3d_scene.frontend.standing import Footing
from pixal3d_scene.frontend.vanishing import find_turn, straight_lines


@functools.cache
def scene() -> RenderedScene:
    return painted_room(camera_in_room(yaw_deg=5, pitch_deg=8, size_px=(320, 240)), furniture())


def parts() -> np.ndarray:
    """Floor, wall and ceiling of every pixel, 0 for objects."""
    height = scene().depth.points_world()[..., 1]
    shell = np.select([height < 0.01, height > HEIGHT_M - 0.01], [1, 3], 2)
    return np.where(scene().instances.label_map == 0, shell, 0).astype(np.uint8)


@functools.cache
def yaw_rad() -> float:
    camera = scene().depth.camera
    return find_turn(straight_lines(scene().photo.rgb), camera, focal_is_known=True, up_cam=camera.up_cam).yaw_rad


def boxed(depth: Depth, reliefs: ObjectReliefs | None = None) -> Depth:
    return with_room_in_box(
        depth, scene().photo, parts(), scene().instances, yaw_rad=yaw_rad(), reliefs=reliefs or ObjectReliefs()
    )


def error(depth: Depth, where: np.ndarray) -> float:
    """After one scale."""
    ratio = (depth.z_m / scene().depth.z_m)[where]
    return float(np.abs(ratio / np.median(ratio) - 1).mean())


def bulging(share: float) -> Depth:
    wave = np.random.default_rng(3).standard_normal(scene().depth.z_m.shape)
    wave = gaussian_filter(wave, 30)
    return replace(scene().depth, z_m=(scene().depth.z_m * np.exp(share * wave / wave.std())).astype(np.float32))


def test_bulging_walls_become_flat() -> None:
    room = scene().instances.label_map == 0
    before = bulging(0.12)
    after = boxed(before)
    assert error(before, room) > 0.08
    assert error(after, room) < 0.05
    assert any("those of a box" in note for note in after.notes)
    assert any("taken to rest on" in note for note in after.notes)  # what standing assumes is told too


def test_a_room_that_is_no_box_keeps_the_networks_depth() -> None:
    wild = bulging(0.6)
    after = boxed(wild)
    np.testing.assert_array_equal(after.z_m, wild.z_m)
    assert any("is no box" in note for note in after.notes)


class FrontEndAlone(ObjectReliefs):
    """Believes the front-end network's depth; without it, the block."""

    def __init__(self, share: float = 1.0) -> None:
        self.share = share
        self.asked: dict[Footing, int] = {}

    def farther(self, rgb: object, mask: np.ndarray, others: np.ndarray, seen: SeenRelief, level: object) -> np.ndarray:
        assert not (others & mask).any()
        self.asked[seen.footing] = self.asked.get(seen.footing, 0) + 1
        return (self.share * np.log(seen.network_m / seen.relief_m)).astype(np.float32)


def test_objects_are_where_the_network_of_reliefs_has_them() -> None:
    reliefs = FrontEndAlone()
    after = boxed(scene().depth, reliefs)
    assert sum(reliefs.asked.values()) == len(scene().instances.items)
    objects = scene().instances.label_map > 0
    ratio = after.z_m[objects] / scene().depth.z_m[objects]
    # All of one scale, that of the box; what would be in the fitted wall or floor is nearer.
    assert (np.abs(ratio / np.median(ratio) - 1) < 1e-3).mean() > 0.8
    assert (np.abs(ratio / np.median(ratio) - 1) < 0.02).mean() > 0.95
    assert ratio.max() < 1.001 * np.median(ratio)


def test_what_an_object_carries_is_a_block_where_the_carrier_is() -> None:
    """The carried one's block, before anything shapes it, stands on what the network made of its carrier."""
    carrier = scene().instances.label_map == 2
    farther = replace(scene().depth, z_m=np.where(carrier, 1.2 * scene().depth.z_m, scene().depth.z_m))

    class CarrierAlone(FrontEndAlone):
        def farther(self, rgb, mask, others, seen, level):  # type: ignore[no-untyped-def]
            told = super().farther(rgb, mask, others, seen, level)
            return told if (mask & carrier).any() else 0 * told

    before, after = boxed(scene().depth, CarrierAlone()), boxed(farther, CarrierAlone())
    for value, least in ((2, 0.1), (3, 0.08)):
        mask = scene().instances.label_map == value
        moved = np.median(np.log(after.z_m[mask] / before.z_m[mask]))
        assert moved > least


def test_what_would_be_in_a_wall_stands_before_it_as_it_is() -> None:
    class Beyond(FrontEndAlone):
        def farther(self, rgb, mask, others, seen, level):  # type: ignore[no-untyped-def]
            return super().farther(rgb, mask, others, seen, level) + np.float32(0.6)

    far = boxed(scene().depth, Beyond())
    room = boxed(replace(scene().depth), FrontEndAlone())
    kept = 0
    for item in scene().instances.items:
        mask = scene().instances.label_map == item.mask_value
        ratio = np.log(far.z_m[mask] / room.z_m[mask])
        assert np.median(ratio) < 0.6 + 1e-3
        # Brought nearer as a whole, its upper half is shaped as it was; the floor cuts off its lower half.
        kept += 0.02 < ratio.max() < 0.58 and np.mean(ratio > ratio.max() - 1e-3) > 0.5
    assert kept


def hung(label: str, reliefs: FrontEndAlone) -> tuple[Bool[np.ndarray, "H W"], Depth]:
    """Something on the wall that the front-end network sees bumpy and before it, and the depth in the end."""
    picture = np.zeros(scene().depth.z_m.shape, dtype=bool)
    picture[40:70, 120:160] = scene().instances.label_map[40:70, 120:160] == 0
    label_map = np.where(picture, 9, scene().instances.label_map).astype(np.uint16)
    plain = instances_from_label_map(label_map, source="truth")
    instances = replace(plain, items=tuple(replace(i, label=label) if i.mask_value == 9 else i for i in plain.items))
    bumpy = scene().depth.z_m * np.where(picture, np.random.default_rng(0).uniform(0.8, 1.0, picture.shape), 1)
    depth = replace(scene().depth, z_m=bumpy.astype(np.float32))
    after = with_room_in_box(
        depth, scene().photo, np.where(picture, 0, parts()).astype(np.uint8), instances, yaw_rad=yaw_rad(),
        reliefs=reliefs,
    )  # fmt: skip
    return picture, after


def test_what_hangs_stays_flat() -> None:
    reliefs = FrontEndAlone()
    picture, after = hung("", reliefs)
    assert reliefs.asked[Footing.HANGING]
    ratio = np.log(after.z_m / scene().depth.z_m)
    room = (scene().instances.label_map == 0) & ~picture
    assert np.ptp(ratio[picture]) < 0.03
    assert -0.2 < np.median(ratio[picture]) - np.median(ratio[room]) < -0.05


def test_a_picture_hangs_on_its_wall_wherever_a_network_sees_it() -> None:
    reliefs = FrontEndAlone()
    picture, after = hung("picture", reliefs)
    _, beside = hung("", reliefs)
    ratio = np.log(after.z_m / scene().depth.z_m)[picture]
    around = np.log(after.z_m / scene().depth.z_m)[36:40, 120:160][parts()[36:40, 120:160] == 2]
    assert np.ptp(ratio) < 0.03
    assert -0.02 < np.median(ratio) - np.median(around) < 0
    assert np.median(after.z_m[picture]) > 1.05 * np.median(beside.z_m[picture])


@pytest.mark.parametrize("seen", [1.0, 1.5])
def test_what_the_photo_cuts_off_is_nearer_than_the_floor_at_its_edge(seen: float) -> None:
    """seen: how much too far the front-end network has it."""
    low = int(np.flatnonzero((scene().instances.label_map == 2).any(axis=1)).max()) - 8
    cut = slice(0, low)
    camera = scene().depth.camera
    K = np.array(camera.K)
    shorter = replace(
        scene().depth,
        z_m=scene().depth.z_m[cut],
        valid=scene().depth.valid[cut],
        camera=type(camera)(K=K, size_px=(camera.size_px[0], low), T_world_from_cam=camera.T_world_from_cam),
    )
    label_map = scene().instances.label_map[cut]
    photo = replace(scene().photo, rgb=scene().photo.rgb[cut])
    instances = instances_from_label_map(label_map, source="truth")
    mask = label_map == 2
    farther = replace(shorter, z_m=np.where(mask, seen * shorter.z_m, shorter.z_m).astype(np.float32))
    after = with_room_in_box(
        farther, photo, parts()[cut], instances, yaw_rad=yaw_rad(), reliefs=ObjectReliefs()
    )  # fmt: skip
    floor_m = camera.centre_world[1] / -(shorter.camera.rays_cam() @ shorter.camera.up_cam)[-1]
    assert np.median(after.z_m[mask]) < floor_m.mean()
    assert np.median(after.z_m[-1][mask[-1]] / floor_m[mask[-1]]) < 1.005
    assert abs(np.median(np.log(after.z_m[mask] / shorter.z_m[mask]))) < (0.1 if seen == 1 else 0.15)
    assert any("reach out of the photo" in note for note in after.notes)


def test_a_rug_lies_on_the_floor() -> None:
    height = scene().depth.points_world()
    rug = (scene().instances.label_map == 0) & (height[..., 1] < 1e-3) & (np.abs(height[..., 0]) < 0.8)
    rug &= (height[..., 2] > -1.5) & (height[..., 2] < 0.5)
    label_map = scene().instances.label_map.copy()
    label_map[rug] = 9
    instances = instances_from_label_map(label_map, source="truth")
    part = np.where(rug, 0, parts()).astype(np.uint8)
    for known, tolerance in ((rug, 1e-3), (None, np.inf)):
        after = with_room_in_box(
            scene().depth, scene().photo, part, instances, yaw_rad=yaw_rad(), reliefs=FrontEndAlone(), rug=known
        )
        assert np.abs(after.points_world()[..., 1][rug]).max() < tolerance


def test_a_rug_hides_and_carries_no_more_than_the_floor_does() -> None:
    """The blocks of what stands on it are those of the bare floor."""
    floor = parts() == 1
    label_map = np.where(floor, 9, scene().instances.label_map).astype(np.uint16)
    assert (label_map[1:][(label_map[:-1] > 0) & (label_map[:-1] < 9)] == 9).any()  # somebody stands on it
    blocks = FrontEndAlone(share=0.0)
    bare = boxed(scene().depth, FrontEndAlone(share=0.0))
    after = with_room_in_box(
        scene().depth, scene().photo, parts(), instances_from_label_map(label_map, source="truth"),
        yaw_rad=yaw_rad(), reliefs=blocks, rug=floor,
    )  # fmt: skip
    objects = scene().instances.label_map > 0
    np.testing.assert_array_equal(after.z_m[objects], bare.z_m[objects])
    assert not any("rest on object_09" in note for note in after.notes)


def test_the_networks_depth_says_how_far_bare_walls_are() -> None:
    """No colours and hardly a part: a wall fills the photo."""
    camera = camera_in_room(pitch_deg=2.0, size_px=(320, 240), fov_deg=30.0)
    bare = painted_room(camera)
    grey = replace(bare.photo, rgb=np.full_like(bare.photo.rgb, 150))
    part = np.full(bare.depth.z_m.shape, 2, np.uint8)
    nothing = replace(scene().instances, label_map=np.zeros_like(bare.instances.label_map), items=())
    for factor in (1.0, 0.6):
        depth = replace(bare.depth, z_m=(factor * bare.depth.z_m).astype(np.float32))
        after = with_room_in_box(depth, grey, part, nothing, yaw_rad=0.0, reliefs=ObjectReliefs())
        np.testing.assert_allclose(np.median(after.z_m), factor * np.median(bare.depth.z_m), rtol=0.08)
