"""Segmentation by networks: photo (and depth, where it is there already) in, named `Instances` out.

Proposers find masks that may overlap; hygiene decides which of them are objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ..code_revision import code_revision
from ..depth import Depth
from ..errors import StageFailed
from ..instances import Instance, Instances, Rejection
from ..photo import Photo
from ..weights.device import free_memory
from .given_masks import instances_from_label_map
from .hygiene import clean_masks
from .object_votes import ObjectVoter
from .prompts import Prompt, PromptableNetwork
from .proposals import MaskProposer
from .proposers import StoredNetwork, nothing_found
from .protocols import KnownView
from .working_picture import mask_at, working_size_px


class NetworkSegmenter:
    """A `Segmenter` of proposers and hygiene. max_objects: the most that are returned. min_area_share: of the photo.

    device: as the settings name it; another one may give other masks. voter: helps to cut masks where depth is there.
    """

    uses_depth = True

    def __init__(
        self,
        proposers: Sequence[MaskProposer],
        *,
        max_objects: int,
        min_area_share: float,
        device: str,
        voter: ObjectVoter | None = None,
    ) -> None:
        self._proposers, self._voter = tuple(proposers), voter
        self._max_objects, self._min_area_share = max_objects, min_area_share
        self.name = " and ".join(dict.fromkeys(p.name for p in self._proposers))
        voters = () if voter is None else (voter.revision,)
        self.revision = _revision([*(p.revision for p in self._proposers), *voters], device)

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """See `Segmenter`."""
        del known
        proposals = [mask for proposer in self._proposers for mask in proposer.propose(photo)]
        if not proposals:
            raise nothing_found([p.name for p in self._proposers])
        found = clean_masks(
            proposals,
            size_px=photo.size_px,
            depth=depth,
            source=self.name,
            max_objects=self._max_objects,
            min_area_share=self._min_area_share,
            votes=None if depth is None or self._voter is None else self._voter.votes(photo),
            notes=_size_notes(photo),
        )
        if not len(found):
            raise nothing_found([p.name for p in self._proposers])
        return found


class PromptedSegmenter:
    """A `Segmenter` of exactly the objects that the user shows: one instance per prompt, numbered in order."""

    uses_depth = False

    def __init__(self, network: StoredNetwork[PromptableNetwork], prompts: Sequence[Prompt], *, device: str) -> None:
        self._network, self._prompts = network, tuple(prompts)
        self.name = f"{network.name} prompted"
        self.revision = _revision([network.revision, repr(self._prompts)], device)

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """See `Segmenter`. Where two masks overlap the smaller one has the pixels: it lies on the other."""
        del known, depth
        found = self._network.load().segment_prompts(photo, self._prompts)
        free_memory()
        masks = [mask_at(np.asarray(f.mask), photo.size_px) for f in found]
        label_map = np.zeros(photo.size_px[::-1], dtype=np.uint16)
        for i in sorted(range(len(masks)), key=lambda i: -int(masks[i].sum())):
            label_map[masks[i]] = i + 1
        plain = instances_from_label_map(label_map, source=self.name)
        items = tuple(
            Instance(
                mask_value=item.mask_value,
                label=self._prompts[item.mask_value - 1].label,
                score=found[item.mask_value - 1].score,
                flags=item.flags,
            )
            for item in plain.items
        )
        if not items:
            raise StageFailed("segment", f"{self._network.name} found nothing at any of the given boxes or points")
        there = {item.mask_value for item in items}
        lost = [i for i in range(len(masks)) if i + 1 not in there]
        return Instances(
            label_map=label_map,
            items=items,
            source=self.name,
            rejected=tuple(self._rejection(i, int(masks[i].sum())) for i in lost),
            notes=(*_size_notes(photo), *(self._loss(i, bool(masks[i].any())) for i in lost)),
        )

    def _loss(self, i: int, found: bool) -> str:
        why = "its mask lies wholly under smaller ones" if found else f"{self._network.name} found nothing there"
        return f"Prompt {i + 1} ({self._prompts[i].label}) gave no object: {why}."

    def _rejection(self, i: int, area_px: int) -> Rejection:
        prompt = self._prompts[i]
        box = prompt.box_px
        shown = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)] if box else prompt.points_px
        return Rejection(reason=self._loss(i, area_px > 0), area_px=area_px, centre_px=shown[0])


def _revision(parts: Sequence[str], device: str) -> str:
    return hashlib.sha256("\n".join([code_revision("frontend/*.py"), *parts, device]).encode()).hexdigest()[:16]


def _size_notes(photo: Photo) -> tuple[str, ...]:
    working = working_size_px(photo.size_px)
    if working == photo.size_px:
        return ()
    (w, h), (W, H) = working, photo.size_px
    return (f"Objects were segmented at {w} x {h} px and their masks brought to the photo's {W} x {H} px.",)
