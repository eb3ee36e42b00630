"""Bring a segmenter of your own: any object with these three facts and a `segment` method.

python examples/03_own_segmenter.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import pixal3d_scene as p3s

EXAMPLE = Path(__file__).parent / "room" / "photo.jpg"


class RedThings:
    """Finds what is red; everything red counts as one object."""

    name = "red-things"
    revision = "1"
    uses_depth = False

    def segment(self, photo: p3s.Photo, known: p3s.KnownView, depth: p3s.Depth | None) -> p3s.Instances:
        r, g, b = (photo.rgb[..., c].astype(np.int64) for c in range(3))
        label_map = ((r > 110) & (r > 2 * g) & (r > 2 * b)).astype(np.uint16)
        return p3s.Instances(label_map=label_map, items=(p3s.Instance(mask_value=1, label="red"),), source=self.name)


def main() -> None:
    photo = p3s.read_photo(EXAMPLE)
    settings = p3s.resolve_settings(quality="draft")
    models = p3s.load_models(settings, segmenter=RedThings())
    scene = p3s.reconstruct(photo, models, settings).scene
    for item in scene.objects:
        print(f"{item.name} is {item.size_m[1]:.2f} m high, its outline agrees to {item.quality['silhouette_iou']:.0%}")


if __name__ == "__main__":
    main()
