"""Reconstruct a photo from Python: values in, values out, one file written at the end.

python examples/02_reconstruct.py [PHOTO] [OUT.glb]
"""

from __future__ import annotations

import sys
from pathlib import Path

import pixal3d_scene as p3s
from pixal3d_scene.export.glb import scene_glb

EXAMPLE = Path(__file__).parent / "room" / "photo.jpg"


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("scene.glb")
    photo = p3s.read_photo(source)
    settings = p3s.resolve_settings(preset="embedded", quality="draft")
    models = p3s.load_models(settings)
    result = p3s.reconstruct(photo, models, settings, known=p3s.KnownView(camera_height_m=1.5))
    for item in result.scene.top_down():
        width_m, height_m, depth_m = item.size_m
        print(
            f"{item.name}: {width_m:.2f} x {height_m:.2f} x {depth_m:.2f} m, on {result.scene.parent_node(item.name)}"
        )
    target.write_bytes(scene_glb(result.scene, photo=photo, jpeg_quality=90, room_shell=True))
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
