"""The order of the stages on values: what can help the other comes first, and every stage's key says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hidden_cases import Painter
from rendered_scene import camera_at, render, standing_box

from pixal3d_scene.depth import Depth
from pixal3d_scene.frontend.protocols import KnownView
from pixal3d_scene.instances import Instances
from pixal3d_scene.models import Models, load_models
from pixal3d_scene.photo import Photo
from pixal3d_scene.progress import Silent
from pixal3d_scene.reconstruction import Recompute, look, stage_keys, stage_order
from pixal3d_scene.settings import resolve_settings

SCENE = render({3: standing_box((0.5, 0.8, 0.5), 0.0, 0.0)}, camera_at(size_px=(64, 48)))
SETTINGS = resolve_settings()


class Masks:
    name, revision = "masks", "1"

    def __init__(self, *, uses_depth: bool) -> None:
        self.uses_depth, self.got = uses_depth, "nothing yet"

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        self.got = "depth" if depth is SCENE.depth else "none"
        return SCENE.instances


class Metres:
    name, revision = "metres", "1"

    def __init__(self, *, needs_instances: bool) -> None:
        self.needs_instances, self.got = needs_instances, "nothing yet"

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        self.got = "masks" if instances is SCENE.instances else "none"
        return SCENE.depth


def models(masks: Masks, metres: Metres) -> Models:
    return load_models(SETTINGS, segmenter=masks, depth=metres)


@pytest.mark.parametrize(
    ("uses_depth", "needs_instances", "masks_got", "metres_got"),
    [
        (True, False, "depth", "none"),
        (True, True, "none", "masks"),
        (False, False, "none", "masks"),
        (False, True, "none", "masks"),
    ],
)
def test_what_helps_the_other_comes_first(
    uses_depth: bool, needs_instances: bool, masks_got: str, metres_got: str
) -> None:
    masks, metres = Masks(uses_depth=uses_depth), Metres(needs_instances=needs_instances)
    chosen = models(masks, metres)
    instances, depth = look(SCENE.photo, chosen, KnownView(), Silent(), Recompute())
    assert (instances, depth) == (SCENE.instances, SCENE.depth)
    assert (masks.got, metres.got) == (masks_got, metres_got)
    assert stage_order(chosen)[:2] == (("depth", "segment") if masks_got == "depth" else ("segment", "depth"))


@pytest.mark.parametrize("depth_first", [True, False])
def test_a_changed_segmenter_keeps_the_depth_that_was_made_before_it(depth_first: bool) -> None:
    masks, metres = Masks(uses_depth=depth_first), Metres(needs_instances=not depth_first)
    keys = stage_keys(SCENE.photo, models(masks, metres), SETTINGS, KnownView())
    masks.revision = "2"
    changed = stage_keys(SCENE.photo, models(masks, metres), SETTINGS, KnownView())
    assert list(keys) == list(stage_order(models(masks, metres)))
    assert (keys["depth"] == changed["depth"]) == depth_first
    assert all(keys[stage] != changed[stage] for stage in ("segment", "generate", "place", "export"))


def test_hidden_parts_come_before_the_generator_and_only_where_there_is_a_completer() -> None:
    without = models(Masks(uses_depth=False), Metres(needs_instances=True))
    painter = Painter((0, 255, 0))
    painting = replace(without, completer=painter)
    assert stage_order(without) == ("segment", "depth", "generate", "place", "export")
    assert stage_order(painting) == ("segment", "depth", "complete", "generate", "place", "export")
    keys = [stage_keys(SCENE.photo, chosen, SETTINGS, KnownView()) for chosen in (without, painting)]
    painter.revision = "2"
    keys.append(stage_keys(SCENE.photo, painting, SETTINGS, KnownView()))
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert all(keys[one][stage] == keys[other][stage] for stage in ("segment", "depth"))
        assert all(keys[one][stage] != keys[other][stage] for stage in ("generate", "place", "export"))
    assert keys[1]["complete"] != keys[2]["complete"]


def test_another_photo_or_camera_changes_every_key() -> None:
    chosen = models(Masks(uses_depth=False), Metres(needs_instances=True))
    keys = stage_keys(SCENE.photo, chosen, SETTINGS, KnownView())
    for photo, known in (
        (replace(SCENE.photo, sha256="1" * 64), KnownView()),
        (SCENE.photo, KnownView(horizontal_fov_deg=60.0)),
    ):
        changed = stage_keys(photo, chosen, SETTINGS, known)
        assert not set(keys.values()) & set(changed.values())
