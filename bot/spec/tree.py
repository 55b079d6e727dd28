"""The files of a checkout that a spec file may read while it is evaluated: a copy of them.

The copy has modes that the sandbox's user can read, whatever the checkout's are, and it has no
`.git`, nothing huge, and no link that leads out of it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_MOST_BYTES = 32 * 1024 * 1024
_MOST_FILE = 2 * 1024 * 1024
_MOST_FILES = 5000


@dataclass(frozen=True, slots=True)
class SpecTree:
    """A copy at `root`; `sources` is the path in it where `Source:` files lie."""

    root: Path
    sources: str

    def read(self, path: str) -> str | None:
        """The text of a file of the copy, by its path in the checkout; None if it is not there."""
        target = self.root / os.path.normpath(path)
        if not target.resolve().is_relative_to(self.root.resolve()) or not target.is_file():
            return None
        return target.read_text(encoding="utf-8", errors="surrogateescape")


def copy_spec_tree(checkout: Path, spec: Path, target: Path) -> SpecTree:
    """Copy the directory of `spec` (relative to `checkout`), and SOURCES beside SPECS.

    Files beyond 2 MiB each, 32 MiB or 5,000 files together are left out: sources need not be
    there for a spec file to be evaluated.
    """
    target.mkdir(mode=0o755)
    directory = spec.parent
    sources = directory
    wanted = [directory]
    if directory.name == "SPECS":
        sources = directory.parent / "SOURCES"
        if (checkout / sources).is_dir():
            wanted.append(sources)
    copier = _Copier(checkout.resolve(), target)
    copier.file(spec)
    for each in wanted:
        copier.directory(each)
    return SpecTree(target, str(sources))


class _Copier:
    def __init__(self, checkout: Path, target: Path) -> None:
        self._checkout = checkout
        self._target = target
        self._bytes = 0
        self._files = 0

    def directory(self, relative: Path) -> None:
        for path, directories, files in os.walk(self._checkout / relative):
            here = Path(path).relative_to(self._checkout)
            directories[:] = sorted(name for name in directories if name != ".git")
            for name in sorted(files):
                self.file(here / name)

    def file(self, relative: Path) -> None:
        source = self._checkout / relative
        # A link is followed if it stays inside: the copy holds plain files only.
        real = source.resolve()
        if not real.is_relative_to(self._checkout) or ".git" in real.parts or not real.is_file():
            return
        size = real.stat().st_size
        too_much = self._bytes + size > _MOST_BYTES or self._files >= _MOST_FILES
        if size > _MOST_FILE or too_much:
            return
        copy = self._target / relative
        if copy.exists():
            return
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copyfile(real, copy)
        copy.chmod(0o755 if real.stat().st_mode & 0o100 else 0o644)
        self._bytes += size
        self._files += 1
