"""The user's own masks, depth and camera: files in, adapters for the front-end out, all checked up front."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pixal3d_scene.camera import Camera
from pixal3d_scene.errors import InputError
from pixal3d_scene.export.facts import UNDISTORTED_NAME
from pixal3d_scene.frontend.given import GivenDepth, GivenMasks
from pixal3d_scene.frontend.given_camera import read_camera
from pixal3d_scene.frontend.given_depth import read_depth
from pixal3d_scene.frontend.given_masks import read_masks
from pixal3d_scene.frontend.given_prompts import moved_prompts, read_prompts
from pixal3d_scene.frontend.known_size import parse_known_size, refuse_unusable_sizes
from pixal3d_scene.frontend.prompts import Prompt
from pixal3d_scene.frontend.protocols import DepthEstimator, KnownView, Segmenter
from pixal3d_scene.frontend.rectify import Rectification
from pixal3d_scene.models import object_voter
from pixal3d_scene.photo import Photo, reduce_photo
from pixal3d_scene.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFiles:
    """Paths and numbers as the user gave them; None where nothing was given."""

    masks: Path | None = None
    clean_masks: bool = False
    prompts: tuple[Path, ...] = ()
    depth: Path | None = None
    camera: Path | None = None
    fov_deg: float | None = None
    camera_height_m: float | None = None
    known_sizes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What takes the place of a model (None where nothing does), and what is known of the camera.

    photo: the one to work on, without lens distortion and no larger than the settings say; `known` belongs to it.
    undistorted: at the size of the file, None where the lens has no distortion. prompts: in pixels of `photo`.
    """

    photo: Photo
    undistorted: Photo | None
    segmenter: Segmenter | None
    prompts: tuple[Prompt, ...]
    depth: DepthEstimator | None
    known: KnownView
    notes: tuple[str, ...]


def read_given(files: GivenFiles, photo: Photo, settings: Settings) -> Given:
    """Check everything against the oriented photo; raises InputError before anything is written."""
    depth_settings = settings.depth
    if files.fov_deg is not None:
        Camera.from_fov(horizontal_fov_deg=files.fov_deg, size_px=photo.size_px)  # raises where it makes no sense
    if files.camera_height_m is not None and not 0 < files.camera_height_m < 100:
        raise InputError(f"A camera height of {files.camera_height_m:g} m is not usable; give metres above the floor.")
    if files.clean_masks and files.masks is None:
        raise InputError("--clean-masks cleans the masks that --masks gives; give both or neither.")
    notes: tuple[str, ...] = ()
    camera, pose_known, rectification = None, False, None
    if files.camera is not None:
        given_camera = read_camera(files.camera, photo.size_px)
        camera, pose_known = given_camera.camera, given_camera.pose_known
        rectification = given_camera.rectification
        notes = (*given_camera.notes, *_overruled(files, pose_known=pose_known))
    segmenter = depth = None
    sizes = tuple(parse_known_size(text) for text in files.known_sizes)
    if files.masks is not None and files.prompts:
        raise InputError("--masks already says where the objects are; leave --points and --boxes out, or the masks.")
    prompts = read_prompts(files.prompts, photo.size_px)
    if files.masks is not None:
        masks = read_masks(files.masks, photo.size_px)
        if not files.clean_masks and rectification is None:  # else the objects may still change
            refuse_unusable_sizes(masks, sizes)
        voter = object_voter(settings) if files.clean_masks else None
        segmenter = GivenMasks(files.masks, clean=files.clean_masks, voter=voter, rectification=rectification)
    if files.depth is not None:
        read_depth(files.depth, Camera.from_fov(horizontal_fov_deg=60.0, size_px=photo.size_px))
        depth = GivenDepth(
            files.depth,
            camera_height_m=depth_settings.camera_height_m,
            fallback_fov_deg=depth_settings.fallback_fov_deg,
            rectification=rectification,
        )
    undistorted = None if rectification is None else _undistorted(photo, rectification)
    to_work_on = reduce_photo(undistorted or photo, megapixels=settings.photo.working_megapixels)
    known = KnownView(
        camera=None if camera is None else camera.resized(to_work_on.size_px),
        pose_known=pose_known,
        horizontal_fov_deg=files.fov_deg,
        camera_height_m=files.camera_height_m,
        sizes=sizes,
    )
    return Given(
        photo=to_work_on,
        undistorted=undistorted,
        segmenter=segmenter,
        prompts=moved_prompts(prompts, to_work_on, rectification),
        depth=depth,
        known=known,
        notes=notes,
    )


def _undistorted(photo: Photo, rectification: Rectification) -> Photo:
    zoom = float(rectification.pinhole.K[0, 0] / rectification.lens.K[0, 0])
    note = (
        "The lens distortion that the camera file gives was taken out: masks, depth, camera and crops belong to "
        f"{UNDISTORTED_NAME}, whose focal length is {zoom:.3f} times that of the photo, so that no border is empty."
    )
    return replace(
        photo,
        rgb=rectification.picture(np.asarray(photo.rgb)),
        distortion=rectification.distortion,
        notes=(*photo.notes, note),
    )


def _overruled(files: GivenFiles, *, pose_known: bool) -> tuple[str, ...]:
    """What the camera file says wins over the flags that say the same."""
    notes = []
    if files.fov_deg is not None:
        notes.append(f"--fov {files.fov_deg:g} is not used: the camera file has the focal length.")
    if files.camera_height_m is not None and pose_known:
        notes.append(f"--camera-height {files.camera_height_m:g} is not used: the camera file has the pose.")
    return tuple(notes)
