"""Many photos, one after the other: which files are photos, where their runs go, and going on after a bad one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixal3d_scene.errors import InputError
from pixal3d_scene.progress import Progress
from pixal3d_scene.run_folder import is_run_folder
from pixal3d_scene.settings import Settings

from .given_files import GivenFiles
from .room import RoomRun, plan_room, run_room

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif")
# Pictures that people have in their folders and that are not read here.
UNREAD_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".jxl")
# What people keep beside NAME.jpg: NAME_mask.png is no photo of a room.
_BESIDE = ("_mask", "_masks", "_depth", "_instances")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoResult:
    """What became of one photo: a run, or the error that ended it."""

    photo: Path
    run: RoomRun | None
    error: Exception | None = None

    def error_facts(self) -> dict[str, Any]:
        """Plain JSON values; of a photo that has no run."""
        return {"photo": str(self.photo), "error": str(self.error)}


def run_photos(
    photos: Sequence[Path],
    folders: Sequence[Path],
    settings: Settings,
    *,
    given_files: GivenFiles,
    redo: str | None,
    only: frozenset[str],
    shown: Callable[[Path], AbstractContextManager[Progress]],
) -> Iterator[PhotoResult]:
    """Reconstruct every photo into its folder, and go on after an error.

    shown: the progress display for a photo.
    """
    for photo, folder in zip(photos, folders, strict=True):
        try:
            with shown(photo) as progress:
                run = run_room(
                    photo, folder, settings, given_files=given_files, redo=redo, only=only, progress=progress
                )
        except Exception as error:  # one bad photo must not end the night
            yield PhotoResult(photo=photo, run=None, error=error)
            continue
        yield PhotoResult(photo=photo, run=run)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoPlan:
    """What would become of one photo: the facts of `plan_room`, or the error that would end it."""

    photo: Path
    plan: dict[str, Any] | None
    error: Exception | None = None

    def facts(self) -> dict[str, Any]:
        """Plain JSON values."""
        return self.plan or {"photo": str(self.photo), "error": str(self.error)}


def plan_photos(
    photos: Sequence[Path],
    folders: Sequence[Path],
    settings: Settings,
    given_files: GivenFiles,
    *,
    redo: str | None,
    only: frozenset[str],
) -> Iterator[PhotoPlan]:
    """What `run_photos` would do, writing nothing."""
    for photo, folder in zip(photos, folders, strict=True):
        try:
            plan = plan_room(photo, folder, settings, given_files, redo=redo, only=only)
        except Exception as error:
            yield PhotoPlan(photo=photo, plan=None, error=error)
            continue
        yield PhotoPlan(photo=photo, plan=plan)


def find_photos(paths: list[Path]) -> list[Path]:
    """Photo files of a list of files and folders; raises InputError where a folder has none or is a run folder."""
    photos: list[Path] = []
    for path in paths:
        try:
            # os.path.isdir: what cannot be looked at is no folder, and reading it says why.
            if not os.path.isdir(path):
                photos.append(path)
                continue
            if is_run_folder(path):
                raise InputError(
                    f"{path} is a run folder, whose pictures are results; give photos by their names, or look at the "
                    "run with pixal3d-scene inspect."
                )
            pictures = sorted(p for p in path.iterdir() if _is_photo(p))
            stems = {p.stem for p in pictures}
            inside = [p for p in pictures if not _is_beside(p, stems)]
        except OSError as error:
            raise InputError(f"The folder {path} cannot be read ({error.strerror}); check its permissions.") from error
        if not inside and (below := _folders_with_photos(path)):
            names = ", ".join(str(folder) for folder in below)
            raise InputError(f"The folder {path} has photos in folders only, which are not searched; give {names}.")
        if not inside:
            raise InputError(f"The folder {path} has no photos ({', '.join(PHOTO_SUFFIXES)}); give another one.")
        photos += inside
    return photos


def find_left_out(paths: list[Path]) -> list[tuple[Path, str]]:
    """Pictures and folders in the given folders that `find_photos` passes over, and why: it is not done in silence."""
    left: list[tuple[Path, str]] = []
    for folder in (path for path in paths if os.path.isdir(path)):
        files = sorted(folder.iterdir())
        stems = {p.stem for p in files if _is_photo(p)}
        for path in files:
            if path.suffix.lower() in UNREAD_SUFFIXES:
                left.append((path, f"{path.suffix} is not read, export it as JPEG"))
            elif _is_photo(path) and _is_beside(path, stems):
                left.append((path, "by its name it belongs to a photo beside it; name it alone to run it"))
        left += [(path, "folders in a folder are not searched; name it too") for path in _folders_with_photos(folder)]
    return left


def _folders_with_photos(folder: Path) -> list[Path]:
    """Folders in a folder that have photos, themselves or farther down; pictures in run folders are results."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and _has_photos(path))


def _has_photos(folder: Path) -> bool:
    for path, folders, files in os.walk(folder):
        here = Path(path)
        if here.name.startswith(".") or is_run_folder(here):
            folders.clear()
        elif any(_is_photo(here / name) for name in files):
            return True
    return False


def _is_beside(path: Path, stems: set[str]) -> bool:
    """Whether it is called as another picture's masks or depth are. stems: of all pictures of the folder."""
    return any(path.stem.endswith(word) and path.stem.removesuffix(word) in stems for word in _BESIDE)


def _is_photo(path: Path) -> bool:
    """Hidden files are none: macOS leaves ._NAME.jpg beside NAME.jpg on foreign disks."""
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def is_one_photo(paths: list[Path], photos: list[Path]) -> bool:
    """Whether one photo was named; a folder stands for many, however many it has. photos: those found in `paths`."""
    return photos == paths[:1]


def run_folders(photos: list[Path], out: Path | None, *, one: bool) -> list[Path]:
    """OUT itself for one photo, OUT/STEM for several, runs/STEM without OUT.

    one: see `is_one_photo`. Raises InputError where two share a stem.
    """
    if out is not None and one:
        return [out]
    folders = [(out or Path("runs")) / p.stem for p in photos]
    for i, folder in enumerate(folders):
        if folder in folders[:i]:
            raise InputError(f"Two photos are named {folder.name}; rename one or run them separately.")
    return folders
