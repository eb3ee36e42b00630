"""Draw a photo, its scene from the same camera, and the scene from the side, next to each other.

python examples/04_before_after.py [OUT.jpg]      (the picture on the README's first screen)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import pixal3d_scene as p3s
from pixal3d_scene.frontend.given import GivenDepth, GivenMasks
from pixal3d_scene.frontend.given_camera import read_camera
from pixal3d_scene.review.render import render_scene
from pixal3d_scene.review.views import photo_view, side_view

ROOM = Path(__file__).parent / "room"
SIDE_PX = 640


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("before_after.jpg")
    photo = p3s.read_photo(ROOM / "photo.jpg")
    settings = p3s.resolve_settings(quality="standard")
    depth = GivenDepth(ROOM / "depth.png", camera_height_m=1.5, fallback_fov_deg=60.0)
    models = p3s.load_models(settings, segmenter=GivenMasks(ROOM / "instances.png"), depth=depth)
    known = p3s.KnownView(camera=read_camera(ROOM / "camera.json", photo.size_px).camera)
    scene = p3s.reconstruct(photo, models, settings, known=known).scene
    same_view = photo_view(scene.camera, longest_side_px=SIDE_PX)
    pictures = [
        photo.image.resize(same_view.size_px, Image.Resampling.LANCZOS),
        Image.fromarray(np.asarray(render_scene(scene, same_view))),
        Image.fromarray(np.asarray(render_scene(scene, side_view(scene, size_px=same_view.size_px)))),
    ]
    width, height = same_view.size_px
    sheet = Image.new("RGB", (3 * width + 20, height), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i * (width + 10), 0))
    sheet.save(target, quality=88)
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
