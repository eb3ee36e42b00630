"""Lens distortion taken out once, at the border: maps of the photo as the lens drew it in, of a pinhole picture out.

Both pictures have the same size. The pinhole keeps the principal point and gets the widest field of view whose every
pixel the lens has drawn: no black border that a network would take for a thing, at the price of the photo's rim.
Depth along cam z stays as it is, since no point moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Shaped, UInt8

from ..camera import Camera
from ..distortion import Distortion
from ..errors import InputError

_ZOOMS = np.geomspace(4.0, 0.25, 65)  # focal length of the pinhole over the lens's
_CHECKED = 33  # points along each side
_STEPS = np.eye(2) * 1e-5  # of a ray, for derivatives
_BAND_ROWS = 256  # resampled at once, so that memory does not grow with the photo


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectification:
    """lens: intrinsics of the picture that the lens drew. pinhole: the ideal camera of the picture without distortion,
    in the same pose."""

    lens: Camera
    distortion: Distortion
    pinhole: Camera

    @staticmethod
    def of(lens: Camera, distortion: Distortion) -> Rectification:
        """Raises InputError where no field of view of at least a quarter of the lens's can be made straight."""
        if not _is_filled(lens, distortion, zoom=float(_ZOOMS[0])):
            raise InputError("the distortion folds the middle of the picture; check the coefficients and their model.")
        low, high = float(_ZOOMS[-1]), float(_ZOOMS[0])
        for zoom in _ZOOMS[1:]:
            if not _is_filled(lens, distortion, zoom=float(zoom)):
                low = float(zoom)
                break
            high = float(zoom)
        while high - low > 1e-6:
            middle = (low + high) / 2
            low, high = (low, middle) if _is_filled(lens, distortion, zoom=middle) else (middle, high)
        return Rectification(lens=lens, distortion=distortion, pinhole=_zoomed(lens, high))

    def lens_px(self, pinhole_px: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        """Where the lens drew what the pinhole sees at `pinhole_px`."""
        return _lens_px(self.lens, self.distortion, self.pinhole.rays_through(pinhole_px))

    def picture(self, rgb: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
        """The photo without distortion."""
        straight = np.zeros(rgb.shape, dtype=np.uint8)
        for channel in range(3):
            straight[..., channel] = np.clip(np.rint(self.channel(rgb[..., channel].astype(np.float32))), 0, 255)
        return straight

    def channel(self, values: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
        """Smooth values without distortion, by cubic splines."""
        from scipy.ndimage import map_coordinates, spline_filter

        splines = spline_filter(values, order=3, output=np.float32, mode="nearest")
        straight = np.zeros_like(values)
        for rows, source_px in self._bands():
            at = np.moveaxis(source_px[..., ::-1] - 0.5, -1, 0)  # (2, rows, W): row and column, centres at whole ones
            map_coordinates(splines, at, output=straight[rows], order=3, prefilter=False, mode="nearest")
        return straight

    def values(self, array: Shaped[np.ndarray, "H W"]) -> Shaped[np.ndarray, "H W"]:
        """Labels, depth or validity without distortion: those of the nearest pixel, never mixed."""
        straight = np.zeros_like(array)
        height, width = array.shape
        for rows, source_px in self._bands():
            column, row = np.floor(source_px[..., 0]).astype(np.int64), np.floor(source_px[..., 1]).astype(np.int64)
            straight[rows] = array[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        return straight

    def _bands(self) -> Iterator[tuple[slice, Float[np.ndarray, "h W 2"]]]:
        width, height = self.pinhole.size_px
        for top in range(0, height, _BAND_ROWS):
            rows = slice(top, min(top + _BAND_ROWS, height))
            x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(rows.start, rows.stop) + 0.5)
            yield rows, self.lens_px(np.stack([x, y], axis=-1))


def _zoomed(lens: Camera, zoom: float) -> Camera:
    K = np.array(lens.K)
    K[:2, :2] *= zoom
    return Camera(K=K, size_px=lens.size_px, T_world_from_cam=lens.T_world_from_cam)


def _lens_px(lens: Camera, distortion: Distortion, rays: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
    bent = distortion.bend(rays[..., :2])
    return bent @ lens.K[:2, :2].T + lens.K[:2, 2]


def _is_filled(lens: Camera, distortion: Distortion, *, zoom: float) -> bool:
    """Whether the lens drew every pixel of the zoomed pinhole, each at one place only."""
    width, height = lens.size_px
    x, y = np.meshgrid(np.linspace(0, width, _CHECKED), np.linspace(0, height, _CHECKED))
    rays = _zoomed(lens, zoom).rays_through(np.stack([x, y], axis=-1))
    with np.errstate(all="ignore"):
        px = _lens_px(lens, distortion, rays)
        along_x, along_y = (
            distortion.bend(rays[..., :2] + step) - distortion.bend(rays[..., :2] - step) for step in _STEPS
        )
        turns = along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0]  # negative where it folds
    inside = (px >= -1e-6).all() and (px[..., 0] <= width + 1e-6).all() and (px[..., 1] <= height + 1e-6).all()
    return bool(inside and (turns > 0).all())
