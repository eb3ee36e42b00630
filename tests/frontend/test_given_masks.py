"""The user's label map: values kept, everything that cannot be one refused with a sentence."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.given_masks import read_masks

SIZE = (64, 48)


def write(path: Path, values: np.ndarray, **save: object) -> Path:
    Image.fromarray(values).save(path, **save)
    return path


def two_objects(dtype: type) -> np.ndarray:
    values = np.zeros(SIZE[::-1], dtype)
    values[10:20, 5:15] = 3
    values[30:48, 40:64] = 200
    return values


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_values_are_the_mask_values(tmp_path: Path, dtype: type) -> None:
    instances = read_masks(write(tmp_path / "m.png", two_objects(dtype)), SIZE)
    assert [i.mask_value for i in instances.items] == [3, 200]
    assert instances.source == "given"
    assert instances.label_map.dtype == np.uint16
    np.testing.assert_array_equal(instances.label_map, two_objects(np.uint16))
    assert [i.label for i in instances.items] == ["object", "object"]
    assert [i.flags for i in instances.items] == [(), ("touches_border",)]


def test_300_instances_in_16_bit(tmp_path: Path) -> None:
    values = np.zeros((60, 100), np.uint16)
    values.reshape(-1)[: 300 * 10] = np.repeat(np.arange(1, 301) * 200, 10)
    instances = read_masks(write(tmp_path / "m.png", values), (100, 60))
    assert [i.mask_value for i in instances.items] == list(range(200, 60001, 200))


def test_palette_index_counts_not_its_colour(tmp_path: Path) -> None:
    image = Image.fromarray(two_objects(np.uint8)).convert("P")
    image.putpalette([0, 0, 0] * 3 + [9, 9, 9] + [255, 0, 0] * 252)
    image.info["transparency"] = 0
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_masks(tmp_path / "m.png", SIZE).label_map, two_objects(np.uint16))


def test_one_bit_mask_is_one_object(tmp_path: Path) -> None:
    path = write(tmp_path / "m.png", two_objects(np.uint8) > 0)
    assert [i.mask_value for i in read_masks(path, SIZE).items] == [1]


def test_colours_become_objects_with_a_note(tmp_path: Path) -> None:
    rgb = np.zeros((*SIZE[::-1], 3), np.uint8)
    rgb[0:4], rgb[10:14], rgb[20:24] = (255, 0, 0), (0, 255, 0), (0, 0, 1)
    instances = read_masks(write(tmp_path / "m.png", rgb), SIZE)
    assert [int(instances.label_map[row, 0]) for row in (0, 10, 20, 30)] == [3, 2, 1, 0]
    assert "3 colours" in instances.notes[0]


def test_grey_stored_as_colour_keeps_its_values(tmp_path: Path) -> None:
    rgb = np.repeat(two_objects(np.uint8)[..., None], 3, axis=2)
    instances = read_masks(write(tmp_path / "m.png", rgb), SIZE)
    np.testing.assert_array_equal(instances.label_map, two_objects(np.uint16))
    assert instances.notes


def test_what_is_transparent_is_background(tmp_path: Path) -> None:
    rgba = np.full((*SIZE[::-1], 4), (200, 10, 10, 0), np.uint8)
    rgba[5:9, 5:9, 3] = 255
    assert int((read_masks(write(tmp_path / "m.png", rgba), SIZE).label_map > 0).sum()) == 16


def test_tiny_objects_are_flagged(tmp_path: Path) -> None:
    values = two_objects(np.uint8)
    values[25, 30] = 7
    items = {i.mask_value: i for i in read_masks(write(tmp_path / "m.png", values), SIZE).items}
    assert items[7].flags == ("tiny",)
    assert "tiny" not in items[3].flags


def test_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"64 x 48 px.*photo is 65 x 48 px"):
        read_masks(write(tmp_path / "m.png", two_objects(np.uint8)), (65, 48))


def test_the_size_before_exif_orientation_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="EXIF orientation"):
        read_masks(write(tmp_path / "m.png", two_objects(np.uint8)), (48, 64))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(SIZE[::-1], np.uint8), "no object"),
        (np.arange(48 * 64 * 3, dtype=np.uint32).view(np.uint8)[: 48 * 64 * 3].reshape(48, 64, 3), None),
        (np.full(SIZE[::-1], 70000, np.int32), "70000"),
        (np.full(SIZE[::-1], -1, np.int32), "-1"),
        (np.full(SIZE[::-1], 0.5, np.float32), "whole numbers"),
        (np.full(SIZE[::-1], np.nan, np.float32), "whole numbers"),
    ],
)
def test_wrong_content_is_refused(tmp_path: Path, values: np.ndarray, reason: str | None) -> None:
    if reason is None:  # a photo: more colours than any label map
        rng = np.random.default_rng(0)
        photo = rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)
        with pytest.raises(InputError, match="photo rather than a label map"):
            read_masks(write(tmp_path / "m.png", photo), (100, 100))
        return
    with pytest.raises(InputError, match=reason):
        read_masks(write(tmp_path / "m.tif", values), SIZE)


def test_a_depth_map_is_no_label_map(tmp_path: Path) -> None:
    ramp = np.arange(100 * 100, dtype=np.uint16).reshape(100, 100)
    with pytest.raises(InputError, match="different values"):
        read_masks(write(tmp_path / "m.png", ramp), (100, 100))


def test_lossy_masks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="PNG"):
        read_masks(write(tmp_path / "m.jpg", two_objects(np.uint8)), SIZE)


def test_missing_folder_text_and_truncated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_masks(tmp_path / "none.png", SIZE)
    with pytest.raises(InputError, match="folder"):
        read_masks(tmp_path, SIZE)
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(InputError, match="not a picture"):
        read_masks(tmp_path / "text.png", SIZE)
    noise = np.random.default_rng(0).integers(0, 255, SIZE[::-1], dtype=np.uint8)
    whole = write(tmp_path / "m.png", noise).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        read_masks(tmp_path / "cut.png", SIZE)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), junk=st.binary(max_size=40), magic=st.sampled_from(["png", "tif", "gif", "bmp", ""]))
def test_damaged_bytes_raise_input_error_or_read(tmp_path: Path, at: int, junk: bytes, magic: str) -> None:
    data = b""
    if magic:
        write(tmp_path / f"good.{magic}", two_objects(np.uint8))
        data = (tmp_path / f"good.{magic}").read_bytes()
    at %= len(data) + 1
    (tmp_path / "bad.png").write_bytes(data[:at] + junk + data[at + len(junk) :])
    with contextlib.suppress(InputError):  # anything else fails the test
        assert len(read_masks(tmp_path / "bad.png", SIZE)) > 0
