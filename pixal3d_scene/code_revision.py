"""The revision of a part of this package: a digest of its own source, so that a changed method is never resumed."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def code_revision(*patterns: str) -> str:
    """Digest of the package's files that match (such as "layout/*.py"); raises ValueError where none does."""
    digest = hashlib.sha256()
    for pattern in patterns:
        files = sorted(_PACKAGE.glob(pattern))
        if not files:
            raise ValueError(f"No file of the package matches {pattern}.")
        for file in files:
            digest.update(file.relative_to(_PACKAGE).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
