"""The files that a build sees, their key, and the directories that builds work in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bot import limits
from bot.build.buildroot import remove_tree
from bot.errors import SurroundingsError
from bot.locks import free_lock, locked

if TYPE_CHECKING:
    from bot.distro.cache import Cache

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from bot.build.fetch import WantedSource, inside
from bot.spec.tree import SourcesError, checked_name, source_directory

# Files whose names specs may compose: always included.
_INCLUDED = (".inc", ".lua", ".macros")


@dataclass(frozen=True, slots=True)
class SpecTree:
    """The input of a build: the spec's name and text, and files by their name in SOURCES."""

    spec_name: str
    spec_text: str
    files: Mapping[str, Path]

    def key(self) -> str:
        """Return a SHA-256 of all names, modes and contents: equal trees build equal packages."""
        digest = hashlib.sha256()
        digest.update(f"{self.spec_name}\0{self.spec_text}\0".encode("utf-8", "surrogateescape"))
        for name, path in sorted(self.files.items()):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name}\0{_mode(path):o}\0{content}\0".encode())
        return digest.hexdigest()

    def put_into(self, specs: Path, sources: Path) -> None:
        """Write the spec and its files into two directories: copies, with modes 0644 or 0755."""
        specs.mkdir(parents=True, exist_ok=True)
        sources.mkdir(parents=True, exist_ok=True)
        text = self.spec_text.encode("utf-8", "surrogateescape")
        (specs / self.spec_name).write_bytes(text)
        for name, path in self.files.items():
            target = sources / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(_mode(path))


def spec_tree(
    checkout: Path,
    spec_path: str,
    sources: Iterable[WantedSource],
    fetched: Mapping[str, Path],
    spec_text: str | None = None,
) -> SpecTree:
    """Return the tree of a spec file: its sources, and the files that its text mentions.

    Only these are available to the build, so only these are in its key: other files beside the spec
    may change without a new build. `fetched` are the downloaded files, by name.
    """
    spec = inside(checkout, checkout / spec_path)
    if spec is None:
        raise SourcesError(f"There is no spec file {spec_path}.")
    text = spec.read_text("utf-8", "surrogateescape") if spec_text is None else spec_text
    files = {source.name: source.local for source in sources if source.local is not None}
    files |= fetched
    directory = source_directory(checkout, spec_path)
    texts = [text]
    neighbours = _neighbours(directory, spec.name)
    while texts:
        source_text = texts.pop()
        for name in [name for name in neighbours if _mentions(source_text, name)]:
            del neighbours[name]
            path = inside(checkout, directory / name)
            if path is None or name in files:
                continue
            files[name] = path
            if path.stat().st_size <= limits.MACROS_IN_TREE:
                texts.append(path.read_text("utf-8", "replace"))
    return SpecTree(checked_name(PurePosixPath(spec_path).name), text, files)


def _neighbours(directory: Path, spec_name: str) -> dict[str, None]:
    names = (entry.name for entry in os.scandir(directory) if not entry.is_dir())
    return dict.fromkeys(sorted(name for name in names if name != spec_name))


def _mentions(text: str, name: str) -> bool:
    return name in text or name.endswith(_INCLUDED) or name.startswith("macros.")


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o111 else 0o644


# The cache's disk must have this much free for a build.
_LEAST_FREE = 1024**3  # bytes


@contextmanager
def scratch_directory(cache: Cache) -> Iterator[Path]:
    """Create an empty directory on the cache's disk; SurroundingsError if that is almost full."""
    place = cache.directory("scratch")
    with locked(cache.lock_file("scratch")):
        _remove_leftovers(place)
        free = shutil.disk_usage(place).free
        if free < _LEAST_FREE:
            raise SurroundingsError(
                f"The cache's disk has {free} bytes left, too few for a build.",
                "Free some space, or name another directory with --cache.",
            )
        directory = Path(tempfile.mkdtemp(dir=place))
        own = ExitStack()
        own.enter_context(locked(directory, shared=True))
    with own:
        try:
            yield directory
        finally:
            remove_tree(directory)


def _remove_leftovers(place: Path) -> None:
    """Remove the directories of killed builds, which nobody locks any more."""
    for path in place.iterdir():
        with suppress(OSError), free_lock(path) as is_free:
            if is_free:
                remove_tree(path)
