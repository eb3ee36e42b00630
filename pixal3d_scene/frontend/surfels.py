"""Small flat pieces of the visible surfaces: depth in, one plane per square block of the picture out, in cam, m.

A block of several hundred pixels tells its own place and slope in spite of noise from pixel to pixel. On a plane 1 / z
is linear in the picture, whatever the camera, so every block is a linear regression; blocks on an edge do not fit one
and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..depth import Depth

_BLOCKS_ACROSS = 32  # the longer side of the picture
_SMALLEST_BLOCK_PX = 5
_FILLED = 0.5  # of a block must be usable
_ROUNDS = 4
_FLAT_SHARE = 0.01  # residuals beyond the noise, as a share of the depth, that a flat block may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfels:
    """n flat pieces. points_cam: in the middle. normals_cam: unit, towards the camera. centres_px: in the photo.

    sigma: of a piece's distance by noise from pixel to pixel, as a share of it. noise: the same of one pixel.
    """

    points_cam: Float[np.ndarray, "n 3"]
    normals_cam: Float[np.ndarray, "n 3"]
    centres_px: Float[np.ndarray, "n 2"]
    sigma: Float[np.ndarray, "n"]
    noise: float

    def __len__(self) -> int:
        return len(self.points_cam)

    def where(self, chosen: Bool[np.ndarray, "n"]) -> Surfels:
        """Some of the pieces."""
        return Surfels(
            points_cam=self.points_cam[chosen], normals_cam=self.normals_cam[chosen],
            centres_px=self.centres_px[chosen], sigma=self.sigma[chosen], noise=self.noise,
        )  # fmt: skip


def find_surfels(depth: Depth, usable: Bool[np.ndarray, "H W"]) -> Surfels:
    """The flat blocks of the usable pixels."""
    camera = depth.camera
    size = max(_SMALLEST_BLOCK_PX, max(camera.size_px) // _BLOCKS_ACROSS)
    usable = usable & depth.valid & (depth.z_m > 0)
    inverse = _blocks(1 / np.where(usable, depth.z_m, 1.0).astype(np.float64), size)  # (b, size^2)
    weight = _blocks(usable, size).astype(np.float64)
    centres = _blocks(camera.pixel_centres()[..., 0], size), _blocks(camera.pixel_centres()[..., 1], size)
    middle = np.stack([c.mean(axis=1) for c in centres], axis=-1)  # (b, 2)
    filled = weight.mean(axis=1) >= _FILLED
    inverse, weight, middle = inverse[filled], weight[filled], middle[filled]
    design = np.stack([np.ones_like(inverse), *(c[filled] - c[filled].mean(axis=1, keepdims=True) for c in centres)])
    line, residual = _regression(design, inverse, weight)
    scale = _spread(residual, weight)  # (b,) of 1 / z
    share = scale / np.maximum(line[:, 0], 1e-9)
    noise = float(np.median(share)) if len(share) else 0.0
    slopes = line[:, 1:]  # of 1 / z per px
    # 1 / z = a + b x + c y in the picture is the plane (b, c, a - b cx - c cy) K . p = 1.
    plane = np.stack([*slopes.T, line[:, 0] - (slopes * middle).sum(axis=1)], axis=-1) @ camera.K  # (b, 3)
    length = np.linalg.norm(plane, axis=1)
    flat = (line[:, 0] > 0) & (length > 0) & (share < 2 * noise + _FLAT_SHARE)
    z_m = 1 / np.where(flat, line[:, 0], 1.0)
    count = np.maximum(weight.sum(axis=1), 1)
    return Surfels(
        points_cam=camera.unproject(middle, z_m)[flat],
        normals_cam=-plane[flat] / length[flat][:, None],
        centres_px=middle[flat],
        sigma=(1.25 * share / np.sqrt(count))[flat],
        noise=noise,
    )


def _blocks(values: np.ndarray, size: int) -> np.ndarray:
    """(blocks, size * size); what does not fill a block at the right and lower border is left out."""
    rows, columns = values.shape[0] // size, values.shape[1] // size
    cut = values[: rows * size, : columns * size].reshape(rows, size, columns, size)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3)).reshape(rows * columns, size * size)


def _regression(
    design: Float[np.ndarray, "3 b k"], values: Float[np.ndarray, "b k"], weight: Float[np.ndarray, "b k"]
) -> tuple[Float[np.ndarray, "b 3"], Float[np.ndarray, "b k"]]:
    """Weighted least squares per block, repeated with less weight for what is far off (Huber); line and residuals."""
    robust = weight
    line, residual = np.zeros((len(values), 3)), values
    for _ in range(_ROUNDS):
        normal = np.einsum("ibk,jbk,bk->bij", design, design, robust)
        right = np.einsum("ibk,bk,bk->bi", design, robust, values)
        normal += 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-30 * np.eye(3)
        line = np.linalg.solve(normal, right[..., None])[..., 0]
        residual = values - np.einsum("bi,ibk->bk", line, design)
        limit = 1.5 * _spread(residual, weight)[:, None] + 1e-12
        robust = weight * np.minimum(1.0, limit / np.maximum(np.abs(residual), 1e-30))
    return line, residual


def _spread(residual: Float[np.ndarray, "b k"], weight: Float[np.ndarray, "b k"]) -> Float[np.ndarray, "b"]:
    """Standard deviation by the median of what counts."""
    counted = np.where(weight > 0, np.abs(residual), np.nan)
    if not len(counted):
        return np.zeros(0)
    return np.asarray(1.4826 * np.nanmedian(counted, axis=1))
