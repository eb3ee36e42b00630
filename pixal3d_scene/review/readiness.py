"""How well a photo is suited, 0 to 100, before any network runs: photo, masks and field of view in, a score out.

Every part is one measured number with a limit at which its quality is 0.75; the score is 100 times the weighted
geometric mean of the qualities, so that one bad part cannot be made up for by good ones. What cannot be known from
what was given (how objects are cut off without masks, say) is left out and the other weights grow. `docs/readiness.md`
says what each part means and how the limits were chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ..arrays import nearest
from ..camera import Camera
from ..instances import Instances
from ..photo import Photo
from .blockiness import blockiness
from .exposure import brightness, burnt_share, glint_share
from .framing import clutter_share, contact_share, cut_share, object_sides_px
from .lettering import lettering_share
from .sharpness import blur_px

GO_SCORE = 75.0
_LIMIT_QUALITY = 0.75
# Risks are guesses from simple measures: one alone must not turn a good photo down.
_LOWEST_OF_A_RISK = 0.2
_WORKING_SIDE_PX = 1024
# What a camera's own pixels blur, standard deviation; found by shrinking and enlarging photos.
_PIXEL_BLUR_PX = 0.33
_USUAL_FOV_DEG = 65.0
_USUAL_BLOCKINESS, _MOST_BLOCKINESS = 1.2, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one part is judged. limit: where the quality is 0.75. more_is_better: else less is.

    what: the measured number. advice: for a photo that does not pass. lowest: quality, however bad.
    """

    name: str
    weight: float
    limit: float
    unit: str
    what: str
    advice: str
    more_is_better: bool = False
    lowest: float = 1e-4

    def quality(self, measured: float) -> float:
        """`lowest` to 1, strictly monotone above that, 0.75 at the limit."""
        off = self.limit / max(measured, 1e-6) if self.more_is_better else measured / self.limit
        return max(float(_LIMIT_QUALITY ** min(off**2, 100.0)), self.lowest)

    @property
    def condition(self) -> str:
        return f"{'at least' if self.more_is_better else 'at most'} {self.limit:g} {self.unit}"


RULES = (
    Rule(
        name="sharpness", weight=0.22, limit=900.0, unit="blur widths", more_is_better=True,
        what="the photo's longer side over the blur of its edges (standard deviation; more where it is blocky)",
        advice="Hold the camera still or rest it on something, focus on the furniture, wipe the lens.",
    ),
    Rule(
        name="resolution", weight=0.16, limit=450.0, unit="px", more_is_better=True,
        what="the photo's longer side, less what blur or enlarging has taken from it",
        advice="Give the original file of the camera, not a preview or a screenshot.",
    ),
    Rule(
        name="object resolution", weight=0.16, limit=80.0, unit="px", more_is_better=True,
        what="side of the middle-sized object, less what blur or enlarging has taken from it",
        advice="Go nearer to the objects, or give the original file of the camera.",
    ),
    Rule(
        name="brightness", weight=0.16, limit=0.3, unit="of the range", more_is_better=True,
        what="mean brightness, sRGB-coded",
        advice="Switch on the lights or photograph by day, without the flash.",
    ),
    Rule(
        name="burnt out", weight=0.12, limit=25.0, unit="% of the photo",
        what="pixels that are plain white",
        advice="Expose for the bright parts: tap on them, or lower the exposure.",
    ),
    Rule(
        name="cut off", weight=0.08, limit=40.0, unit="% of the objects' area",
        what="area of the objects that reach the photo's border",
        advice="Step back or turn the camera so that the furniture you want is whole in the picture.",
    ),
    Rule(
        name="hidden", weight=0.08, limit=30.0, unit="% of the outlines",
        what="outline that objects share with other objects: one hides or carries the other",
        advice="Choose a place or a height from which the objects stand apart.",
    ),
    Rule(
        name="clutter", weight=0.05, limit=22.0, unit="% of the photo", lowest=_LOWEST_OF_A_RISK,
        what="steps of brightness in a picture of 128 px",
        advice="Clear away small things, or mask only the objects that you want.",
    ),
    Rule(
        name="field of view", weight=0.04, limit=30.0, unit="degrees", lowest=_LOWEST_OF_A_RISK,
        what="field of view of the longer side, away from 65 degrees",
        advice="Use the main camera of a phone: neither its ultra wide one nor the zoom.",
    ),
    Rule(
        name="reflections", weight=0.04, limit=3.0, unit="% of the photo", lowest=_LOWEST_OF_A_RISK,
        what="small bright spots, as glass and polished surfaces have them; clear glass itself is not seen",
        advice="Glass, mirrors and polished metal are not reconstructed well: leave them out, or draw the curtains.",
    ),
    Rule(
        name="lettering", weight=0.05, limit=1.0, unit="% of the photo", lowest=_LOWEST_OF_A_RISK,
        what="area of lines of letters",
        advice="Remove a watermark or a caption before: it would become part of the textures.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the score. measured: None where it cannot be known; so are then quality and passed."""

    rule: Rule
    measured: float | None

    @property
    def quality(self) -> float | None:
        return None if self.measured is None else self.rule.quality(self.measured)

    @property
    def passed(self) -> bool | None:
        return None if self.quality is None else self.quality >= _LIMIT_QUALITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The parts in the order of RULES."""

    parts: tuple[Part, ...]

    @property
    def score(self) -> float:
        known = [(part.rule.weight, part.quality) for part in self.parts if part.quality is not None]
        total = sum(weight for weight, _ in known)
        return 100 * math.exp(sum(weight * math.log(quality) for weight, quality in known) / total)

    @property
    def go(self) -> bool:
        return self.score >= GO_SCORE

    @property
    def advice(self) -> tuple[str, ...]:
        """One sentence for every part that does not pass, the one that costs most first."""
        failed = [p for p in self.parts if p.passed is False]
        failed.sort(key=lambda p: p.rule.weight * math.log(p.quality or 1.0))
        return tuple(p.rule.advice for p in failed)

    @property
    def warning(self) -> str | None:
        """For the notes of a run, where the photo is not a "go"."""
        if self.go:
            return None
        return f"The photo's readiness is {self.score:.0f} of 100, below {GO_SCORE:g}: {' '.join(self.advice)}"

    def facts(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "score": round(self.score, 1),
            "go": self.go,
            "parts": [
                {
                    "name": part.rule.name,
                    "measured": None if part.measured is None else round(part.measured, 4),
                    "unit": part.rule.unit,
                    "what": part.rule.what,
                    "condition": part.rule.condition,
                    "passed": part.passed,
                    "quality": None if part.quality is None else round(part.quality, 3),
                    "weight": part.rule.weight,
                    "advice": part.rule.advice,
                }
                for part in self.parts
            ],
        }


def assess(photo: Photo, instances: Instances | None = None, *, camera: Camera | None = None) -> Readiness:
    """Measure a photo. instances: at the photo's size; with them objects that are cut, hidden or small count.

    camera: where it is known; else the EXIF focal length gives the field of view, or nothing does.
    """
    measured = _measure_light_and_content(photo) | _measure_detail(photo, instances) | _measure_view(photo, camera)
    if instances is not None:
        label_map = _small(np.asarray(instances.label_map), nearest)
        measured |= {"cut off": 100 * cut_share(label_map), "hidden": 100 * contact_share(label_map)}
    return Readiness(parts=tuple(Part(rule=rule, measured=measured.get(rule.name)) for rule in RULES))


def _measure_light_and_content(photo: Photo) -> dict[str, float]:
    rgb = _small(np.asarray(photo.rgb), _averaged)
    return {
        "brightness": brightness(rgb),
        "burnt out": 100 * burnt_share(rgb),
        "clutter": 100 * clutter_share(rgb),
        "reflections": 100 * glint_share(rgb),
        "lettering": 100 * lettering_share(rgb),
    }


def _measure_detail(photo: Photo, instances: Instances | None) -> dict[str, float]:
    longer_px = max(photo.size_px)
    grey = photo.image.convert("L")
    blur = blur_px(grey)
    width_px = _PIXEL_BLUR_PX if blur is None else math.hypot(blur, _PIXEL_BLUR_PX)
    # Blocks have sharp borders, which must not pass for detail.
    width_px *= min(math.sqrt(max(blockiness(np.asarray(grey)) / _USUAL_BLOCKINESS, 1.0)), _MOST_BLOCKINESS)
    kept = _PIXEL_BLUR_PX / width_px
    measured = {} if blur is None else {"sharpness": longer_px / width_px}
    if instances is None:
        return measured | {"resolution": longer_px * kept}
    return measured | {"object resolution": float(np.median(object_sides_px(np.asarray(instances.label_map)))) * kept}


def _measure_view(photo: Photo, camera: Camera | None) -> dict[str, float]:
    if camera is not None:
        fov_deg = max(camera.horizontal_fov_deg, camera.vertical_fov_deg)
    elif photo.focal_px is not None:
        fov_deg = 2 * math.degrees(math.atan(max(photo.size_px) / 2 / photo.focal_px))
    else:
        return {}
    return {"field of view": abs(fov_deg - _USUAL_FOV_DEG)}


def _small(array: np.ndarray, resized: Callable[[np.ndarray, tuple[int, int]], np.ndarray]) -> np.ndarray:
    """At most 1024 px along the longer side: what is measured here needs no more, and time does not grow."""
    height, width = array.shape[:2]
    shrink = max(height, width) / _WORKING_SIDE_PX
    return array if shrink <= 1 else resized(array, (max(round(width / shrink), 1), max(round(height / shrink), 1)))


def _averaged(rgb: UInt8[np.ndarray, "H W 3"], size_px: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    return np.asarray(Image.fromarray(rgb).resize(size_px, Image.Resampling.BOX))
