"""The cache directory: content-addressed, shared by processes, safe to delete at any time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bot import locks
from bot.errors import SurroundingsError


class Cache:
    """A cache below `root`, which is created when something is first written.

    Files appear whole or not at all: they are written beside their place and renamed into it.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"Cache({str(self.root)!r})"

    def directory(self, name: str) -> Path:
        """The directory `name` below the root, created."""
        path = self.root / name
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(path, error) from error
        return path

    @contextmanager
    def lock(self, name: str, seconds: float = locks.LIMIT) -> Iterator[None]:
        """Hold the lock `name` (a file name), once nobody else does.

        Raises LockedError where another holds it for `seconds` and more.
        """
        path = self.lock_file(name)
        with ExitStack() as stack:
            try:
                stack.enter_context(locks.locked(path, seconds=seconds))
            except OSError as error:
                raise self._unusable(path, error) from error
            yield

    def lock_file(self, name: str) -> Path:
        """The file of the lock `name`; its directory is made."""
        return self.directory("locks") / f"{name}.lock"

    def write(self, path: Path, content: bytes) -> None:
        """Puts `content` at `path` below the root, at once."""
        with self.replacing(path) as temporary:
            temporary.write_bytes(content)

    @contextmanager
    def replacing(self, path: Path) -> Iterator[Path]:
        """A new file to write; it takes the place of `path` if the block ends without an error."""
        temporary = self.temporary(path)
        try:
            yield temporary
            temporary.replace(path)
        except OSError as error:
            raise self._unusable(path, error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def temporary(self, path: Path) -> Path:
        """An empty file of our own in the directory of `path`, which is created."""
        import tempfile

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
            # mkstemp's 0600 would keep other users of a shared cache out.
            os.fchmod(handle, 0o644)
            os.close(handle)
        except OSError as error:
            raise self._unusable(path, error) from error
        return Path(name)

    def addressed(self, kind: str, checksum: str, name: str = "") -> Path:
        """The place of the content `checksum`: `KIND/ab/abcdef...[-NAME]`; nothing is created."""
        suffix = f"-{name}" if name else ""
        return self.root / kind / checksum[:2] / f"{checksum}{suffix}"

    def _unusable(self, path: Path, error: OSError) -> SurroundingsError:
        return SurroundingsError(
            f"The cache cannot be written: {path}: {error.strerror or error}.",
            "Free some space, or name another directory with --cache.",
        )
