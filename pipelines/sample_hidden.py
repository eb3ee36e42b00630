"""Look at objects in sampled rooms, for training: packed models in, files of `learning.hidden_samples` out.

`python -m pipelines.sample_hidden PACK OUT --files 60`, and `--split validation --files 4`; what is there is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pixal3d_scene.learning.hidden_samples import sample_hidden
from pixal3d_scene.learning.model_pack import read_pack

_ROOMS = 25  # a file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    parser.add_argument("--files", type=int, default=60, help=f"of {_ROOMS} rooms each")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pack = read_pack(given.pack)
    for number in range(given.files):
        file = given.out / f"{given.split}_{given.seed}_{number:04d}.npz"
        if not file.exists():
            samples = sample_hidden(pack, split=given.split, seed=given.seed, first=number * _ROOMS, rooms=_ROOMS)
            samples.write(file)
            print(f"{file}: {len(samples.solid)} objects", flush=True)


if __name__ == "__main__":
    main()
