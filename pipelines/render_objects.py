"""Render single objects into a folder for training: packed models in, files of `learning.object_files` out.

`python -m pipelines.render_objects PACK OUT --split train --files 300`; files that are there already are kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pixal3d_scene.learning.model_pack import read_pack
from pixal3d_scene.learning.object_files import write_objects
from pixal3d_scene.learning.object_stream import CUBE_OVER_CROP, ObjectFormat, object_batches


def render_objects(
    pack: Path, out: Path, *, split: str, files: int, objects: int, seed: int, wanted: ObjectFormat
) -> int:
    """Number of files written; those that were there are left as they are. split: "train" or "validation"."""
    paths = [out / f"{split}_{seed}_{number:06d}.npz" for number in range(files)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    models = read_pack(pack)
    for number in missing:
        batches = object_batches(models, batch=objects, seed=seed, split=split, wanted=wanted, start=number)
        write_objects(next(batches), paths[number], cube_over_crop=wanted.cube_over_crop)
        print(paths[number], flush=True)
    return len(missing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--objects", type=int, default=64, help="in each file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=128, help="of the square pictures, px")
    parser.add_argument("--resolution", type=int, default=64, help="voxels along the cube's edge")
    parser.add_argument("--cube-over-crop", type=float, default=CUBE_OVER_CROP, help="cube edge over crop width")
    parser.add_argument("--finer", type=int, default=1, help="shaded so many times as large and averaged")
    given = parser.parse_args()
    wanted = ObjectFormat(
        picture_px=given.size, resolution=given.resolution, cube_over_crop=given.cube_over_crop, finer=given.finer
    )
    count = render_objects(
        given.pack, given.out, split=given.split, files=given.files, objects=given.objects, seed=given.seed,
        wanted=wanted,
    )  # fmt: skip
    print(f"{count} new files in {given.out}")


if __name__ == "__main__":
    main()
