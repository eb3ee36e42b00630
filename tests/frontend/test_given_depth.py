"""The user's depth: metres along cam z whatever the file, gaps noted, the rest refused with a sentence."""

from __future__ import annotations

import contextlib
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pixal3d_scene.camera import Camera
from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.given_depth import read_depth

CAMERA = Camera.from_fov(horizontal_fov_deg=60.0, size_px=(32, 24))
RAMP_M = np.linspace(1, 5, 24 * 32).reshape(24, 32)


def save_png(path: Path, z_m: np.ndarray) -> Path:
    Image.fromarray((z_m * 1000).round().astype(np.uint16)).save(path)
    return path


def save_npy(path: Path, z_m: np.ndarray) -> Path:
    np.save(path, z_m)
    return path


def save_npz(path: Path, z_m: np.ndarray) -> Path:
    np.savez(path, depth=z_m, other=np.array(["x"], dtype=object))  # the other key is not touched
    return path


@pytest.mark.parametrize(("name", "save"), [("d.png", save_png), ("d.npy", save_npy), ("d.npz", save_npz)])
def test_every_format_gives_metres(tmp_path: Path, name: str, save: object) -> None:
    depth = read_depth(save(tmp_path / name, RAMP_M), CAMERA)  # type: ignore[operator]
    np.testing.assert_allclose(depth.z_m, RAMP_M, atol=6e-4)
    assert depth.valid.all()
    assert depth.source == "given"
    assert depth.camera is CAMERA
    assert depth.notes == ()


def test_gaps_are_invalid_and_counted(tmp_path: Path) -> None:
    z_m = RAMP_M.copy()
    z_m.flat[:5] = [np.nan, np.inf, -np.inf, 0, -1]
    depth = read_depth(save_npy(tmp_path / "d.npy", z_m), CAMERA)
    assert int((~depth.valid).sum()) == 5
    assert "5 of 768" in depth.notes[0]
    png = read_depth(save_png(tmp_path / "d.png", np.where(RAMP_M > 3, RAMP_M, 0)), CAMERA)
    np.testing.assert_array_equal(png.valid, RAMP_M > 3)


@pytest.mark.parametrize("shape", [(24, 32, 1), (1, 24, 32)])
def test_a_channel_of_one_is_dropped(tmp_path: Path, shape: tuple[int, ...]) -> None:
    depth = read_depth(save_npy(tmp_path / "d.npy", RAMP_M.reshape(shape)), CAMERA)
    np.testing.assert_allclose(depth.z_m, RAMP_M, rtol=1e-6)


def test_millimetres_in_npy_are_noted(tmp_path: Path) -> None:
    depth = read_depth(save_npy(tmp_path / "d.npy", (RAMP_M * 1000).astype(np.int32)), CAMERA)
    assert "metres" in depth.notes[-1]


def test_relative_depth_is_noted(tmp_path: Path) -> None:
    depth = read_depth(save_npy(tmp_path / "d.npy", RAMP_M / RAMP_M.max() / 10), CAMERA)
    assert "too little" in depth.notes[-1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (RAMP_M[:, :-1], r"31 x 24 px.*photo is 32 x 24 px"),
        (RAMP_M.T, "EXIF orientation"),
        (RAMP_M * np.nan, "no valid pixel"),
        (RAMP_M * 0, "no valid pixel"),
        (RAMP_M[0], "shape"),
        (np.repeat(RAMP_M[..., None], 3, axis=2), "shape"),
        (RAMP_M > 2, "bool"),
        (RAMP_M.astype(str), "not plain numbers"),
        (RAMP_M.astype(complex), "complex"),
        (RAMP_M * 1e300, "no valid pixel"),
    ],
)
def test_unusable_arrays_are_refused(tmp_path: Path, content: np.ndarray, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_depth(save_npy(tmp_path / "d.npy", content), CAMERA)


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("name", ["d.npy", "d.npz"])
def test_pickles_are_never_loaded(tmp_path: Path, name: str) -> None:
    trap = np.array([_Trap()], dtype=object)
    if name == "d.npy":
        np.save(tmp_path / name, trap)
    else:
        np.savez(tmp_path / name, depth=trap)
    with pytest.raises(InputError, match="numbers only"):
        read_depth(tmp_path / name, CAMERA)
    (tmp_path / name).write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(InputError, match="numbers only"):
        read_depth(tmp_path / name, CAMERA)


def test_wrong_keys_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", z=RAMP_M, height=RAMP_M)
    with pytest.raises(InputError, match="only height, z"):
        read_depth(tmp_path / "d.npz", CAMERA)


def test_8_bit_pictures_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((24, 32), 9, np.uint8)).save(tmp_path / "d.png")
    with pytest.raises(InputError, match="not 16 bit grey"):
        read_depth(tmp_path / "d.png", CAMERA)


def test_missing_and_truncated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_depth(tmp_path / "none.npy", CAMERA)
    for save, name in ((save_png, "d.png"), (save_npy, "d.npy"), (save_npz, "d.npz")):
        whole = save(tmp_path / name, RAMP_M).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match=r"damaged|cannot be read"):
            read_depth(tmp_path / name, CAMERA)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, 10_000),
    junk=st.binary(max_size=40),
    kind=st.sampled_from(["npy", "npz", "png"]),
    start=st.booleans(),
)
def test_damaged_bytes_raise_input_error_or_read(tmp_path: Path, at: int, junk: bytes, kind: str, start: bool) -> None:
    buffer = io.BytesIO()
    if kind == "npy":
        np.save(buffer, RAMP_M)
    elif kind == "npz":
        np.savez_compressed(buffer, depth=RAMP_M)
    else:
        Image.fromarray((RAMP_M * 1000).astype(np.uint16)).save(buffer, "PNG")
    data = buffer.getvalue()
    at %= 200 if start else len(data)
    (tmp_path / f"bad.{kind}").write_bytes(data[:at] + junk + data[at + len(junk) :])
    with contextlib.suppress(InputError):  # anything else fails the test
        assert read_depth(tmp_path / f"bad.{kind}", CAMERA).valid.any()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), kind=st.sampled_from(["npy", "npz", "png", "tiff"]))
def test_random_bytes_raise_input_error(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / f"bad.{kind}").write_bytes(data)
    with pytest.raises(InputError):
        read_depth(tmp_path / f"bad.{kind}", CAMERA)
