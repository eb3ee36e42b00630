"""Look at cut objects in sampled rooms, for training: packed models in, a file of `learning.extent_samples` out.

`python -m pipelines.sample_extents PACK EXTENTS/train.npz --rooms 2000`, and `--split validation` into validation.npz.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pixal3d_scene.learning.extent_samples import sample_extents
from pixal3d_scene.learning.model_pack import read_pack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    parser.add_argument("--rooms", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    samples = sample_extents(read_pack(given.pack), split=given.split, seed=given.seed, rooms=given.rooms)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    samples.write(given.out)
    print(f"{len(samples.features)} cut objects in {given.out}")


if __name__ == "__main__":
    main()
