"""What a server says to a request for a small file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A small answer; `content` null where the server says that nothing changed (304)."""

    content: bytes | None
    etag: str | None = None
    last_modified: str | None = None
