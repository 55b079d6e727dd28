"""Real files that say what images ask for: each is read, or neutral with a line named.

    python -m tests.corpus.requests FOLDER

`FOLDER` has a folder for each repository. Prints a table, and ends with 1 where a file makes a
reader fail or where nothing at all is found in one.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.errors import ChangeError
from bot.requests.kinds import images_of, kind_of
from bot.requests.rpms_in import read_rpms_lock
from bot.requests.values import WrittenImage


@dataclass(frozen=True)
class Outcome:
    """The outcome of reading one file; `state` is `read`, `neutral`, `nothing` or `failed`."""

    repository: str
    path: str
    kind: str
    state: str
    why: str = ""


def outcomes(folder: Path) -> Iterator[Outcome]:
    """The outcome of each file of a kind that is read, in the folders of all repositories."""
    for repository in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = {
            str(p.relative_to(repository)): p.read_bytes()
            for p in sorted(repository.rglob("*"))
            if p.is_file() and not p.is_symlink()
        }
        for path, content in files.items():
            kind = kind_of(path, [files])
            if kind is not None and kind.name == "rpms.lock":
                yield Outcome(repository.name, path, kind.name, *_locked(path, content))
            if kind is None or kind.images is None:
                continue
            try:
                images = images_of(kind.name, path, files)
            except Exception as error:  # noqa: BLE001  # that none does is what this shows
                yield Outcome(repository.name, path, kind.name, "failed", repr(error))
                continue
            yield Outcome(repository.name, path, kind.name, *_state(images, path, content))


def _locked(path: str, content: bytes) -> tuple[str, str]:
    try:
        found = read_rpms_lock(path, content).packages
    except ChangeError as error:
        return ("neutral" if re.match(r".+:\d+: ", error.what) else "failed"), error.what
    return ("read", "") if found else ("nothing", path)


def _state(images: tuple[WrittenImage, ...], path: str, content: bytes) -> tuple[str, str]:
    unread = [(u.line, u.why) for image in images for u in image.unread]
    if any(line.line < 1 or not line.path for line, _ in unread):
        return "failed", "a problem without its line"
    if any(not image.unread and image.entries for image in images):
        return "read", ""
    if unread:
        return "neutral", unread[0][1]
    return "nothing", path


def main(folder: Path) -> int:
    """Print the table of a folder."""
    found = list(outcomes(folder))
    states = ("read", "neutral", "nothing", "failed")
    print(f"{'kind':<14}", *(f"{state:>8}" for state in states))
    for kind in sorted({one.kind for one in found}):
        counts = Counter(one.state for one in found if one.kind == kind)
        print(f"{kind:<14}", *(f"{counts[state]:>8}" for state in states))
    repositories = {one.repository for one in found}
    print(f"{len(found)} files of {len(repositories)} repositories")
    for why, count in Counter(o.why for o in found if o.state == "neutral").most_common(25):
        print(f"{count:>6}  {why}")
    for one in found:
        if one.state in ("nothing", "failed"):
            print(one.state, one.repository, one.path, one.why)
    return 1 if any(one.state == "failed" for one in found) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
