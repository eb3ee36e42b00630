"""Every error the package raises on purpose. Only `cli.py` turns them into exit codes.

    SceneError
    ├── InputError          bad photo, mask, depth, camera, setting or flag     exit 2
    │   └── ShapeError      an array of the wrong shape, with both shapes
    ├── BackendMissing      a package, a GPU or weights are not there           exit 3
    ├── StageFailed         carries .stage and .object_name                     exit 4
    └── OutputError         disk full, folder not writable                      exit 4

A scene whose objects fell back to a simpler generator is no error: `RoomRun.fell_back` names them (exit 5).

A message has three parts: what failed, why, what to do about it.
"""

from __future__ import annotations


class SceneError(Exception):
    """Base of all errors raised on purpose."""


class InputError(SceneError):
    """Something the user gave cannot be used; nothing was written."""


class ShapeError(InputError):
    """An array has another shape than the rest of the data says."""

    def __init__(self, name: str, expected: object, got: object) -> None:
        super().__init__(f"{name} has shape {got}, expected {expected}.")
        self.name, self.expected, self.got = name, expected, got


class BackendMissing(SceneError):
    """A part of the machine that the job needs is not installed."""


class StageFailed(SceneError):
    """A stage could not finish. `object_name` is None where the whole scene is concerned."""

    def __init__(self, stage: str, reason: str, *, object_name: str | None = None) -> None:
        where = f"{stage} of {object_name}" if object_name else stage
        super().__init__(f"{where} failed: {reason}")
        self.stage, self.reason, self.object_name = stage, reason, object_name


class OutputError(SceneError):
    """The result cannot be written; the run folder is as it was before the failing file."""
