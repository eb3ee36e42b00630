"""Is a photo worth the time of a run? Photo files in, their readiness or the error that each raised out; no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixal3d_scene.camera import Camera
from pixal3d_scene.errors import InputError
from pixal3d_scene.instances import Instances
from pixal3d_scene.photo import Photo, read_photo
from pixal3d_scene.review.readiness import Readiness, assess
from pixal3d_scene.settings import Settings

from .given_files import Given, GivenFiles, read_given


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoCheck:
    """What was found out about one photo. readiness: None where `error` says why it cannot be read."""

    path: Path
    readiness: Readiness | None
    notes: tuple[str, ...] = ()
    error: InputError | None = None

    def facts(self) -> dict[str, Any]:
        """Plain JSON values; `score` is there for every photo that can be read."""
        if self.readiness is None:
            return {"photo": str(self.path), "error": str(self.error)}
        return {"photo": str(self.path), **self.readiness.facts(), "notes": list(self.notes)}


def check_photos(paths: Sequence[Path], settings: Settings, given_files: GivenFiles) -> Iterator[PhotoCheck]:
    """One result per photo, in order."""
    for path in paths:
        try:
            yield check_photo(path, settings, given_files)
        except InputError as error:
            yield PhotoCheck(path=path, readiness=None, error=error)


def check_photo(path: Path, settings: Settings, given_files: GivenFiles) -> PhotoCheck:
    """Raises InputError where the photo, or what is given with it, cannot be used."""
    photo = read_photo(path, max_megapixels=settings.photo.max_megapixels, allow_panorama=settings.photo.allow_panorama)
    given = read_given(given_files, photo, settings)
    masks = None if given.segmenter is None else given.segmenter.segment(given.photo, given.known, None)
    notes = (*given.photo.notes, *given.notes)
    return PhotoCheck(path=path, readiness=assess_given(given, masks), notes=notes)


def assess_given(given: Given, masks: Instances | None) -> Readiness:
    """Readiness by what the user gave: masks of a segmenter are a result, not a property of the photo."""
    return assess(given.photo, masks, camera=_known_camera(given, given.photo))


def _known_camera(given: Given, photo: Photo) -> Camera | None:
    if given.known.camera is None and given.known.horizontal_fov_deg is not None:
        return Camera.from_fov(horizontal_fov_deg=given.known.horizontal_fov_deg, size_px=photo.size_px)
    return given.known.camera
