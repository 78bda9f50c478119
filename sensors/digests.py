"""What a sensor showed last, as a cursor of bounded length: it shows again only what has changed."""

import hashlib
from collections.abc import Iterable


def digest(lines: Iterable[str]) -> str:
    """Differs when a line does, or their order."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
