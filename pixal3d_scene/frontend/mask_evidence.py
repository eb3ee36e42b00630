"""What a depth map tells of the surfaces inside one mask: smoothed depth, height above the floor, place in plan view.

In: a `Depth` of any size and a mask at the working size. Out: a `Surface`, arrays of the mask's bounding box; heights
and plan places in `world`, metres. Every filter is odd and symmetric, so that a mirrored photo gives the mirrored
result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..arrays import freeze
from ..camera import Camera
from ..depth import Depth
from ..layout.noise import independent_share

Box = tuple[slice, slice]

# Depth noise from pixel to pixel is averaged until this share of the depth is left.
_QUIET_SHARE = 0.008
_LARGEST_WINDOW_PX = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """The visible surface of one mask, in the mask's bounding box.

    mask: the mask. seen: its pixels with depth. at_border: the picture's outermost
    pixels. z_m: smoothed inside the mask. y_m: height above the floor.
    plan_m: (x, z) in world. down: metres downwards per metre of depth along each pixel's ray.
    noise_share: standard deviation of z_m left after smoothing, as a share of it.
    """

    mask: Bool[np.ndarray, "h w"]
    seen: Bool[np.ndarray, "h w"]
    at_border: Bool[np.ndarray, "h w"]
    measured: Bool[np.ndarray, "h w"]
    z_m: Float[np.ndarray, "h w"]
    y_m: Float[np.ndarray, "h w"]
    plan_m: Float[np.ndarray, "h w 2"]
    down: Float[np.ndarray, "h w"]
    camera_plan_m: Float[np.ndarray, "2"]
    focal_px: float
    noise_share: float

    def __post_init__(self) -> None:
        freeze(self, "mask", "seen", "at_border", "measured", "z_m", "y_m", "plan_m", "down")


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthEvidence:
    """A depth map at the masks' working size, with its noise. rays_world: one metre of depth long."""

    z_m: Float[np.ndarray, "H W"]
    valid: Bool[np.ndarray, "H W"]
    camera: Camera
    rays_world: Float[np.ndarray, "H W 3"]
    noise_share: float
    window_px: int

    def surface(self, inside: Bool[np.ndarray, "h w"], box: Box) -> Surface:
        """The surface that a mask shows; inside: the mask in `box`, rows and columns of the picture."""
        seen = inside & self.valid[box]
        z_m = self.z_m[box].astype(np.float64)
        if self.window_px > 1:
            z_m = np.where(seen, 1 / edge_keeping_mean(1 / z_m, seen, self.window_px), z_m)
        rays_world = self.rays_world[box]
        points_world = rays_world * z_m[..., None] + self.camera.centre_world
        return Surface(
            mask=inside,
            seen=seen,
            at_border=self._at_border(box),
            measured=self.valid[box],
            z_m=z_m,
            y_m=points_world[..., 1],
            plan_m=points_world[..., [0, 2]],
            down=-rays_world[..., 1],
            camera_plan_m=self.camera.centre_world[[0, 2]],
            focal_px=float(self.camera.K[1, 1]),
            noise_share=self.noise_share / self.window_px,
        )

    def _at_border(self, box: Box) -> Bool[np.ndarray, "h w"]:
        rows, columns = (np.arange(b.start, b.stop) for b in box)
        height, width = self.z_m.shape
        return np.asarray(
            ((rows == 0) | (rows == height - 1))[:, None] | ((columns == 0) | (columns == width - 1))[None, :]
        )


def gather_evidence(depth: Depth, size_px: tuple[int, int]) -> DepthEvidence:
    """The depth at the masks' size: the nearest value, since a mean across an edge is no surface."""
    camera = depth.camera.resized(size_px)
    (height, width), (depth_height, depth_width) = camera.shape_hw, depth.z_m.shape
    rows = ((np.arange(height) + 0.5) * depth_height / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * depth_width / width).astype(np.int64)
    valid = depth.valid[np.ix_(rows, columns)]
    valid = valid & (np.where(valid, depth.z_m[np.ix_(rows, columns)], 0) > 0)
    noise_share = independent_share(depth)
    # Odd, so that the mean sits on its pixel.
    window_px = 1 + 2 * int(np.ceil((noise_share / _QUIET_SHARE - 1) / 2)) if noise_share > _QUIET_SHARE else 1
    return DepthEvidence(
        z_m=np.where(valid, depth.z_m[np.ix_(rows, columns)], 1.0),
        valid=valid,
        camera=camera,
        rays_world=camera.rays_cam() @ camera.T_world_from_cam.rotation.as_matrix().T,
        noise_share=noise_share,
        window_px=min(window_px, _LARGEST_WINDOW_PX),
    )


def edge_keeping_mean(
    values: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"], window_px: int
) -> Float[np.ndarray, "h w"]:
    """Mean over the calmest of the nine windows that hold a pixel (Kuwahara et al. 1976), of known pixels only.

    A window that holds a depth edge has a large variance, so that edges stay sharp where a plain mean blurs them.
    """
    from scipy.ndimage import uniform_filter

    reach = window_px // 2
    padded = [
        np.pad(a, reach) for a in (known.astype(np.float64), np.where(known, values, 0), np.where(known, values**2, 0))
    ]
    share, mean, square = (uniform_filter(a, window_px, mode="constant") for a in padded)
    enough = share > 0.5 / window_px
    mean = np.where(enough, mean / np.maximum(share, 1e-9), 0)
    # Few pixels make a variance small by chance.
    variance = np.where(enough, np.maximum(square / np.maximum(share, 1e-9) - mean**2, 0) + 1e-12, np.inf)
    variance = variance * (1 + 2 / np.maximum(share * window_px**2, 1))
    height, width = values.shape
    best, calmest = values.copy(), np.full(values.shape, np.inf)
    for down in (0, reach, -reach):
        for right in (0, reach, -reach):
            at = np.s_[reach + down : reach + down + height, reach + right : reach + right + width]
            # The centred window wins unless another one is clearly calmer.
            spread = variance[at] * (0.6 if down == right == 0 else 1.0)
            better = spread < calmest
            best[better], calmest[better] = mean[at][better], spread[better]
    return np.where(known, best, values)
