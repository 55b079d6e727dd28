"""The rpmrc of a tree of macro files: the host library's tables, then the distribution's.

rpm reads `/usr/lib/rpm/rpmrc` first and then the rpmrc of the vendor that it was compiled for
(rpm's lib/rpmrc.c, setDefaults). Fedora's, RHEL's and Azure Linux's vendor files therefore begin
with an include of `/usr/lib/rpm/rpmrc`. A host of another vendor never looks for them, so what they
say has to stand in the first file, and includes must not lead back to it: here every include is
replaced by what it names, once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

CONFIG = "usr/lib/rpm"
# lib/rpmrc.c: the options of optionTable and the tables that an rpmrc may fill. rpm takes a line
# with any other for an error of the whole file, and then reads no configuration at all.
_DIRECTIVES = frozenset(
    {
        "optflags",
        "archcolor",
        *(f"{kind}_canon" for kind in ("arch", "os")),
        *(f"{kind}_compat" for kind in ("arch", "os", "buildarch", "buildos")),
        "buildarchtranslate",
        "buildostranslate",
    }
)
_LINE = re.compile(r"^\s*([A-Za-z_]+)\s*:\s*(.*?)\s*$")
# The macros with which rpmrc files name places; rpm expands the path of an include (rpmGetPath).
_PLACES = {
    "_rpmconfigdir": f"/{CONFIG}",
    "_usrlibrpm": f"/{CONFIG}",
    "_prefix": "/usr",
    "_usr": "/usr",
    "_sysconfdir": "/etc",
    "_etc": "/etc",
}
_MACRO = re.compile(r"%(?:\{(\w+)\}|(\w+))")


def assemble_rpmrc(root: Path, host: str) -> None:
    """Writes the rpmrc of the tree at `root`, and takes the includes out of its vendors' own.

    Whose is what: the tables of architectures (`arch_canon`, `arch_compat`, ...) are looked up by
    the library that runs, which is the host's, so `host`, the text of its rpmrc, comes first. The
    compiler flags, the architectures a build may name, and their compatibility are the
    distribution's: its own rpmrc and its vendors' follow, and librpm takes the later line.
    """
    config = root / CONFIG
    own = config / "rpmrc"
    vendors = sorted(config.glob("*/rpmrc"))
    seen: set[Path] = set()
    lines = list(host.splitlines())
    texts = {path: list(_flat(root, path, seen)) for path in (own, *vendors)}
    for path in (own, *vendors):
        lines += texts[path]
    _replace(own, lines)
    for path in vendors:
        # A host of this vendor reads it again, after the first one, which has it all already.
        _replace(path, texts[path])


def _flat(root: Path, path: Path, seen: set[Path]) -> Iterator[str]:
    """The lines of an rpmrc with what it includes in their place; a file only the first time."""
    real = path.resolve()
    if real in seen or not real.is_relative_to(root.resolve()) or not real.is_file():
        return
    seen.add(real)
    for line in real.read_text(errors="surrogateescape").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        directive = match[1].lower()
        if directive == "include":
            yield from _flat(root, root / _named(match[2]).lstrip("/"), seen)
        elif directive in _DIRECTIVES:
            yield line


def _named(text: str) -> str:
    """The path that an include names, its macros expanded and its `..` taken away."""

    def place(match: re.Match[str]) -> str:
        return _PLACES.get(match[1] or match[2], match[0])

    return os.path.normpath(_MACRO.sub(place, text))


def _replace(path: Path, lines: Iterable[str]) -> None:
    # The file may be a hard link into another tree: a new one takes its place.
    text = "".join(f"{line}\n" for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, errors="surrogateescape")
    path.chmod(0o644)
