"""The network of reliefs in the front-end: what it reads of one object, and where its answer lies."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from painted_room import camera_in_room, furniture, painted_room
from rendered_scene import RenderedScene

from pixal3d_scene.errors import BackendMissing
from pixal3d_scene.frontend.object_reliefs import small_picture
from pixal3d_scene.frontend.relief_network import ReliefNetwork, ReliefSize, read_reliefs, write_reliefs
from pixal3d_scene.frontend.relief_picture import (
    AWAY,
    CHANNELS,
    MIRRORED,
    SHAPE,
    SIDE_PX,
    SeenRelief,
    at_pixels,
    mirrored_picture,
    relief_picture,
    resized_within,
    window_around,
)
from pixal3d_scene.frontend.room_box import RoomBox, room_axes
from pixal3d_scene.frontend.standing import Footing, LevelView

SMALL = ReliefSize(widths=(8, 12, 16), blocks=(1, 1, 1))
YAW = np.radians(5)


@functools.cache
def scene() -> RenderedScene:
    return painted_room(camera_in_room(yaw_deg=5, pitch_deg=8, size_px=(320, 240)), furniture())


def level() -> LevelView:
    camera = scene().depth.camera
    box = RoomBox(
        R_room_from_cam=room_axes(camera, YAW),
        camera_height_m=float(camera.centre_world[1]),
        ahead_m=6.0, left_m=3.0, right_m=3.0, ceiling_m=np.inf,
    )  # fmt: skip
    return LevelView(camera, box)


def mask_of(value: int) -> np.ndarray:
    return scene().instances.label_map == value


def read(mask: np.ndarray, *, relief_m: np.ndarray, network_m: np.ndarray, others: np.ndarray) -> np.ndarray:
    seen = SeenRelief(
        relief_m=relief_m, network_m=network_m, usable=np.ones(mask.sum(), dtype=bool), footing=Footing.STANDING
    )
    return relief_picture(small_picture(scene().photo), mask, others, seen, level(), window_around(mask))


def test_values_of_a_mask_come_back_where_they_were() -> None:
    """A slope along each axis: half a pixel, or exchanged axes, would show."""
    mask = np.zeros((90, 140), dtype=bool)
    mask[20:80, 30:120] = True
    window = window_around(mask)
    rows, columns = np.nonzero(mask)
    for slope in (0.01 * columns, -0.02 * rows):
        back = at_pixels(resized_within(slope, mask, window), mask, window)
        inside = (rows > 23) & (rows < 76) & (columns > 33) & (columns < 116)
        np.testing.assert_allclose(back[inside], slope[inside], atol=1.5e-3)


def test_what_the_network_says_outside_the_mask_does_not_count() -> None:
    mask = np.zeros((200, 200), dtype=bool)
    mask[40:160, 60:140] = True
    window = window_around(mask)
    covered = resized_within(np.ones(mask.sum()), mask, window)
    wild = np.where(covered > 0, resized_within(np.full(mask.sum(), 0.2), mask, window), 9).astype(np.float32)
    np.testing.assert_allclose(at_pixels(wild, mask, window), 0.2, atol=1e-6)


def test_the_picture_is_of_the_object_and_tells_how_depths_differ() -> None:
    mask = mask_of(2)
    true_m = scene().depth.z_m[mask].astype(np.float64)
    columns = np.nonzero(mask)[1]
    leaning = np.linspace(-0.1, 0.1, mask.shape[1])[columns]
    others = (scene().instances.label_map > 0) & ~mask
    picture = read(mask, relief_m=true_m, network_m=true_m * np.exp(0.2 + leaning), others=others)
    assert picture.shape == (CHANNELS, SIDE_PX, SIDE_PX)
    covered = picture[3] > 0.99
    assert 0.2 < covered.mean() < 0.9
    middle = np.median(0.2 + leaning)
    np.testing.assert_allclose(picture[AWAY][covered], middle, atol=1e-3)
    window = window_around(mask)
    at = window.left + (np.arange(SIDE_PX) + 0.5) / SIDE_PX * window.size_px[0] - 0.5
    told = 4 * (0.2 + np.interp(at, np.arange(mask.shape[1]), np.linspace(-0.1, 0.1, mask.shape[1])) - middle)
    inner = covered.copy()
    inner[:, 1:-1] &= covered[:, 2:] & covered[:, :-2]
    np.testing.assert_allclose(picture[SHAPE][inner], np.broadcast_to(told, covered.shape)[inner], atol=0.02)
    assert (picture[4] > 0.5).any() == others[window.pixels].any()
    rgb = scene().photo.rgb[window.pixels].astype(float).mean(axis=(0, 1)) / 255 - 0.5
    np.testing.assert_allclose(picture[:3].mean(axis=(1, 2)), rgb, atol=0.02)
    assert picture[13 + Footing.STANDING.value].min() == 1
    assert picture[13:].sum(axis=0).max() == 1


def test_the_mirrored_photo_has_the_mirrored_picture() -> None:
    mask = mask_of(2)
    relief_m = np.full(mask.sum(), 2.0)
    one = read(mask, relief_m=relief_m, network_m=relief_m, others=np.zeros_like(mask))
    other = mirrored_picture(torch.from_numpy(one)).numpy()
    np.testing.assert_array_equal(other[3], one[3][:, ::-1])
    np.testing.assert_array_equal(other[MIRRORED], -one[MIRRORED][:, ::-1])
    assert np.ptp(one[MIRRORED]) > 0.05
    np.testing.assert_array_equal(mirrored_picture(torch.from_numpy(other)).numpy(), one)


def test_files_come_back_and_others_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = ReliefNetwork(SMALL).eval()
    write_reliefs(network, tmp_path / "w.safetensors")
    picture = torch.randn(2, CHANNELS, SIDE_PX, SIDE_PX)
    with torch.no_grad():
        torch.testing.assert_close(
            read_reliefs(tmp_path / "w.safetensors")(picture), network(picture), atol=2e-2, rtol=2e-2
        )
    (tmp_path / "x.safetensors").write_bytes(b"no weights")
    with pytest.raises(BackendMissing, match="reliefs"):
        read_reliefs(tmp_path / "x.safetensors")
