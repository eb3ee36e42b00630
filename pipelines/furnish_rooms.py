"""Write rooms of real models as folders with ground truth, for `evaluate`: to choose constants on, never a quoted test.

`python -m pipelines.furnish_rooms PACK OUT --rooms 24`, then for each `pixal3d-scene run OUT/room00/photo.jpg ...`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pixal3d_scene.learning.model_pack import read_pack
from pixal3d_scene.learning.room_stream import first_seed
from pixal3d_scene.learning.sample_furniture import Shelf
from pixal3d_scene.learning.sample_room import sample_room
from pixal3d_scene.learning.sampled_truth import write_sampled_room
from pixal3d_scene.run_folder import RunFolder


def furnish_rooms(pack: Path, out: Path, *, split: str, rooms: int, seed: int, size_px: tuple[int, int]) -> None:
    """Rooms of consecutive seeds; those that are there already are kept. split: "train" or "validation"."""
    models = read_pack(pack)
    shelf = Shelf.of(models, split)
    for number in range(rooms):
        folder = out / f"room{number:02d}"
        if not (folder / "truth.npz").exists():
            room = sample_room(shelf, first_seed(seed, split) + number, size_px)
            count = write_sampled_room(models, room, RunFolder(folder), size_px)
            print(f"{folder}: {count} objects", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=("train", "validation"), default="validation")
    parser.add_argument("--rooms", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT"))
    given = parser.parse_args()
    size_px = (given.size[0], given.size[1])
    furnish_rooms(given.pack, given.out, split=given.split, rooms=given.rooms, seed=given.seed, size_px=size_px)


if __name__ == "__main__":
    main()
