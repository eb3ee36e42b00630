"""The user's own depth: PNG (mm), NPY (m), NPZ with `depth` (m) or with a point map in, depth along cam z in m out.

A point map is what other estimators (MoGe, VGGT, DUSt3R, ...) give; `given_points` tells its keys.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from ..camera import Camera
from ..depth import Depth
from ..errors import InputError
from .given_picture import check_size, open_picture_of_photo, read_bytes
from .given_points import INTRINSICS_KEY, MASK_KEY, POINTS_KEY, read_points

_DEPTH_KEY = "depth"
_KEYS = (_DEPTH_KEY, POINTS_KEY, MASK_KEY, INTRINSICS_KEY)
_NUMPY_BEGINNINGS = (b"\x93NUMPY", b"PK")  # NPY, NPZ
_NEAREST_PLAUSIBLE_M, _FARTHEST_PLAUSIBLE_M = 0.2, 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFile:
    """A depth file as read. z_m: unspecified where not valid. camera: intrinsics where the file has them."""

    z_m: Float[np.ndarray, "H W"]
    valid: Bool[np.ndarray, "H W"]
    camera: Camera | None = None
    notes: tuple[str, ...] = ()

    def depth_of(self, camera: Camera) -> Depth:
        """The same depth along +z of the photo's camera."""
        z_m = np.where(self.valid, self.z_m, 0).astype(np.float32)
        return Depth(z_m=z_m, valid=self.valid, camera=camera, source="given", notes=self.notes)


def read_depth(path: Path, camera: Camera) -> Depth:
    """`read_depth_file` for a camera that is known; its `size_px` is that of the oriented photo."""
    return read_depth_file(path, camera.size_px).depth_of(camera)


def read_depth_file(path: Path, size_px: tuple[int, int]) -> DepthFile:
    """Depth of the oriented photo, which has `size_px` (width, height).

    PNG: 16 bit, millimetres, 0 = not known. NPY, or NPZ with the key `depth`: metres, where NaN, infinite and
    values <= 0 mean not known. NPZ with the key `points`: see `given_points`. Pickled content is never loaded.
    Raises InputError for a missing or damaged file, another size, other content, or no valid pixel at all.
    """
    camera, masked = None, None
    if path.suffix.lower() in (".npy", ".npz"):
        content = _load(read_bytes(path, what="depth"), path)
        if isinstance(content, dict) and POINTS_KEY in content:
            points = read_points(content, path, size_px)
            z_m, masked, camera = points.z_m, points.masked, points.camera
        else:
            z_m = _read_numpy(content, path, size_px)
    else:
        z_m = _read_millimetres(path, size_px)
    # Compared as float32, as it is stored: a value that overflows there is not valid either.
    with np.errstate(over="ignore", invalid="ignore"):
        z_m = z_m.astype(np.float32)
    usable = np.isfinite(z_m) & (z_m > 0)
    ignored = int(usable.size - usable.sum()) if masked is None else int((~usable & ~masked).sum())
    valid = usable if masked is None else usable & ~masked
    if not valid.any():
        raise InputError(
            f"The depth {path} has no valid pixel: all are zero, negative or not finite; "
            "give metres (NPY, NPZ) or millimetres (16 bit PNG)."
        )
    notes: list[str] = []
    if ignored:
        notes.append(
            f"{ignored} of {valid.size} depth values in {path.name} are zero, negative or not finite; ignored."
        )
    median_m = float(np.median(z_m[valid]))
    if not _NEAREST_PLAUSIBLE_M < median_m < _FARTHEST_PLAUSIBLE_M:
        amount = "too much" if median_m > _FARTHEST_PLAUSIBLE_M else "too little"
        notes.append(
            f"The median depth in {path.name} is {median_m:.3g} m, {amount} for a room; "
            "NPY and NPZ are read as metres, PNG as millimetres."
        )
    return DepthFile(z_m=z_m.astype(np.float64), valid=valid, camera=camera, notes=tuple(notes))


def _read_millimetres(path: Path, size_px: tuple[int, int]) -> np.ndarray:
    image = open_picture_of_photo(path, size_px, what="depth")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        raise InputError(
            f"The depth {path} is a picture of mode {image.mode}, not 16 bit grey; "
            "give a 16 bit PNG in millimetres, or NPY or NPZ in metres."
        )
    return np.asarray(image).astype(np.float64) / 1000


def _read_numpy(content: np.ndarray | dict[str, np.ndarray], path: Path, size_px: tuple[int, int]) -> np.ndarray:
    """(H, W) float64, metres."""
    if isinstance(content, dict):
        if _DEPTH_KEY not in content:
            found = ", ".join(sorted(content)) or "none at all"
            raise InputError(
                f"The depth {path} has no key {_DEPTH_KEY!r} and no {POINTS_KEY!r}, only {found}; save depth under "
                f"{_DEPTH_KEY!r} or a point map under {POINTS_KEY!r}."
            )
        content = content[_DEPTH_KEY]
    if content.dtype.kind not in "fiu":
        raise InputError(f"The depth {path} holds {content.dtype} values, not plain numbers; give metres as float32.")
    if content.ndim == 3 and 1 in (content.shape[0], content.shape[2]):
        content = content[0] if content.shape[0] == 1 else content[..., 0]
    if content.ndim != 2:
        raise InputError(f"The depth {path} has the shape {content.shape}; give one value per pixel, (height, width).")
    check_size(path, (content.shape[1], content.shape[0]), size_px, what="depth")
    return content.astype(np.float64)


def _load(data: bytes, path: Path) -> np.ndarray | dict[str, np.ndarray]:
    if not data.startswith(_NUMPY_BEGINNINGS):
        raise InputError(
            f"The depth {path} is no NumPy file, whatever its name says; save metres with numpy.save or numpy.savez, "
            "numbers only."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = np.load(io.BytesIO(data), allow_pickle=False)
            if isinstance(content, np.ndarray):
                return content
            with content:
                # Only what is used is decompressed, so that the other members cannot do harm.
                return {k: content[k] if k in _KEYS else np.zeros(0) for k in content.files}
    except Exception as error:  # the parsers of NumPy and zipfile raise almost anything for foreign bytes
        raise InputError(
            f"The depth {path} cannot be read as a NumPy file ({_first_line(error)}); "
            "save it again with numpy.save or numpy.savez, numbers only."
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:120] if lines else type(error).__name__
