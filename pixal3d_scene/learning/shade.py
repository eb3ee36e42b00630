"""The light of sampled rooms in torch: what is seen in, linear radiance out. Not physics: diverse, and like rooms.

Points and directions in `world`, metres. Light from everywhere, dimmed in corners (from the depth picture), and up to
four lamps a room, of which those that cast shadows have a shadow map made by the same rasteriser.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .rasterise import rasterise
from .sampled_room import SampledLight, SampledRoom
from .scene_tensors import SceneTriangles

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float, Float32

_SHADOW_PX = 160
_SHADOW_HALF_TAN = 2.2  # of the shadow map's half field of view
_SHADOW_NEAR_M = 0.3  # what is nearer to a lamp (its own shade) casts no shadow
_BIAS_M = 0.025
_TAPS = tuple((x, y) for x in (-1, 0, 1) for y in (-1, 0, 1))
_AO_REACH_M, _AO_TAPS = 0.35, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Every pixel's visible surface; unspecified where not `found`. eye_world: per room."""

    found: Tensor
    points_world: Float32[Tensor, "B H W 3"]
    normals_world: Float32[Tensor, "B H W 3"]
    albedo: Float32[Tensor, "B H W 3"]
    gloss: Float32[Tensor, "B H W"]
    glow: Float32[Tensor, "B H W"]
    z_m: Float32[Tensor, "B H W"]
    focal_px: Float32[Tensor, "B"]
    eye_world: Float32[Tensor, "B 3"]


def radiance(seen: Seen, triangles: SceneTriangles, rooms: Sequence[SampledRoom]) -> Float32[Tensor, "B H W 3"]:
    """Linear light towards the camera, in arbitrary units."""
    device = seen.points_world.device
    ambient = torch.tensor([r.ambient for r in rooms], device=device, dtype=torch.float32)
    corner = dimmed_corners(seen)
    up = 0.72 + 0.28 * seen.normals_world[..., 1]
    light = ambient[:, None, None] * (up * corner)[..., None]
    shine = torch.zeros_like(light)
    to_eye = _unit(seen.eye_world[:, None, None] - seen.points_world)
    for lamp in _lamps(rooms, device):
        direction = lamp.place[:, None, None] - seen.points_world
        distance = direction.norm(dim=-1).clamp_min(1e-3)
        direction = direction / distance[..., None]
        facing = (direction * seen.normals_world).sum(-1)
        lit = facing.clamp_min(0) * 0.92 + 0.08 * (facing > -0.3)
        aimed = -(direction * lamp.aim[:, None, None]).sum(-1)
        reach = (0.35 + 0.65 * aimed.clamp_min(0)) / (distance.square() + 0.35)
        free = shadows(seen, triangles, lamp) * (0.45 + 0.55 * corner)
        power = lamp.colour[:, None, None] * (reach * free)[..., None]
        light = light + power * lit[..., None]
        half = _unit(direction + to_eye)
        mirror = (half * seen.normals_world).sum(-1).clamp_min(0) ** 40
        shine = shine + power * (mirror * seen.gloss * 6)[..., None]
    fresnel = 0.3 + 0.7 * (1 - (to_eye * seen.normals_world).sum(-1).abs()) ** 3
    shine = shine + ambient[:, None, None] * (seen.gloss * fresnel)[..., None]
    result = seen.albedo * light + shine + seen.albedo * seen.glow[..., None]
    return torch.where(seen.found[..., None], result, torch.zeros_like(result))


def dimmed_corners(seen: Seen) -> Float32[Tensor, "B H W"]:
    """1 in the open, less where near surfaces stand around a point: ambient occlusion from the depth picture."""
    batch, height, width = seen.z_m.shape
    rng = np.random.default_rng(5)
    angle = rng.permutation(_AO_TAPS) / _AO_TAPS * 2 * np.pi
    share = (np.arange(_AO_TAPS) + 0.5) / _AO_TAPS
    reach = (_AO_REACH_M * seen.focal_px[:, None, None] / seen.z_m.clamp_min(0.1)).clamp(1.5, 0.2 * width)
    y = torch.arange(height, device=reach.device)[:, None]
    x = torch.arange(width, device=reach.device)[None]
    flat = seen.points_world.reshape(batch, height * width, 3)
    blocked = torch.zeros_like(seen.z_m)
    for a, s in zip(angle, share, strict=True):
        column = (x + reach * float(np.cos(a) * s)).round().long().clamp(0, width - 1)
        row = (y + reach * float(np.sin(a) * s)).round().long().clamp(0, height - 1)
        index = (row * width + column).reshape(batch, -1)
        other = torch.gather(flat, 1, index[..., None].expand(-1, -1, 3)).reshape(seen.points_world.shape)
        apart = other - seen.points_world
        length = apart.norm(dim=-1).clamp_min(1e-4)
        rise = (apart * seen.normals_world).sum(-1) / length
        blocked += (rise - 0.12).clamp_min(0) * (length < 2 * _AO_REACH_M)
    return (1 - 1.9 * blocked / _AO_TAPS).clamp(0.2, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """The k-th lamp of every room; rooms with fewer have a dark one. aim: unit vector."""

    place: Float32[Tensor, "B 3"]
    aim: Float32[Tensor, "B 3"]
    colour: Float32[Tensor, "B 3"]
    radius_m: Float32[Tensor, "B"]
    shadow: tuple[bool, ...]


def _lamps(rooms: Sequence[SampledRoom], device: torch.device) -> list[Lamp]:
    most = max((len(r.lights) for r in rooms), default=0)
    return [_lamp([r.lights[k] if k < len(r.lights) else None for r in rooms], device) for k in range(most)]


def _lamp(lights: Sequence[SampledLight | None], device: torch.device) -> Lamp:
    dark = SampledLight(
        place_world=(0.0, 1.0, 0.0), aim_world=(0.0, 0.0, 0.0), colour=(0.0, 0.0, 0.0), radius_m=0.1, casts_shadow=False
    )
    full = [light or dark for light in lights]
    place = torch.tensor([p.place_world for p in full], dtype=torch.float32, device=device)
    aim = torch.tensor([p.aim_world for p in full], dtype=torch.float32, device=device) - place
    return Lamp(
        place=place,
        aim=_unit(aim),
        colour=torch.tensor([p.colour for p in full], dtype=torch.float32, device=device),
        radius_m=torch.tensor([p.radius_m for p in full], dtype=torch.float32, device=device),
        shadow=tuple(p.casts_shadow for p in full),
    )


def shadows(seen: Seen, triangles: SceneTriangles, lamp: Lamp) -> Float32[Tensor, "B H W"]:
    """1 where the lamp reaches a point, 0 in full shadow, between at soft edges; 1 outside the shadow map."""
    free = torch.ones_like(seen.z_m)
    with_shadow = [k for k, casts in enumerate(lamp.shadow) if casts]
    if not with_shadow:
        return free
    chosen = torch.tensor(with_shadow, device=free.device)
    turn = _looking(lamp.aim[chosen])  # (b, 3, 3), rows: right, down, forward
    place = lamp.place[chosen]
    side = _SHADOW_PX
    focal = side / 2 / _SHADOW_HALF_TAN
    K = torch.tensor([[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1.0]], device=free.device)
    rank = torch.full((len(lamp.shadow),), -1, dtype=torch.int64, device=free.device)
    rank[chosen] = torch.arange(len(chosen), device=free.device)
    scene = rank[triangles.scene]
    casts = (scene >= 0) & (triangles.thing_number[triangles.thing] > 0)
    scene = scene[casts]
    corners = torch.einsum("fij,fkj->fki", turn[scene], triangles.corners_world[casts] - place[scene][:, None])
    shadow_map = rasterise(corners, scene, K.expand(len(chosen), 3, 3), (side, side), near_m=_SHADOW_NEAR_M)
    depth = torch.where(shadow_map.face >= 0, shadow_map.z_m, torch.full_like(shadow_map.z_m, 1e6))
    points = seen.points_world[chosen] + 0.012 * seen.normals_world[chosen] - place[:, None, None]
    at = torch.einsum("bij,bhwj->bhwi", turn, points)
    z = at[..., 2]
    u = focal * at[..., 0] / z.clamp_min(0.05) + side / 2
    v = focal * at[..., 1] / z.clamp_min(0.05) + side / 2
    inside = (z > 0.05) & (u > 1) & (u < side - 1) & (v > 1) & (v < side - 1)
    spread = 0.7 + lamp.radius_m[chosen][:, None, None] * 0.5 * focal / z.clamp_min(0.5)
    lit = torch.zeros_like(z)
    flat = depth.reshape(len(chosen), -1)
    for dx, dy in _TAPS:
        column = (u + dx * spread).long().clamp(0, side - 1)
        row = (v + dy * spread).long().clamp(0, side - 1)
        blocker = torch.gather(flat, 1, (row * side + column).reshape(len(chosen), -1)).reshape(z.shape)
        lit += (blocker > z - _BIAS_M - 0.01 * z).float()
    free[chosen] = torch.where(inside, lit / len(_TAPS), torch.ones_like(z))
    return free


def _looking(aim: Float32[Tensor, "b 3"]) -> Float32[Tensor, "b 3 3"]:
    """Rows right, down, forward of cameras along `aim`."""
    helper = torch.tensor([0.0, 1.0, 0.0], device=aim.device).expand_as(aim)
    steep = aim[:, 1].abs() > 0.9
    helper = torch.where(steep[:, None], torch.tensor([1.0, 0.0, 0.0], device=aim.device), helper)
    right = _unit(torch.linalg.cross(aim, helper))
    return torch.stack([right, torch.linalg.cross(aim, right), aim], dim=1)


def _unit(vectors: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-6)
