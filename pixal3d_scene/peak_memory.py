"""The most memory this process has had so far, where the system tells it."""

from __future__ import annotations

import importlib
import sys


def peak_memory_bytes() -> int | None:
    """None where Python has no `resource`, as on Windows."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
