from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_cases import golden_cases

from pixal3d_scene.conditioning.picture import at_stage_size, imagenet_normalised, on_black, square_on_black
from pixal3d_scene.errors import InputError


@pytest.mark.golden
def test_golden(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "preprocess_image"):
        for name, rgba in case.inputs.items():
            got = square_on_black(rgba.numpy())
            expected = case.outputs[name.replace("rgba", "square_rgb")].numpy()
            np.testing.assert_array_equal(got, expected)


def cut_out(height: int, width: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """A white box (x0, y0, x1, y1) on a transparent green picture."""
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., 1] = 255
    x0, y0, x1, y1 = box
    rgba[y0:y1, x0:x1] = 255
    return rgba


def test_square_is_centred_on_the_box_and_black_around_it() -> None:
    square = square_on_black(cut_out(100, 200, (150, 10, 191, 31)))  # 41 x 21 pixels
    assert square.shape == (44, 44, 3)  # int(40 * 1.1)
    white = (square == 255).all(axis=-1)
    assert white.sum() == 41 * 21
    assert (square[~white] == 0).all()
    assert np.flatnonzero(white.any(axis=0))[[0, -1]].tolist() == [2, 42]
    assert np.flatnonzero(white.any(axis=1))[[0, -1]].tolist() == [12, 32]


def test_a_box_at_the_edge_is_continued_in_black() -> None:
    square = square_on_black(cut_out(60, 60, (0, 0, 41, 41)))
    assert square.shape == (44, 44, 3)
    assert (square[0] == 0).all()
    assert (square[2, 2] == 255).all()


def test_a_large_picture_is_reduced_first() -> None:
    square = square_on_black(cut_out(1000, 2048, (500, 200, 1300, 1000)))
    assert abs(square.shape[0] - 800 * 1.1 / 2) <= 3


def test_a_picture_without_matte_is_refused() -> None:
    with pytest.raises(InputError, match="cut the object out"):
        square_on_black(np.full((8, 8, 4), 255, np.uint8))
    with pytest.raises(InputError, match="nowhere opaque"):
        square_on_black(np.full((8, 8, 4), 100, np.uint8))


def test_half_transparent_pixels_fade_to_black() -> None:
    rgba = np.array([[[200, 100, 50, 128], [200, 100, 50, 0]]], np.uint8)
    assert on_black(rgba).tolist() == [[[100, 50, 25], [0, 0, 0]]]


def test_stage_size_keeps_place_and_range() -> None:
    square = np.zeros((8, 8, 3), np.uint8)
    square[:4, 4:, 0] = 255  # red, top right
    picture = at_stage_size(square, 32)
    assert picture.shape == (3, 32, 32)
    assert picture[0, 4, 28] == 1
    assert picture[0, 28, 4] == 0
    assert picture[1:].abs().max() == 0


def test_normalisation_maps_the_mean_to_zero() -> None:
    mean = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None].expand(1, 3, 2, 2)
    torch.testing.assert_close(imagenet_normalised(mean), torch.zeros(1, 3, 2, 2))
