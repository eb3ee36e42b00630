"""A point map of another estimator: the arrays of an NPZ file in, depth along cam z and intrinsics out.

Keys, all of the oriented photo's size: `points` (H, W, 3) in cam (x right, y down, z forward, m), `mask` (H, W, true
where a point counts; may be missing) and `intrinsics` (3, 3; may be missing). Intrinsics are in pixels, or normalised
so that the picture is 1 wide and 1 high, as some estimators write them; which of the two, and whether the points are
in cam at all, the points themselves tell: each must lie on the ray of its own pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from ..camera import Camera
from ..errors import InputError
from .given_picture import check_size

POINTS_KEY, MASK_KEY, INTRINSICS_KEY = "points", "mask", "intrinsics"
_OFF_RAY = 0.02  # of the picture's longer side: more is no rounding and no lens, but other axes or another picture
_MOST_POINTS = 20_000
_REMEDY = "give points in the photo camera's frame (x right, y down, z forward, metres), one per pixel"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPoints:
    """z_m: along +z of cam, as in the file. masked: pixels that the file's mask leaves out. camera: unposed."""

    z_m: Float[np.ndarray, "H W"]
    masked: Bool[np.ndarray, "H W"]
    camera: Camera


def read_points(content: Mapping[str, np.ndarray], path: Path, size_px: tuple[int, int]) -> GivenPoints:
    """The point map in an NPZ file's arrays, checked against the photo's size and against its own intrinsics.

    Raises InputError for other shapes, another size, and points that do not lie on the rays of their pixels.
    """
    points = _numbers(content[POINTS_KEY], POINTS_KEY, path)
    if points.ndim == 4 and points.shape[0] == 1:
        points = points[0]
    if points.ndim != 3 or points.shape[2] != 3:
        raise InputError(f"The depth {path} has points of shape {points.shape}, not (height, width, 3); {_REMEDY}.")
    check_size(path, (points.shape[1], points.shape[0]), size_px, what="depth")
    mask = _mask(content, points.shape[:2], path)
    with np.errstate(invalid="ignore"):
        counted = mask & np.isfinite(points).all(axis=2) & (points[..., 2] > 0)
    rays, centres_px = _some_rays(points, counted)
    camera = _camera(content, rays, centres_px, path, size_px)
    return GivenPoints(z_m=points[..., 2], masked=~mask, camera=camera)


def _numbers(values: np.ndarray, key: str, path: Path) -> np.ndarray:
    if values.dtype.kind not in "fiu":
        raise InputError(f"The depth {path} has {key} of type {values.dtype}, not plain numbers; save them as float32.")
    return values.astype(np.float64)


def _mask(content: Mapping[str, np.ndarray], shape: tuple[int, ...], path: Path) -> Bool[np.ndarray, "H W"]:
    if MASK_KEY not in content:
        return np.ones(shape, dtype=bool)
    mask = content[MASK_KEY]
    if mask.size != shape[0] * shape[1] or mask.squeeze().shape != shape or mask.dtype.kind not in "bfiu":
        raise InputError(
            f"The depth {path} has a mask of shape {mask.shape} and type {mask.dtype}, but its points have {shape}; "
            "give one true or false per point."
        )
    return np.asarray(mask.reshape(shape).astype(np.float64) > 0.5)


def _some_rays(
    points: Float[np.ndarray, "H W 3"], counted: Bool[np.ndarray, "H W"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    """(x / z, y / z) and the centres of pixels spread over the picture."""
    rows, columns = np.nonzero(counted)
    chosen = np.unique(np.linspace(0, max(len(rows) - 1, 0), _MOST_POINTS).astype(np.int64))[: len(rows)]
    rows, columns = rows[chosen], columns[chosen]
    return points[rows, columns, :2] / points[rows, columns, 2:], np.stack([columns + 0.5, rows + 0.5], axis=-1)


def _camera(
    content: Mapping[str, np.ndarray],
    rays: Float[np.ndarray, "n 2"],
    centres_px: Float[np.ndarray, "n 2"],
    path: Path,
    size_px: tuple[int, int],
) -> Camera:
    """Of the readings of the intrinsics the one that the points agree with."""
    limit_px = _OFF_RAY * max(size_px)
    if INTRINSICS_KEY in content:
        K = _numbers(content[INTRINSICS_KEY], INTRINSICS_KEY, path)
        K = K[0] if K.ndim == 3 and len(K) == 1 else K
        if K.shape != (3, 3) or not np.isfinite(K).all():
            raise InputError(f"The depth {path} has intrinsics of shape {K.shape}; give 3 rows of 3 finite numbers.")
        readings = [K, np.diag([size_px[0], size_px[1], 1.0]) @ K]
        source = "the intrinsics in it"
    else:
        readings = [_fitted(rays, centres_px)]
        source = "any camera"
    off_px = [_off_ray(reading, rays, centres_px) for reading in readings]
    best = int(np.argmin(off_px))
    if not off_px[best] < limit_px:
        raise InputError(
            f"The points in {path} lie {off_px[best]:.0f} px beside the pixels that {source} would show them at; "
            f"{_REMEDY}."
        )
    try:
        return Camera(K=readings[best], size_px=size_px)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _off_ray(K: np.ndarray, rays: Float[np.ndarray, "n 2"], centres_px: Float[np.ndarray, "n 2"]) -> float:
    """Median distance of the points from their pixels, px; infinite for what is no camera."""
    if not len(rays) or K[0, 0] <= 0 or K[1, 1] <= 0:
        return 0.0 if not len(rays) else float("inf")
    shown = np.column_stack([rays, np.ones(len(rays))]) @ K.T
    return float(np.median(np.linalg.norm(shown[:, :2] - centres_px, axis=1)))


def _fitted(rays: Float[np.ndarray, "n 2"], centres_px: Float[np.ndarray, "n 2"]) -> np.ndarray:
    """Focal lengths and principal point by least squares over the points, twice, the second time without strays."""
    K = np.eye(3)
    for axis in range(2):
        keep = np.ones(len(rays), dtype=bool)
        line = np.array([1.0, 0.0])
        for _ in range(3):
            if keep.sum() < 2:
                break
            design = np.column_stack([rays[keep, axis], np.ones(int(keep.sum()))])
            line, *_ = np.linalg.lstsq(design, centres_px[keep, axis], rcond=None)
            away = np.abs(rays[:, axis] * line[0] + line[1] - centres_px[:, axis])
            keep = away <= 3 * np.median(away) + 1e-6
        K[axis, axis], K[axis, 2] = line
    return K
