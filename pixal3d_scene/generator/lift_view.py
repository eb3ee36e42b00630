"""What the photo says about one object: a region of the photo in, maps for questions about points out.

Every pixel of the region is one of three kinds: it shows the object, it sees past it (free), or something nearer
(or the picture's border) hides what would be there. Frames: `photo` pixels, `cam` metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from ..camera import Camera
from ..crop import CropVolume

FREE, OBJECT, HIDDEN = 0, 1, 2

# Depths that differ by more than this share of the distance belong to different surfaces: the height of a seat
# over the floor behind it seen from across a room, and above the error of good monocular depth at one place.
JUMP = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectView:
    """The pixels of the photo around one object, rows `origin_px[1]`.. and columns `origin_px[0]`..

    kind: FREE, OBJECT or HIDDEN. inverse_z: 1 / m of what the pixel shows; of the object itself also where an
    occluder only interrupts it. slope_x, slope_y: change of inverse_z per px on the same surface (a plane has an
    affine inverse depth, so this is exact for planes). facing: distance from the surface over the distance along z, 1
    where it is seen head-on and near 0 where it is grazed. edge_px: distance to the object's silhouette, positive
    inside; an occluder's edge is no silhouette. width_m: how wide the part of the object is that the pixel shows.
    """

    camera: Camera
    origin_px: tuple[int, int]
    kind: UInt8[np.ndarray, "h w"]
    inverse_z: Float32[np.ndarray, "h w"]
    slope_x: Float32[np.ndarray, "h w"]
    slope_y: Float32[np.ndarray, "h w"]
    facing: Float32[np.ndarray, "h w"]
    edge_px: Float32[np.ndarray, "h w"]
    width_m: Float32[np.ndarray, "h w"]


def look_at_object(
    volume: CropVolume, solid: Bool[np.ndarray, "H W"], region_px: tuple[int, int, int, int]
) -> ObjectView:
    """Classify the pixels of the region (left, top, right, bottom).

    solid: the mask's pixels whose depth can be believed.
    """
    left, top, right, bottom = region_px
    window = (slice(top, bottom), slice(left, right))
    depth = volume.depth
    mask, solid, valid = volume.mask[window], solid[window], depth.valid[window]
    z_m = np.where(valid, depth.z_m[window], np.float32(np.inf)).astype(np.float32)
    object_z_m = _spread(np.where(solid, z_m, 0), solid)  # of the nearest believed pixel of the object
    z_m = np.where(mask & ~solid, object_z_m, z_m)
    nearer = ~mask & valid & (z_m < object_z_m * (1 - JUMP))
    other = nearer | (~mask & valid & (volume.label_map[window] != 0))
    kind = np.select([mask, other], [OBJECT, HIDDEN], FREE).astype(np.uint8)
    inverse_z = np.where(np.isfinite(z_m), 1 / z_m, 0).astype(np.float32)
    kind, inverse_z = _bridge_occluders(kind, inverse_z)
    kind = np.where((kind == HIDDEN) & ~nearer, FREE, kind).astype(np.uint8)
    slope_x, slope_y = _slopes(inverse_z)
    part_edge_px = _inner_distance(_parts(kind, inverse_z))
    width_px = _local_width(part_edge_px)
    return ObjectView(
        camera=depth.camera,
        origin_px=(left, top),
        kind=kind,
        inverse_z=inverse_z,
        slope_x=slope_x,
        slope_y=slope_y,
        facing=_facing(depth.camera, (left, top), inverse_z, slope_x, slope_y),
        edge_px=_signed_edge(kind),
        width_m=(width_px / np.maximum(inverse_z, 1e-6) / np.float32(depth.camera.K[0, 0])).astype(np.float32),
    )


def _spread(values: Float[np.ndarray, "h w"], where: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Every pixel takes the value of the nearest pixel of `where`."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(~where, return_distances=False, return_indices=True)
    return values[rows, columns]


def _bridge_occluders(
    kind: UInt8[np.ndarray, "h w"], inverse_z: Float32[np.ndarray, "h w"]
) -> tuple[UInt8[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Where an occluder has the object on both sides in a row or column, the object goes on behind it."""
    across = _bridge_rows(kind, inverse_z)
    along = tuple(a.T for a in _bridge_rows(kind.T, inverse_z.T))
    take_across = across[0] <= along[0]
    gap, bridge = np.where(take_across, across[0], along[0]), np.where(take_across, across[1], along[1])
    # Only what lies behind the occluder can be hidden by it; where the occluder stands on it they meet.
    bridged = np.isfinite(gap) & (bridge < inverse_z * (1 + JUMP / 3))
    return np.where(bridged, OBJECT, kind).astype(np.uint8), np.where(bridged, bridge, inverse_z).astype(np.float32)


def _bridge_rows(
    kind: UInt8[np.ndarray, "h w"], inverse_z: Float32[np.ndarray, "h w"]
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Per pixel the length of the bridge over it (inf: none) and the inverse depth on it."""
    h, w = kind.shape
    columns = np.broadcast_to(np.arange(w), (h, w))
    rows = np.arange(h)[:, None]
    known = kind != HIDDEN
    left = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, columns, w)[:, ::-1], axis=1)[:, ::-1]
    inside = (left >= 0) & (right < w) & ~known
    left, right = np.maximum(left, 0), np.minimum(right, w - 1)
    inside &= (kind[rows, left] == OBJECT) & (kind[rows, right] == OBJECT)
    span = np.maximum(right - left, 1).astype(np.float32)
    share = (columns - left) / span
    bridge = inverse_z[rows, left] * (1 - share) + inverse_z[rows, right] * share
    return np.where(inside, span, np.inf).astype(np.float32), bridge.astype(np.float32)


def _slopes(
    inverse_z: Float32[np.ndarray, "h w"],
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Slopes along x and y from the smaller one-sided difference: across an edge the surface is not continued."""
    return _slope_rows(inverse_z), np.ascontiguousarray(_slope_rows(inverse_z.T).T)


def _slope_rows(inverse_z: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    step = np.diff(inverse_z, axis=1)
    before = np.pad(step, ((0, 0), (1, 0)), constant_values=np.inf)
    after = np.pad(step, ((0, 0), (0, 1)), constant_values=np.inf)
    slope = np.where(np.abs(before) < np.abs(after), before, after)
    same_surface = np.abs(slope) < JUMP * inverse_z
    return np.where(same_surface, slope, 0).astype(np.float32)


def _facing(
    camera: Camera,
    origin_px: tuple[int, int],
    inverse_z: Float32[np.ndarray, "h w"],
    slope_x: Float32[np.ndarray, "h w"],
    slope_y: Float32[np.ndarray, "h w"],
) -> Float32[np.ndarray, "h w"]:
    """Of the surface's plane n X = 1, whose inverse depth is n (x / f, y / f, 1)."""
    h, w = inverse_z.shape
    K = camera.K
    x = (np.arange(w) + origin_px[0] + 0.5 - K[0, 2])[None, :]
    y = (np.arange(h) + origin_px[1] + 0.5 - K[1, 2])[:, None]
    normal = np.stack([slope_x * K[0, 0], slope_y * K[1, 1], inverse_z - slope_x * x - slope_y * y])
    return (inverse_z / np.maximum(np.linalg.norm(normal, axis=0), 1e-12)).astype(np.float32)


def _parts(kind: UInt8[np.ndarray, "h w"], inverse_z: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The object's pixels without those beside a step in depth, which divides it into parts."""
    on_step = np.zeros(kind.shape, dtype=bool)
    for axis in (0, 1):
        jump = np.abs(np.diff(inverse_z, axis=axis)) > JUMP * _pairwise_max(inverse_z, axis)
        first = [slice(None), slice(None)]
        first[axis] = slice(0, -1)
        on_step[tuple(first)] |= jump
    return (kind == OBJECT) & ~_without_specks(on_step & (kind == OBJECT), int((kind == OBJECT).sum()))


# Steps that cover less than this share of the object are slits, buttons and noise, not borders of parts.
_SPECK = 0.002


def _without_specks(steps: Bool[np.ndarray, "h w"], object_px: int) -> Bool[np.ndarray, "h w"]:
    from scipy.ndimage import label

    labels, _ = label(steps, structure=np.ones((3, 3)))
    large = np.bincount(labels.ravel()) >= _SPECK * object_px
    large[0] = False
    return large[labels]


def _pairwise_max(values: Float32[np.ndarray, "h w"], axis: int) -> Float32[np.ndarray, "_ _"]:
    first, second = np.delete(values, -1, axis=axis), np.delete(values, 0, axis=axis)
    return np.maximum(first, second)


def _inner_distance(inside: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Distance of each pixel's centre to the border of `inside`, in px; 0 outside."""
    from scipy.ndimage import distance_transform_edt

    # Pad: what the region's frame cuts off is not an edge of the object.
    distance = distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1]
    return np.maximum(distance - 0.5, 0)


def _signed_edge(kind: UInt8[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    return (_inner_distance(kind != FREE) - _inner_distance(kind != OBJECT)).astype(np.float32)


# Regions with a longer side than this are measured on every second, third ... pixel: far finer than the voxels that
# ask for widths, and the time grows with the cube of the side.
_WIDTH_SIDE_PX = 1600


def _local_width(inner_px: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Diameter of the largest disc inside the shape that covers each pixel (local thickness, Hildebrand 1997).

    A geometric series of radii: the answer is right within a quarter, which is enough for a prior.
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    whole = np.zeros(inner_px.shape)
    if not (inner_px > 0).any():
        return whole
    # All discs lie in the shape or reach the pixel beside it.
    rows, columns = find_objects((inner_px > 0).astype(np.int8))[0]
    window = (slice(max(rows.start - 2, 0), rows.stop + 2), slice(max(columns.start - 2, 0), columns.stop + 2))
    step = -(-max(inner_px[window].shape) // _WIDTH_SIDE_PX)
    coarse_px = inner_px[window][::step, ::step]
    width = np.zeros(coarse_px.shape)
    radius = float(coarse_px.max())
    while radius > 0.5 * step:
        centres = coarse_px >= radius
        covered = step * distance_transform_edt(~centres) <= radius + 0.5 * step
        width = np.where(covered & (width == 0), 2 * radius, width)
        radius *= 0.75
    width = np.where((width == 0) & (coarse_px > 0), float(step), width)
    h, w = whole[window].shape
    whole[window] = width.repeat(step, axis=0)[:h].repeat(step, axis=1)[:, :w]
    return whole


def flat_index(
    view: ObjectView, points_px: Float[np.ndarray, "n 2"]
) -> tuple[Int[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Index into the flattened maps and whether the point is inside the region; 0 where it is not."""
    h, w = view.kind.shape
    column = np.floor(points_px[:, 0]).astype(np.int64) - view.origin_px[0]
    row = np.floor(points_px[:, 1]).astype(np.int64) - view.origin_px[1]
    inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
    return np.where(inside, row * w + column, 0), inside


def conflict_share(view: ObjectView, points_world: Float[np.ndarray, "n 3"], *, slack_m: float) -> float:
    """Share of points where the object cannot be: the photo looks past them, or they lie inside what stands around.

    Points that something else hides, or that are out of the picture, say nothing; where they are the most, nothing
    is proven and the share is 1. slack_m: how far off a point must be.
    """
    points_cam = view.camera.cam_from_world(points_world)
    z_m = np.maximum(points_cam[:, 2], 1e-3)
    index, inside = flat_index(view, (points_cam / z_m[:, None]) @ view.camera.K.T[:, :2])
    slack = slack_m / z_m
    kind, surface = view.kind.ravel()[index], view.inverse_z.ravel()[index]
    in_front = 1 / z_m > surface * (1 + slack)
    behind_wall = (kind == FREE) & (1 / z_m < surface * (1 - slack))
    judged = inside & ((kind != HIDDEN) | in_front)
    if 2 * judged.sum() < len(judged):
        return 1.0
    return float(np.mean((in_front | behind_wall)[judged]))
