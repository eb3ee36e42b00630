"""Licences in the report are those of the networks that had a part in the run, and of no others."""

from __future__ import annotations

from typing import Any

import pytest

from pixal3d_scene.settings import resolve_settings
from pixal3d_scene.weights.registry import REGISTRY
from pixal3d_scene.weights.used import licences_used


def used(
    preset: str = "embedded", *, masks_given: bool = False, depth_given: bool = False, **overrides: Any
) -> dict[str, str]:
    return licences_used(
        resolve_settings(preset=preset, overrides=overrides), masks_given=masks_given, depth_given=depth_given
    )


def test_the_default_uses_the_packages_own() -> None:
    lift = {"extents": "Apache-2.0", "hidden_sides": "Apache-2.0"}
    front_end, reliefs = {"front_end": "Apache-2.0"}, {"reliefs": "Apache-2.0"}
    assert used() == {**front_end, **reliefs, **lift}
    assert used(masks_given=True) == {**front_end, **reliefs, **lift}
    assert used(depth_given=True) == {**front_end, **lift}
    assert used(masks_given=True, depth_given=True) == lift
    by_symmetry = {"hidden_sides": False}
    assert used(masks_given=True, depth_given=True, generate=by_symmetry) == {"extents": "Apache-2.0"}
    assert used(masks_given=True, depth_given=True, generate={"generator": "box"}) == {}
    settings = resolve_settings()
    assert licences_used(settings, masks_given=True, depth_given=True, votes_asked=True) == {**front_end, **lift}


def test_published_networks_have_the_licence_of_the_registry() -> None:
    found = used("pixal3d")
    assert set(found) == {"sam2", "grounding-dino", "depth-anything-small", "pixal3d", "dinov3", "naf"}
    assert all(licence == REGISTRY[name].licence for name, licence in found.items())
    assert set(used("pixal3d", masks_given=True)) == {"depth-anything-small", "pixal3d", "dinov3", "naf"}
    assert "sdxl-inpainting" in used("pixal3d", complete={"completer": "inpaint"})
    pro = used("pixal3d", depth={"estimator": "depth_pro", "weights": "apple/DepthPro-hf"})
    assert "apple-amlr" in pro["depth-pro"]


@pytest.mark.parametrize("part", ["front_end", "generate", "objects"])
def test_ones_own_folder_has_no_known_licence(part: str) -> None:
    overrides: dict[str, Any] = {
        "front_end": {"front_end": {"weights": "mine/x.safetensors"}},
        "objects": {"generate": {"generator": "object_networks", "object_networks": {"weights": "mine"}}},
        "generate": {"generate": {"generator": "pixal3d", "pixal3d": {"weights": "mine"}}},
    }[part]
    mine = {name: licence for name, licence in used(**overrides).items() if name.startswith("mine")}
    assert list(mine.values()) == ["not known: a folder or repository of your choice"]
