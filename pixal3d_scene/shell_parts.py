"""The parts of a room that a pixel can show. A module of its own: training machines have torch and numpy alone."""

from __future__ import annotations

# What a value of `Instances.shell_map` means; 0: not part of the shell, or not known.
SHELL_PARTS = ("", "floor", "wall", "ceiling", "window", "door")
