"""Networks put together: who is asked what, in which pixels, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pixal3d_scene.errors import StageFailed
from pixal3d_scene.frontend.detections import Detection
from pixal3d_scene.frontend.network_segmenter import NetworkSegmenter, PromptedSegmenter
from pixal3d_scene.frontend.prompts import Prompt, PromptableNetwork, proposal
from pixal3d_scene.frontend.proposals import MaskProposal, MaskProposer
from pixal3d_scene.frontend.proposers import DetectedMasks, GridMasks, StoredNetwork, WordMasks
from pixal3d_scene.frontend.protocols import KnownView, Segmenter
from pixal3d_scene.frontend.working_picture import working_size_px
from pixal3d_scene.photo import Photo

SIZE_PX = (2000, 1501)  # larger than the masks
EMPTY = Prompt(label="ghost", points_px=((1.0, 1.0),))


class DrawnBoxes:
    """A promptable network that fills boxes exactly and finds nothing at points."""

    name = "drawn"

    def segment_prompts(self, photo: Photo, prompts: Sequence[Prompt]) -> list[MaskProposal]:
        width, height = working_size_px(photo.size_px)
        scale = np.array([width, height]) / photo.size_px
        y, x = np.indices((height, width)) + 0.5
        found = []
        for prompt in prompts:
            mask = np.zeros((height, width), dtype=bool)
            if prompt.box_px is not None:
                x0, y0, x1, y1 = np.array(prompt.box_px) * np.tile(scale, 2)
                mask = (x > x0) & (x < x1) & (y > y0) & (y < y1)
            found.append(proposal(mask, prompt, 0.8, self.name))
        return found

    def segment_everything(self, photo: Photo) -> list[MaskProposal]:
        return self.segment_prompts(photo, [Prompt(label="", box_px=(0.0, 0.0, 500.0, 500.0))])


class Words:
    name = "words"

    def segment_words(self, photo: Photo, words: Sequence[str]) -> list[MaskProposal]:
        box = (100.0, 100.0, 900.0, 800.0)
        prompts = [Prompt(label=w, box_px=box, score=0.5 + 0.1 * i) for i, w in enumerate(words)]
        return DrawnBoxes().segment_prompts(photo, prompts)


class Sees:
    """A detector of fixed boxes."""

    name = "sees"

    def __init__(self, *detections: Detection) -> None:
        self.detections = detections

    def detect(self, photo: Photo, words: Sequence[str]) -> list[Detection]:
        return [d for d in self.detections if d.label in words]


def stored(network: object, name: str = "drawn") -> StoredNetwork:  # type: ignore[type-arg]
    return StoredNetwork(name=name, revision=f"{name} 1", load=lambda: network)


@pytest.fixture
def photo() -> Photo:
    return Photo(rgb=np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8), file_name="p", sha256="0")


def segmenter(*proposers: MaskProposer) -> NetworkSegmenter:
    return NetworkSegmenter(proposers, max_objects=10, min_area_share=0.0001, device="cpu")


def corners(mask: np.ndarray) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]


SOFA = Detection(label="sofa", score=0.9, box_px=(200.0, 600.0, 1000.0, 1200.0))
COUCH = Detection(label="couch", score=0.6, box_px=(210.0, 600.0, 1000.0, 1200.0))
LAMP = Detection(label="lamp", score=0.7, box_px=(1500.0, 100.0, 1700.0, 900.0))
WALL = Detection(label="wall", score=0.8, box_px=(0.0, 0.0, 2000.0, 700.0))


def test_words_to_boxes_to_masks_to_objects(photo: Photo) -> None:
    proposer = DetectedMasks(
        stored(Sees(COUCH, SOFA, LAMP, WALL), "sees"), stored(DrawnBoxes()),
        words=("sofa", "couch", "lamp", "wall"), iou=0.7,
    )  # fmt: skip
    assert isinstance(proposer, MaskProposer)
    assert isinstance(DrawnBoxes(), PromptableNetwork)
    made = segmenter(proposer)
    assert isinstance(made, Segmenter)
    assert made.uses_depth
    assert made.name == "drawn+sees"
    found = made.segment(photo, KnownView(), None)
    assert sorted(i.label for i in found.items) == ["lamp", "sofa"]
    by_label = {i.label: i for i in found.items}
    assert by_label["sofa"].score == pytest.approx(0.9 * 0.8)
    for item, box in ((by_label["sofa"], SOFA.box_px), (by_label["lamp"], LAMP.box_px)):
        assert np.abs(np.array(corners(found.mask(item.mask_value))) - box).max() <= 2  # a mask pixel is 1.95 px
    assert found.shell_map is not None
    assert found.shell_map[10, 10] == 2
    assert found.shell_map[300, 1600] == 0  # the lamp hides the wall
    assert any("1024 x 769" in note or "1024 x 768" in note for note in found.notes)


def test_words_alone(photo: Photo) -> None:
    """Two words for one thing: the surer one stays."""
    proposer = WordMasks(stored(Words(), "words"), words=("sofa", "couch"), iou=0.7)
    assert isinstance(proposer, MaskProposer)
    (item,) = segmenter(proposer).segment(photo, KnownView(), None).items
    assert item.label == "couch"


def test_everything_is_called_object(photo: Photo) -> None:
    (item,) = segmenter(GridMasks(stored(DrawnBoxes()))).segment(photo, KnownView(), None).items
    assert (item.label, item.name) == ("object", "object_01")


def test_nothing_found_says_what_to_do(photo: Photo) -> None:
    blind = DetectedMasks(stored(Sees(), "sees"), stored(DrawnBoxes()), words=("sofa",), iou=0.7)
    with pytest.raises(StageFailed, match=r"drawn\+sees found no object.*--labels.*--boxes"):
        segmenter(blind).segment(photo, KnownView(), None)
    only_room = DetectedMasks(stored(Sees(WALL), "sees"), stored(DrawnBoxes()), words=("wall",), iou=0.7)
    with pytest.raises(StageFailed, match="object"):
        segmenter(only_room).segment(photo, KnownView(), None)


def test_revisions_change_with_what_changes_the_result() -> None:
    network, detector = stored(DrawnBoxes()), stored(Sees(), "sees")

    def revision(
        words: tuple[str, ...] = ("sofa",), iou: float = 0.7, device: str = "cpu", net: object = network
    ) -> str:
        proposer = DetectedMasks(detector, net, words=words, iou=iou)
        return NetworkSegmenter([proposer], max_objects=3, min_area_share=0.1, device=device).revision

    others = [revision(words=("lamp",)), revision(iou=0.5), revision(device="auto"),
              revision(net=replace(network, revision="drawn 2"))]  # fmt: skip
    assert len({revision(), *others}) == 5
    assert revision() == revision()
    prompted = {PromptedSegmenter(network, [p], device="cpu").revision for p in (EMPTY, replace(EMPTY, label="x"))}
    assert len(prompted) == 2


# The user's own boxes and points


def test_one_instance_per_prompt_in_order(photo: Photo) -> None:
    prompts = [
        Prompt(label="cushion", box_px=(400.0, 700.0, 600.0, 900.0)),
        Prompt(label="sofa", box_px=SOFA.box_px),
        Prompt(label="sofa", box_px=(1200.0, 900.0, 1400.0, 1100.0)),
    ]
    made = PromptedSegmenter(stored(DrawnBoxes()), prompts, device="cpu")
    assert isinstance(made, Segmenter)
    found = made.segment(photo, KnownView(), None)
    assert [i.name for i in found.items] == ["cushion_01", "sofa_02", "sofa_03"]
    assert found.label_map[800, 500] == 1  # the smaller one lies on the larger one
    assert found.label_map[650, 250] == 2
    assert np.abs(np.array(corners(found.mask(3))) - prompts[2].box_px).max() <= 2
    assert found.rejected == ()


def test_a_prompt_that_gives_nothing_is_told_and_keeps_its_number(photo: Photo) -> None:
    hidden = Prompt(label="below", box_px=SOFA.box_px)
    prompts = [
        EMPTY,
        hidden,
        Prompt(label="sofa", box_px=SOFA.box_px),
        replace(hidden, label="lamp", box_px=LAMP.box_px),
    ]
    found = PromptedSegmenter(stored(DrawnBoxes()), prompts, device="cpu").segment(photo, KnownView(), None)
    assert [i.name for i in found.items] == ["sofa_03", "lamp_04"]
    assert any("Prompt 1 (ghost) gave no object: drawn found nothing there" in note for note in found.notes)
    assert any("Prompt 2 (below) gave no object: its mask lies wholly under" in note for note in found.notes)
    assert [r.centre_px for r in found.rejected] == [(1.0, 1.0), (600.0, 900.0)]


def test_no_prompt_gives_anything(photo: Photo) -> None:
    with pytest.raises(StageFailed, match="nothing at any of the given"):
        PromptedSegmenter(stored(DrawnBoxes()), [EMPTY], device="cpu").segment(photo, KnownView(), None)
