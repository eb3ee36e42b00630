"""Textures of the room shell: true where the photo shows the plane, plausible where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendered_scene import camera_at, render, standing_box

from pixal3d_scene.layout import surfaces
from pixal3d_scene.layout.room_shell import fit_room
from pixal3d_scene.layout.surfaces import texture_room

SIDE = 512


@pytest.fixture(scope="module")
def planks() -> np.ndarray:
    """Brown stripes of 16 texels, brighter to the right."""
    column = np.arange(SIDE)
    light = 90 + 60 * column / SIDE + 12 * np.sign(np.sin(column * 2 * np.pi / 32))
    return np.broadcast_to((light[None, :, None] * [1.0, 0.8, 0.6]), (SIDE, SIDE, 3)).astype(np.uint8)


def test_what_is_seen_stays_and_what_is_hidden_goes_on(planks: np.ndarray) -> None:
    seen = np.ones((SIDE, SIDE), dtype=bool)
    seen[150:300, 200:420] = False
    spoilt = np.where(seen[..., None], planks, 0).astype(np.uint8)  # whatever hides it is black
    filled = surfaces._fill(spoilt, seen)
    np.testing.assert_array_equal(filled[seen], planks[seen])
    hidden, truth = filled[170:280, 230:390].astype(float), planks[170:280, 230:390].astype(float)
    assert np.abs(hidden.mean(axis=(0, 1)) - truth.mean(axis=(0, 1))).max() < 8
    left, right = hidden[:, :40].mean(), hidden[:, -40:].mean()
    assert right > left + 5  # the light's gradient goes on
    assert hidden.std(axis=1).mean() > 0.5 * truth.std(axis=1).mean()  # and so do the stripes
    assert hidden.std(axis=0).mean() < 3  # across them only


def test_a_thing_on_the_wall_is_not_repeated() -> None:
    wall = np.full((SIDE, SIDE, 3), 180, dtype=np.uint8)
    wall[200:240, 80:160] = 20
    seen = np.ones((SIDE, SIDE), dtype=bool)
    seen[:, 340:] = False
    filled = surfaces._fill(np.where(seen[..., None], wall, 0).astype(np.uint8), seen)
    assert filled[:, 360:].min() > 160


def test_a_plane_that_nobody_sees_is_plain() -> None:
    colour, seen = np.zeros((SIDE, SIDE, 3), dtype=np.uint8), np.zeros((SIDE, SIDE), dtype=bool)
    assert np.unique(surfaces._fill(colour, seen)).tolist() == [200]


def test_a_window_shows_what_the_photo_shows() -> None:
    scene = render({1: standing_box((0.4, 0.4, 0.4), 0.0, 0.0)}, camera_at(size_px=(320, 240)))
    room = fit_room(scene.depth, scene.instances)
    rgb, valid = np.array(scene.photo.rgb), np.array(scene.depth.valid)
    window = np.s_[60:100, 140:180]
    rgb[window], valid[window] = (40, 90, 250), False
    photo = replace(scene.photo, rgb=rgb)
    painted = texture_room(room, photo, replace(scene.depth, valid=valid), scene.instances)
    blue = max(float((np.asarray(s.material.base_colour) == [40, 90, 250]).all(axis=-1).mean()) for s in painted)
    assert blue > 0.005
