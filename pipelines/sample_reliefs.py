"""Look at the objects of rendered rooms, for training: files of `pipelines.render_rooms` in, samples of reliefs out.

`python -m pipelines.sample_reliefs ROOMS OUT`, both splits; what is there is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pixal3d_scene.frontend.front_end_weights import read_front_end
from pixal3d_scene.learning.relief_samples import sample_reliefs
from pixal3d_scene.learning.room_cache import read_batch
from pixal3d_scene.weights.own import FRONT_END, own_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path, help="of the front-end network; the package's own without it")
    given = parser.parse_args()
    network = read_front_end(given.weights or own_weights(FRONT_END))
    for path in sorted(given.rooms.glob("*.npz")):
        file = given.out / path.name
        if not file.exists() and not path.name.endswith(".part.npz"):
            samples = sample_reliefs(read_batch(path), network)
            samples.write(file)
            print(f"{file}: {len(samples.picture)} objects", flush=True)


if __name__ == "__main__":
    main()
