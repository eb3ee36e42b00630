"""A hub cache as the hub's own library lays it out: blobs under their digest, snapshots of links."""

from __future__ import annotations

import hashlib
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def add_to_cache(cache: Path, hub_id: str, file: str, data: bytes = b"{}", *, commit: str = COMMIT) -> Path:
    """One fetched file; returns its place in the snapshot."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    blob = repository / "blobs" / hashlib.sha256(data).hexdigest()
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    link = repository / "snapshots" / commit / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(blob)
    return link
