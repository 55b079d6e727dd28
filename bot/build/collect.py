"""The RPM files that a build left: untrusted, so only plain files, and no link is followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bot.build.headers import is_debug
from bot.model.nevra import parse_nevra


def collect_rpms(source: Path, target: Path) -> list[Path]:
    """Moves the RPM files that a build left below `source` into `target`.

    The build could leave anything there: only plain files are taken, no link is followed.
    """
    target.mkdir()
    found = []
    if not stat.S_ISDIR(_mode(source)):
        return []
    for directory, _, names in os.walk(source):
        for name in sorted(names):
            path = Path(directory) / name
            if not name.endswith(".rpm") or not stat.S_ISREG(_mode(path)):
                continue
            place = target / name
            path.rename(place)
            if os.getuid() == 0:
                os.chown(place, 0, 0)
            place.chmod(0o644)
            found.append(place)
    return sorted(found)


def is_wanted(rpm: Path) -> bool:
    """Return whether an RPM file is a binary package that an overlay can hold."""
    try:
        nevra = parse_nevra(rpm.name.removesuffix(".rpm"))
    except ValueError:
        return True  # Its header is read, and says that it is none.
    return not is_debug(nevra.name) and nevra.arch not in ("src", "nosrc")


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0
