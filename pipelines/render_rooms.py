"""Render rooms into a folder for training on a CPU: packed models in, files of `learning.room_cache` out.

`python -m pipelines.render_rooms PACK OUT --split train --batches 500`; what is there already is kept.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from pixal3d_scene.learning.model_pack import read_pack
from pixal3d_scene.learning.room_stream import room_batches


def render_rooms(
    pack: Path, out: Path, *, split: str, batches: int, batch: int, size_px: tuple[int, int], seed: int, finer: int
) -> int:
    """Number of rooms in the folder that this call asked for. split: "train" or "validation"."""
    stream = room_batches(read_pack(pack), batch=batch, size_px=size_px, seed=seed, split=split, finer=finer, cache=out)
    return sum(len(rooms) for rooms in islice(stream, batches))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16, help="rooms per file")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 192), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finer", type=int, default=1, help="rendered so many times as large and averaged")
    given = parser.parse_args()
    count = render_rooms(
        given.pack, given.out, split=given.split, batches=given.batches, batch=given.batch,
        size_px=(given.size[0], given.size[1]), seed=given.seed, finer=given.finer,
    )  # fmt: skip
    print(f"{count} rooms in {given.out}")


if __name__ == "__main__":
    main()
