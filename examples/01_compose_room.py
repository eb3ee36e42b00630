"""Compose a room of our own furniture, with ground truth, and write it to a folder.

python examples/01_compose_room.py ROOM            the example room (1024 x 768, about a minute and a half)
python examples/01_compose_room.py ROOM --seed 7   a random room
"""

import argparse
from pathlib import Path

from pixal3d_scene.learning.compose import compose_room
from pixal3d_scene.learning.example_room import example_room
from pixal3d_scene.learning.room_truth import write_room

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("folder", type=Path, help="where photo.jpg and its truth go")
arguments.add_argument("--seed", type=int, help="compose a random room instead of the example")
arguments.add_argument("--width", type=int, default=1024, help="of the photo in pixels; the height is 3/4 of it")
given = arguments.parse_args()

# 1. Compose: furniture in a shell, with lights and a camera.
size_px = (given.width, given.width * 3 // 4)
room = example_room(size_px) if given.seed is None else compose_room(given.seed, size_px=size_px)

# 2. Render the photo, cast one exact ray through each pixel's centre, sample the surfaces, write it all.
write_room(room, given.folder)

# 3. Say what is there.
for item in room.objects:
    print(f"{item.mask_value:3d}  {item.kind:14s} {'x'.join(f'{s:.2f}' for s in item.size_m)} m")
print(f"Written to {given.folder}: photo.jpg, camera.json, depth.png, instances.png, truth.npz, truth.glb, scene.json")
