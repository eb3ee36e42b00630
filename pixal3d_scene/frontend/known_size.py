"""Known heights of objects set the scale: depth with masks and "chair_01 is 0.9 m high" in, the same depth scaled out.

Depth and camera pose are scaled together, so that gravity and the floor stay as they are. World, m.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from ..depth import Depth
from ..errors import InputError
from ..instances import Instances
from .depth_edges import noise_share
from .protocols import KnownSize
from .stand import scaled
from .standing import find_foot

_WRITTEN = re.compile(r"\s*([^=]+?)\s*=\s*([0-9]*\.?[0-9]+)\s*(m|cm|mm)?\s*")
_UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, None: 1.0}
_SMALLEST_M, _LARGEST_M = 0.005, 20.0
_TOLERANCE = 0.1  # relative, beyond which two known numbers do not agree
_FEWEST_PX = 40
_STANDS_SHARE = 0.15  # of its height: so near the floor an object's lowest point is the floor itself
_ENDS, _ENDS_IN_NOISE = 0.5, 1.0  # percentiles that count as the lowest and the highest point
_QUIET_SHARE, _MOST_WINDOW_PX = 0.003, 9


def parse_known_size(text: str) -> KnownSize:
    """ "chair_01=0.9m", also in cm or mm; a bare number is metres. Raises InputError."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise InputError(f"--known-size {text!r} is not NAME=HEIGHT; write for example chair_01=0.9m or lamp_03=45cm.")
    height_m = float(match[2]) * _UNITS_M[match[3]]
    if not _SMALLEST_M <= height_m <= _LARGEST_M:
        raise InputError(f"--known-size {text!r} is {height_m:g} m, no height of a thing in a room; check the unit.")
    return KnownSize(name=match[1], height_m=height_m)


def refuse_unusable_sizes(instances: Instances, sizes: Sequence[KnownSize]) -> None:
    """Raises InputError for what masks alone can tell, before any depth: a name that is not there, an object that the
    photo's edge cuts off above or below."""
    values = {item.name: item.mask_value for item in instances.items}
    unknown = sorted({s.name for s in sizes} - values.keys())
    if unknown:
        raise InputError(
            f"--known-size names {', '.join(unknown)}, but the objects are: {', '.join(values)}; take one of these."
        )
    for size in sizes:
        rows = np.flatnonzero(instances.mask(values[size.name]).any(axis=1))
        if rows[0] == 0 or rows[-1] == instances.label_map.shape[0] - 1:
            raise InputError(
                f"--known-size: the photo's edge cuts {size.name} off, so its height cannot be measured; choose an "
                "object that is seen whole, or give --camera-height."
            )


def at_known_sizes(
    depth: Depth, instances: Instances, sizes: Sequence[KnownSize], *, stated_camera_height_m: float | None = None
) -> Depth:
    """Depth and camera scaled so that the named objects have their known heights; unchanged without any.

    Of several sizes the median factor is taken. A known size wins over a stated camera height: it was measured on
    what is in the photo. Raises InputError as `refuse_unusable_sizes` does, and where depth shows no height.
    """
    if not sizes:
        return depth
    refuse_unusable_sizes(instances, sizes)
    values = {item.name: item.mask_value for item in instances.items}
    measured_m = [measure_height(depth, instances, values[s.name], name=s.name) for s in sizes]
    factors = [s.height_m / m for s, m in zip(sizes, measured_m, strict=True)]
    factor = math.exp(float(np.median(np.log(factors))))
    result = scaled(depth, factor)
    each = "; ".join(
        f"{s.name} is {s.height_m:g} m high and measures {m:.3g} m (factor {f:.3f})"
        for s, m, f in zip(sizes, measured_m, factors, strict=True)
    )
    notes = [f"Depth and camera are scaled by {factor:.3f}: {each}."]
    if max(factors) > (1 + _TOLERANCE) * min(factors):
        notes.append(
            f"The known sizes do not agree: they ask for factors from {min(factors):.3f} to {max(factors):.3f}; the "
            "median counts."
        )
    height_m = float(result.camera.centre_world[1])
    if stated_camera_height_m is not None and abs(math.log(height_m / stated_camera_height_m)) > math.log1p(_TOLERANCE):
        notes.append(
            f"The stated camera height ({stated_camera_height_m:g} m) does not agree with the known sizes, which put "
            f"the camera {height_m:.2f} m above the floor; the known sizes count."
        )
    hidden = [s.name for s in sizes if find_foot(instances.label_map, values[s.name]).hidden]
    if hidden:
        notes.append(f"{', '.join(hidden)} ends behind something else; its height is that of the visible part.")
    return replace(result, notes=(*result.notes, *notes))


def measure_height(depth: Depth, instances: Instances, mask_value: int, *, name: str) -> float:
    """Vertical extent of an object's visible points in world; from the floor where it stands on it.

    Raises InputError where it has hardly any depth. The photo's edge must not cut it off above or below.
    """
    mask = instances.mask(mask_value)
    usable = mask & depth.valid
    if usable.sum() < _FEWEST_PX:
        raise InputError(
            f"--known-size: {name} has only {int(usable.sum())} pixels with depth, too few to measure its height; "
            "choose a larger object."
        )
    y_m, quiet = _heights(depth, usable)
    ends = _ENDS if quiet else _ENDS_IN_NOISE
    low_m, high_m = (float(v) for v in np.percentile(y_m, [ends, 100 - ends]))
    if abs(low_m) < _STANDS_SHARE * (high_m - low_m):
        low_m = 0.0
    if not high_m > low_m:
        raise InputError(f"--known-size: {name} lies below the floor that was found; give --camera-height instead.")
    return high_m - low_m


def _heights(depth: Depth, usable: Bool[np.ndarray, "H W"]) -> tuple[Float[np.ndarray, "n"], bool]:
    """Heights above the floor, with the noise from pixel to pixel averaged out (1 / z is linear on planes), and
    whether there was hardly any."""
    from scipy.ndimage import uniform_filter

    rows, columns = np.nonzero(usable)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    inside, z_m = usable[box], np.where(usable[box], depth.z_m[box], 1.0).astype(np.float64)
    noise = noise_share(np.log(np.maximum(z_m, 1e-9)), inside)
    window_px = int(np.clip(2 * round(noise / _QUIET_SHARE / 2) + 1, 1, _MOST_WINDOW_PX))
    share = uniform_filter(inside.astype(np.float64), window_px)
    mean = uniform_filter(np.where(inside, 1 / z_m, 0.0), window_px) / np.maximum(share, 1e-9)
    z_m = 1 / np.where(inside, mean, 1.0)
    centres_px = depth.camera.pixel_centres()[box][inside]
    points_world = depth.camera.world_from_cam(depth.camera.unproject(centres_px, z_m[inside]))
    return points_world[:, 1], window_px == 1
