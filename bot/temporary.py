"""Directories in the temporary folder, removed after use; those of killed runs are swept.

Each is locked (flock) during its run: a lock ends with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["change", "index", "rpm", "rpmdb", "spec", "trial"]


@contextmanager
def temporary_directory(kind: Kind, parent: Path | None = None) -> Iterator[Path]:
    """Create a directory `minimize-KIND-...` in `parent` (None: the temporary folder)."""
    while True:
        directory = tempfile.TemporaryDirectory(prefix=f"minimize-{kind}-", dir=parent)
        lock = _lock(Path(directory.name), fcntl.LOCK_SH)
        if Path(directory.name).exists():
            break
        # Another process swept it between its creation and the lock.
        if lock is not None:
            os.close(lock)
        directory.cleanup()
    try:
        with directory as name:
            yield Path(name)
    finally:
        if lock is not None:
            os.close(lock)


def sweep_temporary_directories(parent: Path | None = None) -> list[Path]:
    """Remove this user's directories of killed runs; return them.

    Directories that cannot be locked or removed stay: they are in use, or another user's.
    """
    place = parent or Path(tempfile.gettempdir())
    removed = []
    for kind in get_args(Kind):
        for path in sorted(place.glob(f"minimize-{kind}-*")):
            if not _is_ours(path):
                continue
            lock = _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock is None:
                continue
            try:
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
            if not path.exists():
                removed.append(path)
    return removed


def _is_ours(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def _lock(path: Path, how: int) -> int | None:
    """Return a descriptor with the lock; None if it is held, or the file system has no locks."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, how)
    except OSError:
        os.close(handle)
        return None
    return handle
