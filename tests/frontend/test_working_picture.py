"""Photo to network and masks back: the published numbers, and not half a pixel lost on the way."""

from __future__ import annotations

import ast
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pixal3d_scene.frontend.grounding_dino import detector_size_px
from pixal3d_scene.frontend.owlv2 import padded_square, size_in_square_px
from pixal3d_scene.frontend.working_picture import (
    CLIP,
    HALF,
    IMAGENET,
    WORKING_SIDE_PX,
    as_input,
    mask_at,
    masks_of_logits,
    resized_rgb,
    working_size_px,
)
from pixal3d_scene.photo import Photo

CPU = torch.device("cpu")
ODD_SIZES = [(640, 480), (481, 641), (333, 1000), (97, 64), (1600, 1201)]


def photo_of(rgb: np.ndarray) -> Photo:
    return Photo(rgb=rgb, file_name="photo.png", sha256="0")


def noisy_photo(size_px: tuple[int, int]) -> Photo:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (size_px[1] // 8 + 1, size_px[0] // 8 + 1, 3), dtype=np.uint8)
    return photo_of(np.kron(coarse, np.ones((8, 8, 1), np.uint8))[: size_px[1], : size_px[0]].copy())


def published(model: str, name: str) -> Any:
    """A class attribute of a processor of transformers that cannot be imported without torchvision."""
    from transformers import image_utils

    folder = Path(str(find_spec("transformers").origin)).parent / "models" / model  # type: ignore[union-attr]
    tree = ast.parse((folder / f"image_processing_{model}.py").read_text())
    (processor,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name.endswith("ImageProcessor"))
    (value,) = (n.value for n in processor.body if isinstance(n, ast.Assign) and n.targets[0].id == name)  # type: ignore[attr-defined]
    return getattr(image_utils, value.id) if isinstance(value, ast.Name) else ast.literal_eval(value)


@pytest.mark.parametrize(("model", "normalisation", "side_px"), [("sam2", IMAGENET, 1024), ("sam3", HALF, 1008)])
def test_constants_are_those_of_the_published_processors(model: str, normalisation: Any, side_px: int) -> None:
    assert list(normalisation.mean) == list(published(model, "image_mean"))
    assert list(normalisation.std) == list(published(model, "image_std"))
    assert published(model, "size") == {"height": side_px, "width": side_px}


def test_grounding_dino_sees_what_its_own_processor_would_show() -> None:
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil

    for size_px in [(240, 321), (150, 450)]:
        photo = noisy_photo(size_px)
        wanted = GroundingDinoImageProcessorPil()(photo.image, return_tensors="pt")["pixel_values"]
        width, height = detector_size_px(size_px)
        assert (height, width) == tuple(wanted.shape[2:])
        assert torch.allclose(as_input(resized_rgb(photo, (width, height)), IMAGENET, CPU), wanted, atol=1e-5)


def test_owlv2_sees_nearly_what_its_own_processor_would_show() -> None:
    """The processor smooths by a Gaussian, here Pillow's filter does; the place of everything is the same."""
    from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

    photo = noisy_photo((300, 200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = Owlv2ImageProcessorPil(size={"height": 160, "width": 160})(photo.image, return_tensors="pt")
    ours = as_input(padded_square(photo, 160), CLIP, CPU)
    off = (ours - wanted["pixel_values"]).abs()
    shifted = (torch.roll(ours, 1, dims=3) - wanted["pixel_values"]).abs()
    assert off.mean() < 0.3 * shifted.mean()
    assert (ours[..., 110:, :] == ours[..., -1:, -1:]).all()  # black below the photo


@pytest.mark.parametrize("size_px", ODD_SIZES)
def test_a_mask_lands_where_it_was_drawn(size_px: tuple[int, int]) -> None:
    """A rectangle drawn by a network at its own size keeps its borders to half a network pixel on the photo."""
    width, height = size_px
    drawn = np.array([0.25, 0.125, 0.75, 0.625])  # shares of the photo
    for network_px in (256, 288):
        logits = torch.full((1, network_px, network_px), -1.0)
        x0, y0, x1, y1 = (drawn * network_px).round().astype(int)
        logits[0, y0:y1, x0:x1] = 1.0
        mask = mask_at(masks_of_logits(logits, working_size_px(size_px))[0], size_px)
        assert mask.shape == (height, width)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        true = np.array([x0, y0, x1, y1]) * np.array([width, height] * 2) / network_px
        # The edge is exact to half a network pixel and the rounding of the masks to whole ones.
        half_px = np.array([width, height] * 2) / network_px / 2 + 1
        assert (np.abs(found - true) <= half_px).all(), (found, true)
        centre = (found[:2] + found[2:]) / 2 - (true[:2] + true[2:]) / 2
        assert (np.abs(centre) <= 1.0).all()


def test_a_soft_border_is_found_between_pixels() -> None:
    """Logits that rise across a border at 31.5 of 64 give that border, not one of a whole pixel."""
    x = np.arange(64) + 0.5
    logits = torch.from_numpy(np.tile(31.5 - x, (64, 1))).float()[None]
    mask = masks_of_logits(logits, (640, 64))[0]
    assert np.flatnonzero(mask.any(axis=0))[-1] + 1 == 315


def test_pictures_cover_the_photo_edge_to_edge() -> None:
    """The mean place of a bright stripe stays, which a shift by half a pixel would move."""
    rgb = np.zeros((60, 301, 3), dtype=np.uint8)
    rgb[:, 100:150] = 255
    small = resized_rgb(photo_of(rgb), (64, 64))[32, :, 0].astype(float)
    centre = (small * (np.arange(64) + 0.5)).sum() / small.sum()
    assert centre * 301 / 64 == pytest.approx(125.0, abs=0.15)


@pytest.mark.parametrize("size_px", ODD_SIZES)
def test_working_sizes_keep_the_shape(size_px: tuple[int, int]) -> None:
    working = working_size_px(size_px)
    assert max(working) <= WORKING_SIDE_PX
    assert all(w <= s for w, s in zip(working, size_px, strict=True))
    assert working[0] / size_px[0] == pytest.approx(working[1] / size_px[1], rel=0.005)


def test_the_square_of_owlv2_has_the_photo_in_its_corner() -> None:
    rgb = np.full((50, 100, 3), 200, dtype=np.uint8)
    square = padded_square(photo_of(rgb), 64)
    assert size_in_square_px((100, 50), 64) == (64, 32)
    assert (square[:32] == 200).all()
    assert (square[32:] == 0).all()
    assert size_in_square_px((50, 100), 64) == (32, 64)
