"""What cameras see of triangles: a z-buffer in plain torch, for many scenes at once, on CPU and CUDA alike.

Triangles in `cam` (x right, y down, z forward, m) and intrinsics in pixels enter; for every pixel centre (+0.5) the
visible triangle, its depth and its barycentrics leave. Both sides of a triangle are seen. Triangles that reach behind
the camera need no clipping: edge functions are taken in homogeneous coordinates (Olano and Greer, "Triangle Scan
Conversion using 2D Homogeneous Coordinates", Graphics Hardware 1997).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float, Float32, Float64, Int64

_EMPTY = torch.iinfo(torch.int64).max
_FRAGMENTS = 1 << 21  # that are worked on at a time: bounds the memory
_SMALL, _TILE = 4, 8  # pixels: boxes up to _SMALL squared are tested whole, larger ones in tiles
_LARGE_AT_A_TIME = 1 << 14
_EDGE_ON = 1e-14  # m3; triangles that the camera sees from the side cover nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """What B pictures show. face: index into the triangles, -1 where there is none; the others are 0 there.

    barycentric: weights of the triangle's three corners, in space (not in the picture).
    """

    face: Int64[Tensor, "B H W"]
    z_m: Float32[Tensor, "B H W"]
    barycentric: Float32[Tensor, "B H W 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setup:
    """Of T triangles that may cover a pixel.

    planes: rows a, b, c of a x + b y + c, at pixel centre (x0 + x + 0.5, y0 + y + 0.5): the three edge functions over
    the determinant. A point is inside where none is negative, and their sum is 1 / z.
    box: first column, first row, columns, rows.
    """

    face: Int64[Tensor, "T"]
    scene: Int64[Tensor, "T"]
    planes: Float32[Tensor, "T 3 3"]
    box: Int64[Tensor, "T 4"]


def rasterise(
    corners_cam: Float[Tensor, "F 3 3"],
    scene: Int64[Tensor, "F"],
    K: Float[Tensor, "B 3 3"],
    size_px: tuple[int, int],
    *,
    near_m: float = 0.02,
) -> Visible:
    """The nearest triangle of every pixel; `scene`: the picture that a triangle belongs to."""
    setup = _set_up(corners_cam, scene, K, size_px, near_m)
    width, height = size_px
    nearest = torch.full((len(K) * height * width,), _EMPTY, dtype=torch.int64, device=K.device)
    for triangle, pixel, inverse_z in _fragments(setup, size_px):
        bits = inverse_z.view(torch.int32).to(torch.int64)  # positive floats sort as their bits do
        key = ((_HIGHEST - bits) << 32) | triangle
        nearest.scatter_reduce_(0, pixel, key, "amin")
    found = nearest != _EMPTY
    triangle = torch.where(found, nearest & 0xFFFFFFFF, 0)
    face = torch.where(found, setup.face[triangle] if len(setup.face) else triangle, -1)
    face = face.view(len(K), height, width)
    z_m, barycentric = _exact(corners_cam, face, K, size_px)
    return Visible(face=face, z_m=z_m, barycentric=barycentric)


def covered(
    corners_cam: Float[Tensor, "F 3 3"],
    scene: Int64[Tensor, "F"],
    group: Int64[Tensor, "F"],
    K: Float[Tensor, "B 3 3"],
    size_px: tuple[int, int],
    groups: int,
    *,
    near_m: float = 0.02,
) -> Bool[Tensor, "B G H W"]:
    """The pixels that each group of triangles would cover if nothing stood before it; groups below 0 are left out."""
    kept = group >= 0
    corners_cam, scene, group = corners_cam[kept], scene[kept], group[kept]
    setup = _set_up(corners_cam, scene, K, size_px, near_m)
    width, height = size_px
    area = width * height
    result = torch.zeros(len(K) * groups * area, dtype=torch.bool, device=K.device)
    for triangle, pixel, _ in _fragments(setup, size_px):
        of = setup.scene[triangle] * groups + group[setup.face[triangle]]
        result[of * area + pixel % area] = True
    return result.view(len(K), groups, height, width)


_HIGHEST = 0x7F800000  # bits of infinity


def _set_up(
    corners_cam: Float[Tensor, "F 3 3"],
    scene: Int64[Tensor, "F"],
    K: Float[Tensor, "B 3 3"],
    size_px: tuple[int, int],
    near_m: float,
) -> _Setup:
    """Edge functions and pixel boxes, in double precision, of the triangles that are in the picture."""
    box = _pixel_boxes(corners_cam, K[scene], size_px, near_m)
    seen = ((box[:, 2] > 0) & (box[:, 3] > 0)).nonzero()[:, 0]
    box, scene = box[seen], scene[seen]
    functions, determinant = _edge_functions(corners_cam[seen].double())
    planes = functions / determinant[:, None, None] @ torch.linalg.inv(K.double())[scene]  # (T, 3, 3)
    origin = torch.cat([box[:, :2].double() + 0.5, torch.ones_like(box[:, :1], dtype=torch.float64)], dim=1)
    constant = torch.einsum("tij,tj->ti", planes, origin)
    planes = torch.cat([planes[:, :, :2], constant[:, :, None]], dim=2)
    solid = determinant.abs() > _EDGE_ON
    return _Setup(face=seen[solid], scene=scene[solid], planes=planes[solid].float(), box=box[solid])


def _edge_functions(corners: Float64[Tensor, "T 3 3"]) -> tuple[Float64[Tensor, "T 3 3"], Float64[Tensor, "T"]]:
    """Row i dotted with a ray (x, y, 1) is the weight of corner i times `determinant` / z."""
    a, b, c = corners.unbind(dim=1)
    functions = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=1)
    return functions, (a * functions[:, 0]).sum(dim=1)


def _pixel_boxes(
    corners: Float[Tensor, "F 3 3"], K: Float[Tensor, "F 3 3"], size_px: tuple[int, int], near_m: float
) -> Int64[Tensor, "F 4"]:
    """Columns and rows whose pixel centres a triangle's part before the near plane may cover."""
    after = corners[:, [1, 2, 0]]
    rise = after[..., 2] - corners[..., 2]
    share = (near_m - corners[..., 2]) / torch.where(rise == 0, 1.0, rise)
    crossing = corners + share[..., None] * (after - corners)  # where the edges meet the near plane
    points = torch.cat([corners, crossing], dim=1)  # (F, 6, 3)
    cut = (corners[..., 2] < near_m) != (after[..., 2] < near_m)
    real = torch.cat([corners[..., 2] >= near_m, cut], dim=1)  # (F, 6)
    z = points[..., 2].clamp_min(near_m)
    bounds = []
    for axis, length in enumerate(size_px):
        at = K[:, axis, axis, None] * points[..., axis] / z + K[:, axis, 2, None]
        low = torch.where(real, at, float("inf")).amin(dim=1)
        high = torch.where(real, at, -float("inf")).amax(dim=1)
        margin = 1e-3
        first = (low - 0.5 - margin).ceil().clamp(0, length)
        last = (high - 0.5 + margin).floor().clamp(-1, length - 1)
        bounds.append((first.long(), (last - first + 1).clamp_min(0).long()))
    (x, columns), (y, rows) = bounds
    return torch.stack([x, y, columns, rows], dim=1)


def _fragments(
    setup: _Setup, size_px: tuple[int, int]
) -> Iterator[tuple[Int64[Tensor, "P"], Int64[Tensor, "P"], Float32[Tensor, "P"]]]:
    """Chunks of (triangle, pixel, 1 / z) of the pixel centres that triangles cover."""
    small = (setup.box[:, 2:] <= _SMALL).all(dim=1)
    index = torch.arange(len(small), device=small.device)
    yield from _dense(setup.planes, setup.box, index, small.nonzero()[:, 0], setup.scene, size_px, _SMALL)
    large = (~small).nonzero()[:, 0]
    for start in range(0, len(large), _LARGE_AT_A_TIME):
        triangle, box, planes = _tiles(setup, large[start : start + _LARGE_AT_A_TIME])
        yield from _dense(planes, box, triangle, torch.arange(len(box), device=box.device), setup.scene, size_px, _TILE)


def _tiles(
    setup: _Setup, large: Int64[Tensor, "L"]
) -> tuple[Int64[Tensor, "N"], Int64[Tensor, "N 4"], Float32[Tensor, "N 3 3"]]:
    """(triangle, box, planes) of the square tiles of large triangles' boxes that they may cover."""
    box = setup.box[large]
    across, down = ((box[:, k] + _TILE - 1) // _TILE for k in (2, 3))
    count = across * down
    of = torch.repeat_interleave(count)  # (N,) into `large`
    local = torch.arange(len(of), device=of.device) - (count.cumsum(0) - count)[of]
    row = local // across[of]
    offset = torch.stack([local - row * across[of], row], dim=1) * _TILE  # (N, 2)
    extent = (box[of, 2:] - offset).clamp_max(_TILE)
    planes = setup.planes[large][of]
    constant = planes[:, :, 2] + (planes[:, :, :2] * offset[:, None, :]).sum(dim=2)
    # The largest value of an edge function in a tile is at one of its corners.
    reach = (planes[:, :, :2].clamp_min(0) * (extent[:, None, :] - 1)).sum(dim=2)
    kept = (constant + reach >= 0).all(dim=1).nonzero()[:, 0]
    planes = torch.cat([planes[kept, :, :2], constant[kept, :, None]], dim=2)
    tile = torch.cat([box[of[kept], :2] + offset[kept], extent[kept]], dim=1)
    return large[of[kept]], tile, planes


def _dense(
    planes: Float32[Tensor, "N 3 3"],
    box: Int64[Tensor, "N 4"],
    triangle: Int64[Tensor, "N"],
    chosen: Int64[Tensor, "n"],
    scene: Int64[Tensor, "T"],
    size_px: tuple[int, int],
    side: int,
) -> Iterator[tuple[Int64[Tensor, "P"], Int64[Tensor, "P"], Float32[Tensor, "P"]]]:
    """Every pixel of boxes of at most side x side pixels, tested without gathering."""
    width, height = size_px
    step = torch.arange(side, device=planes.device)
    y, x = step[:, None].expand(side, side).reshape(-1), step[None].expand(side, side).reshape(-1)
    for part in chosen.split(max(_FRAGMENTS // (side * side), 1)):
        p, b = planes[part], box[part]
        weights = [torch.addcmul(p[:, k, 2:3] + p[:, k, 0:1] * x, p[:, k, 1:2], y.float()) for k in range(3)]
        inverse_z = weights[0] + weights[1] + weights[2]  # (n, side * side)
        least = torch.minimum(torch.minimum(weights[0], weights[1]), weights[2])
        inside = (least >= 0) & (inverse_z > 0) & (x < b[:, 2:3]) & (y < b[:, 3:4])
        row, cell = inside.nonzero(as_tuple=True)
        of = triangle[part[row]]
        pixel = (scene[of] * height + b[row, 1] + y[cell]) * width + b[row, 0] + x[cell]
        yield of, pixel, inverse_z[row, cell]


def _exact(
    corners_cam: Float[Tensor, "F 3 3"],
    face: Int64[Tensor, "B H W"],
    K: Float[Tensor, "B 3 3"],
    size_px: tuple[int, int],
) -> tuple[Float32[Tensor, "B H W"], Float32[Tensor, "B H W 3"]]:
    """Depth and barycentrics of the visible triangles, in double precision."""
    width, height = size_px
    z_m = torch.zeros(face.shape, dtype=torch.float32, device=face.device)
    barycentric = torch.zeros((*face.shape, 3), dtype=torch.float32, device=face.device)
    scene, row, column = (face >= 0).nonzero(as_tuple=True)
    used, index = torch.unique(face[scene, row, column], return_inverse=True)
    functions, determinant = _edge_functions(corners_cam[used].double())
    pixels = torch.stack([column + 0.5, row + 0.5, torch.ones_like(column)], dim=1).double()
    inverse = torch.linalg.inv(K.double())
    rays = torch.einsum("pij,pj->pi", inverse[scene], pixels)
    weights = torch.einsum("pij,pj->pi", functions[index], rays)
    total = weights.sum(dim=1)
    z_m[scene, row, column] = (determinant[index] / total).float()
    barycentric[scene, row, column] = (weights / total[:, None]).float()
    return z_m, barycentric
