"""What is in a weights file, as a SHA-256, computed once: gigabytes are not read again at every start.

Digests are remembered by path, size and time of change in the package's cache. A hub file needs no reading at all to
be named: the hub's cache stores it under its own digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

from .location import own_cache

_CHUNK_BYTES = 1 << 24
_HUB_BLOB = re.compile(r"[0-9a-f]{64}")


def content_digest(path: Path) -> str:
    """SHA-256 of a file, in hex: from the hub's file name, from memory, or computed and remembered."""
    real = path.resolve()
    promised = promised_digest(path)
    if promised is not None:
        return promised
    about = real.stat()
    memory = own_cache() / "digests" / f"{hashlib.sha256(str(real).encode()).hexdigest()[:32]}.json"
    known = [str(real), about.st_size, about.st_mtime_ns]
    try:
        remembered = json.loads(memory.read_text())
        if remembered["file"] == known:
            return str(remembered["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not remembered, or not readable: compute it
    digest = computed_digest(real)
    _remember(memory, {"file": known, "sha256": digest})
    return digest


def promised_digest(path: Path) -> str | None:
    """The digest under which the hub's cache stores a large file, None for any other file."""
    real = path.resolve()
    return real.name if real.parent.name == "blobs" and _HUB_BLOB.fullmatch(real.name) else None


def computed_digest(path: Path) -> str:
    """SHA-256 of what is on the disk now."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _remember(memory: Path, facts: dict[str, object]) -> None:
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=memory.parent)
        with os.fdopen(handle, "w") as file:
            json.dump(facts, file)
        os.replace(temporary, memory)
    except OSError:
        pass  # a cache that cannot be written only costs time
