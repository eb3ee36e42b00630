"""The revision of a part of this package: a digest of its own source, so that a changed method is never resumed."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from .errors import BackendMissing

_PACKAGE = Path(__file__).parent


@cache
def code_revision(*patterns: str) -> str:
    """Digest of the package's files that match (such as "layout/*.py").

    Raises BackendMissing where none does: an installation without its source, such as of compiled files alone.
    Ask for it when a part is made, not when its module is imported: what needs no such part then goes on.
    """
    digest = hashlib.sha256()
    for pattern in patterns:
        files = sorted(_PACKAGE.glob(pattern))
        if not files:
            raise BackendMissing(
                f"The package's own files {pattern} are not in this installation ({_PACKAGE}), so that kept results "
                "of another version could not be told apart; install it again, with its source."
            )
        for file in files:
            digest.update(file.relative_to(_PACKAGE).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
