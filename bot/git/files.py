"""Files of a tree below a folder: read and written without following a link out of it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath

from bot.errors import ChangeError

LINK = "120000"
"""git's mode of a symbolic link."""


def checked_path(path: str) -> str:
    """`path` itself if it stays below its root; ChangeError for `..`, `.git`, `/x`."""
    parts = path.split("/")
    if any(p in ("", ".", "..") or p.lower() == ".git" or "\0" in p for p in parts):
        raise ChangeError(f"The repository has the path {path!r}, which is not allowed.")
    return path


def _link_stays_inside(path: str, target: str) -> bool:
    """Return whether a link at `path` cannot lead out of the tree, whatever other links it has.

    Allowed are only leading `..`, at most as many as the link's depth: its directories are real, so
    these resolve as written; the rest only goes down, through links that fulfil the same.
    """
    parts = PurePosixPath(target).parts
    if not parts or target.startswith("/") or "\0" in target:
        return False
    ups = next((i for i, p in enumerate(parts) if p != ".."), len(parts))
    return ups <= path.count("/") and ".." not in parts[ups:]


def write_below(directory: Path, path: str, mode: str, content: bytes) -> bool:
    """Write one file or link; return False for a link that would lead outside.

    ChangeError if the commit has another entry of the same path, which git itself never creates.
    """
    full = directory / path
    try:
        full.parent.mkdir(parents=True, exist_ok=True)
        if mode == LINK:
            target = os.fsdecode(content)
            if not _link_stays_inside(path, target):
                return False
            full.symlink_to(target)
            return True
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        permissions = 0o755 if mode == "100755" else 0o644
        with os.fdopen(os.open(full, flags, permissions), "wb") as file:
            file.write(content)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise ChangeError(f"The repository has the path {path!r} twice.") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise ChangeError(
            f"The repository has a path or link of {len(path)} characters, which no file here can"
            f" have: {path[:80]!r}...",
            "Nothing was evaluated: give it a shorter name.",
        ) from error
    return True


def read_below(top: Path, path: str) -> bytes | None:
    """A regular file's bytes; None if it is none, or if a part of `path` below `top` is a link."""
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.split("/"):
            following = os.open(
                part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor
            )
            os.close(descriptor)
            descriptor = following
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read()
    except OSError:
        return None
    finally:
        os.close(descriptor)
