"""A box in front of a box, exactly rendered: values for the tests of hidden parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rendered_scene import RenderedScene, camera_at, render, standing_box

from pixal3d_scene.completion import hidden_part
from pixal3d_scene.crop import CropVolume, plan_crops
from pixal3d_scene.errors import StageFailed
from pixal3d_scene.frontend.completer import Completion, HiddenPart
from pixal3d_scene.progress import Progress
from pixal3d_scene.settings import Settings, resolve_settings

# Red, and 30 cm before its right part, blue.
BEHIND, BEFORE = 1, 2
RED, GREEN = (200, 60, 50), (0, 255, 0)
SETTINGS = resolve_settings(overrides={"device": "cpu"})


BOXES = {BEHIND: standing_box((1.4, 0.8, 0.6), -0.1, -1.0), BEFORE: standing_box((0.4, 0.5, 0.3), 0.25, -0.25)}


def two_boxes(size_px: tuple[int, int] = (320, 240)) -> RenderedScene:
    return render(BOXES, camera_at(size_px=size_px))


def crops(scene: RenderedScene, size_px: int) -> tuple[CropVolume, ...]:
    return plan_crops(scene.photo, scene.instances, scene.depth, size_px=size_px, margin=1.1)


def hidden_in(
    scene: RenderedScene, mask_value: int, *, size_px: int = 128, settings: Settings = SETTINGS
) -> HiddenPart | None:
    volumes = {v.instance.mask_value: v for v in crops(scene, size_px)}
    names = {value: v.name for value, v in volumes.items()}
    return hidden_part(volumes[mask_value], scene.photo.image, settings, names)


class Painter:
    """Fills the hole with one colour and says that all of it is the object."""

    name, revision = "painter", "1"

    def __init__(self, colour: tuple[int, int, int]) -> None:
        self.colour = colour
        self.seeds: list[int] = []

    def complete(
        self, hidden: Sequence[HiddenPart], seeds: Sequence[int], progress: Progress
    ) -> list[Completion | StageFailed]:
        del progress
        self.seeds += seeds
        return [Completion(rgba=filled(part, self.colour)) for part in hidden]


def filled(part: HiddenPart, colour: tuple[int, int, int]) -> np.ndarray:
    rgba = part.volume.rgba.copy()
    rgba[part.hole] = (*colour, 255)
    return rgba
