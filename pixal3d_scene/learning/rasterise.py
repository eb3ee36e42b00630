"""What cameras see of triangles: a z-buffer in plain torch, for many scenes at once, on CPU and CUDA alike.

Triangles in `cam` (x right, y down, z forward, m) and intrinsics in pixels enter; for every pixel centre (+0.5) the
visible triangle, its depth and its barycentrics leave. Both sides of a triangle are seen. Triangles that reach behind
the camera need no clipping: edge functions are taken in homogeneous coordinates (Olano and Greer, "Triangle Scan
Conversion using 2D Homogeneous Coordinates", Graphics Hardware 1997).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float, Float32, Float64, Int64

_EMPTY = torch.iinfo(torch.int64).max
_FRAGMENTS = 1 << 21  # that are worked on at a time: bounds the memory
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


def _fragments(setup: _Setup, size_px: tuple[int, int]):  # type: ignore[no-untyped-def]
    """Chunks of (triangle, pixel, 1 / z) of the pixel centres that triangles cover."""
    width, height = size_px
    counts = setup.box[:, 2] * setup.box[:, 3]
    ends = counts.cumsum(0)
    chunk_of = (ends - 1) // _FRAGMENTS
    edges = torch.searchsorted(chunk_of, torch.arange(int(chunk_of[-1]) + 2, device=ends.device)).tolist() if len(ends) else [0]
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        if last > first:
            yield from _chunk(setup, first, last, counts, (width, height))


def _chunk(setup: _Setup, first: int, last: int, counts: Int64[Tensor, "T"], size_px: tuple[int, int]):  # type: ignore[no-untyped-def]
    width, height = size_px
    number = counts[first:last]
    total = int(number.sum())
    which = torch.repeat_interleave(number, output_size=total)  # (P,) from `first`
    start = number.cumsum(0) - number
    local = (torch.arange(total, device=number.device) - start[which]).to(torch.int32)
    columns = setup.box[first:last, 2].to(torch.int32)[which]
    row = torch.div(local, columns, rounding_mode="floor")
    x, y = (local - row * columns).float(), row.float()
    p = setup.planes[first:last]
    weights = [p[:, k, 0][which] * x + p[:, k, 1][which] * y + p[:, k, 2][which] for k in range(3)]
    inverse_z = weights[0] + weights[1] + weights[2]
    inside = ((weights[0] >= 0) & (weights[1] >= 0) & (weights[2] >= 0) & (inverse_z > 0)).nonzero()[:, 0]
    triangle = which[inside]
    box = setup.box[first:last][triangle]
    pixel = (setup.scene[first:last][triangle] * height + box[:, 1] + row[inside]) * width + box[:, 0]
    pixel = pixel + (local[inside] - row[inside] * columns[inside])
    yield triangle + first, pixel, inverse_z[inside]


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
