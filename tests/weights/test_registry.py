"""The registry is data: complete, consistent, and honest about what is not known."""

from __future__ import annotations

import re

import pytest

from pixal3d_scene.errors import InputError
from pixal3d_scene.settings import Pixal3DSettings
from pixal3d_scene.weights.registry import REGISTRY, published, published_as


@pytest.mark.parametrize("name", REGISTRY)
def test_entries_say_what_a_user_must_know(name: str) -> None:
    weights = published(name)
    assert weights.name == name
    assert weights.licence
    assert weights.size_bytes > 0
    assert weights.files
    assert weights.hub_id is not None or weights.remark
    assert weights.revision is None or re.fullmatch("[0-9a-f]{40}", weights.revision)
    assert weights.follows is None or weights.follows in weights.files
    assert all(file.endswith((".json", ".safetensors", ".txt")) for file in weights.files)  # never a pickle


def test_the_generator_needs_what_the_registry_has() -> None:
    known = published_as(Pixal3DSettings().weights)
    assert known is published("pixal3d")
    assert sum(file.endswith(".safetensors") for file in known.files) == 7
    assert published_as("nobody/nothing") is None


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'pixel3d'.*pixal3d, pixal3d-mv"):
        published("pixel3d")
