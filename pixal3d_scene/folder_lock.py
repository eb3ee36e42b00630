"""A folder for one process alone, until it lets go or ends, however it ends.

Unix locks the folder itself, which leaves nothing behind. Windows locks files only: there it is a file in the folder.
"""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOCK_FILE = ".lock"


def lock_folder(folder: Path) -> Callable[[], None] | None:
    """What lets go of the lock; None where neither the system nor the folder's file system has any.

    Raises BlockingIOError where another process has it, OSError where the folder may not be opened.
    """
    for lock in (_lock_as_unix, _lock_as_windows):
        with suppress(ImportError):
            return lock(folder)
    return None


def _lock_as_unix(folder: Path) -> Callable[[], None] | None:
    fcntl = importlib.import_module("fcntl")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise
        return None  # some network file systems have no locks
    return lambda: os.close(handle)


def _lock_as_windows(folder: Path) -> Callable[[], None] | None:
    msvcrt = importlib.import_module("msvcrt")
    file = folder / LOCK_FILE
    handle = os.open(file, os.O_RDWR | os.O_CREAT)
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EACCES, errno.EDEADLK):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        return None

    def let_go() -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        os.close(handle)
        with suppress(OSError):  # Windows removes no file that another process has opened meanwhile
            file.unlink()

    return let_go
