"""Every kind of furniture: closed parts, the size that was asked for, standing on its bottom centre."""

import numpy as np
import pytest
import trimesh

from pixal3d_scene.learning.furniture import CATALOGUE, bounds, make, random_size, united

KINDS = sorted(CATALOGUE)


def test_there_are_enough_kinds() -> None:
    assert len(KINDS) >= 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_piece_is_sound(kind: str) -> None:
    rng = np.random.default_rng(0)
    size = random_size(kind, rng)
    parts = make(kind, rng, size)
    assert len({part.name for part in parts}) == len(parts)
    for part in parts:
        mesh = part.mesh_node
        assert np.isfinite(mesh.vertices).all()
        solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        assert solid.is_watertight, part.name
        assert solid.volume > 0, part.name
    low, high = bounds(parts)
    np.testing.assert_allclose(high - low, size, atol=1e-9)
    np.testing.assert_allclose(low, (-size[0] / 2, 0.0, -size[2] / 2), atol=1e-9)
    colours = [p.finish.pattern.albedo(np.array(p.mesh_node.vertices), np.array(p.mesh_node.vertices)) for p in parts]
    assert all(np.isfinite(c).all() and (c > -0.1).all() and (c < 1.4).all() for c in colours)


@pytest.mark.parametrize("kind", KINDS)
def test_a_piece_unites_to_one_closed_solid(kind: str) -> None:
    rng = np.random.default_rng(5)
    parts = make(kind, rng, random_size(kind, rng))
    whole = united(parts)
    solid = trimesh.Trimesh(whole.vertices, whole.faces, process=False)
    assert solid.is_watertight
    np.testing.assert_allclose(solid.bounds, bounds(parts), atol=1e-6)
    volumes = [trimesh.Trimesh(p.mesh_node.vertices, p.mesh_node.faces, process=False).volume for p in parts]
    assert max(volumes) - 1e-6 <= solid.volume <= sum(volumes) + 1e-6


@pytest.mark.parametrize("kind", ["armchair", "sofa", "dining chair", "office chair", "bed"])
def test_backs_and_headboards_are_behind(kind: str) -> None:
    """The front is +z, so what rises highest lies at negative z."""
    rng = np.random.default_rng(2)
    size = random_size(kind, rng)
    vertices = np.concatenate([part.mesh_node.vertices for part in make(kind, rng, size)])
    high = vertices[vertices[:, 1] > 0.93 * size[1]]
    assert high[:, 2].mean() < -0.15 * size[2]


@pytest.mark.parametrize("kind", ["bookshelf", "sideboard", "desk", "television", "picture"])
def test_fronts_are_in_front(kind: str) -> None:
    rng = np.random.default_rng(2)
    parts = {part.name: part for part in make(kind, rng, random_size(kind, rng))}
    front = {"bookshelf": "boards", "sideboard": "handles", "desk": "knobs", "television": "screen", "picture": "sheet"}
    back = {"bookshelf": "back", "sideboard": "body", "desk": "chest", "television": "panel", "picture": "board"}
    middle_z = [np.mean(parts[name[kind]].mesh_node.bounds[:, 2]) for name in (front, back)]
    assert middle_z[0] > middle_z[1]


@pytest.mark.parametrize("kind", sorted(k for k, entry in CATALOGUE.items() if entry.carries))
def test_tops_that_carry_are_flat_and_full(kind: str) -> None:
    """Rays straight down onto the top, up to near its edge, all meet it at the full height."""
    rng = np.random.default_rng(3)
    size = random_size(kind, rng)
    whole = united(make(kind, rng, size))
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    at = 0.45 * np.stack([size[0] * np.sin(angles), size[2] * np.cos(angles)], axis=-1)
    origins = np.stack([at[:, 0], np.full(12, 5.0), at[:, 1]], axis=-1)
    solid = trimesh.Trimesh(whole.vertices, whole.faces, process=False)
    hits, rays, _ = solid.ray.intersects_location(origins, np.tile([0.0, -1.0, 0.0], (12, 1)), multiple_hits=False)
    assert set(rays) == set(range(12))
    np.testing.assert_allclose(hits[:, 1], size[1], atol=1e-4)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(KeyError):
        make("time machine", np.random.default_rng(0), (1.0, 1.0, 1.0))
