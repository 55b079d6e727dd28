"""Trees of macro files: what the sandbox sees as /usr/lib/rpm and /etc/rpm.

A tree has the files of a set of packages and serves every architecture whose packages have the same
files. Macro files that define other values for one of them (`%_host_cpu` in rpm's own, `%_libdir`
in /etc/rpm) need no other tree: those definitions go into a file that rpm reads for this
architecture alone.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bot.spec.inside.markers import logical_lines

HOST = Path("/usr/lib/rpm")
_ELF = b"\x7fELF"
_DEFINITION = re.compile(r"^\s*%([A-Za-z_]\w*)")


def build_trees(target: Path, packages: Mapping[str, Sequence[Path]]) -> dict[str, str]:
    """Write the trees of all architectures to `target`; return each one's tree, by name.

    Later packages of an architecture win. Architectures share a tree if only macro definitions
    would differ between them.
    """
    trees: list[_Tree] = []
    names: dict[str, str] = {}
    for arch, directories in packages.items():
        files = _files(directories)
        for tree in trees:
            if tree.take(arch, files):
                break
        else:
            tree = _Tree(target / str(len(trees)), arch, files)
            trees.append(tree)
        names[arch] = tree.root.name
    for tree in trees:
        tree.complete()
    return names


def _files(directories: Sequence[Path]) -> dict[str, Path]:
    """Each file and link below these directories, by relative path."""
    files: dict[str, Path] = {}
    for directory in directories:
        for path, folders, names in os.walk(directory):
            links = [name for name in folders if Path(path, name).is_symlink()]
            for name in (*names, *links):
                file = Path(path, name)
                files[str(file.relative_to(directory))] = file
    return dict(sorted(files.items()))


class _Tree:
    """A tree under construction; `files` are those of its architectures, by path."""

    def __init__(self, root: Path, arch: str, files: Mapping[str, Path]) -> None:
        self.root = root
        self._files = dict(files)
        self._arches = [arch]
        # Definitions for one architecture, by the file from which rpm reads them.
        self._own: dict[str, list[str]] = {}

    def take(self, arch: str, files: Mapping[str, Path]) -> bool:
        """Add the files of one more architecture if they fit the tree; return whether they do."""
        platform = f"{CONFIG}/platform/{arch}-linux/"
        own: dict[str, list[str]] = {}
        for path, file in files.items():
            before = self._files.get(path)
            if before is None or _same(before, file) or path.startswith(platform):
                continue
            if path.startswith(f"{CONFIG}/platform/") or _is_program(before):
                continue  # another architecture's, or a program that cannot run here
            place = _arch_file(path, arch)
            definitions = _differing(before, file) if place is not None else None
            if place is None or definitions is None:
                return False
            own.setdefault(place, []).extend(definitions)
        if not self._absent(files):
            return False
        self._files = {
            **files,
            **self._files,
            **{path: file for path, file in files.items() if path.startswith(platform)},
        }
        self._arches.append(arch)
        self._own.update(own)
        return True

    def _absent(self, files: Mapping[str, Path]) -> bool:
        """Return whether no file with macro definitions is only in the tree or only in `files`."""
        return not any(
            _defines(path) and not path.startswith(f"{CONFIG}/platform/")
            for path in set(files) ^ set(self._files)
        )

    def complete(self) -> None:
        """Write the tree."""
        for path, file in self._files.items():
            _link(file, self.root / path, self.root)
        _add_host(self.root)
        for path, definitions in self._own.items():
            place = self.root / path
            before = place.read_text(errors="surrogateescape") if place.is_file() else ""
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            text = "".join(f"{definition}\n" for definition in definitions)
            place.write_text(text + before, errors="surrogateescape")


def _add_host(root: Path) -> None:
    """Add files that the host's librpm needs to the distribution's.

    These are its rpmrc (`assemble_rpmrc`), its macros (the library needs some that an older
    distribution does not define), and the platforms that the distribution's rpm lacks.
    """
    config = root / CONFIG
    config.mkdir(parents=True, exist_ok=True)
    host = HOST / "rpmrc"
    assemble_rpmrc(root, host.read_text(errors="surrogateescape") if host.is_file() else "")
    if (HOST / "macros").is_file():
        shutil.copyfile(HOST / "macros", config / "macros.minimize")
        if not (config / "macros").is_file():
            shutil.copyfile(HOST / "macros", config / "macros")
    for platform in sorted((HOST / "platform").glob("*-linux")):
        own = config / "platform" / platform.name
        if not (own / "macros").is_file() and (platform / "macros").is_file():
            own.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(platform / "macros", own / "macros")


def _arch_file(path: str, arch: str) -> str | None:
    """The file that rpm reads, soon after the macro file `path`, for `arch` alone.

    librpm reads `macros`, `macros.d/*`, the platform's, `fileattrs/*`, the vendor's, /etc/rpm
    (lib/rpmrc.c, setDefaults); null if `path` is none of them.
    """
    if path == f"{CONFIG}/macros" or path.startswith(f"{CONFIG}/macros.d/macros."):
        return f"{CONFIG}/platform/{arch}-linux/macros"
    if re.fullmatch(rf"{CONFIG}/[^/]+/macros", path) or path.startswith("etc/rpm/macros"):
        return f"etc/rpm/{arch}-linux/macros"
    return None


def _defines(path: str) -> bool:
    return _arch_file(path, "any") is not None or path.endswith((".attr", ".lua", "/rpmrc"))


def _same(first: Path, second: Path) -> bool:
    if first == second:
        return True
    if first.is_symlink() or second.is_symlink():
        return first.is_symlink() and second.is_symlink() and first.readlink() == second.readlink()
    return filecmp.cmp(first, second, shallow=False)


def _is_program(path: Path) -> bool:
    if path.is_symlink():
        return False
    with path.open("rb") as file:
        return file.read(len(_ELF)) == _ELF


def _differing(before: Path, after: Path) -> list[str] | None:
    """The definitions that the macro file `after` has and `before` lacks; null if the files differ
    in more."""
    if before.is_symlink() or after.is_symlink():
        return None
    old, new = dict(_definitions(before)), dict(_definitions(after))
    if set(old) - set(new):
        return None
    return [text for name, text in new.items() if old.get(name) != text]


def _definitions(path: Path) -> Iterator[tuple[str, str]]:
    lines = path.read_text(errors="surrogateescape").split("\n")
    for start, end in logical_lines(lines):
        match = _DEFINITION.match(lines[start])
        if match is not None:
            yield match[1], "\n".join(lines[start : end + 1])


def _link(file: Path, place: Path, root: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        return  # a broken link is where this package has a directory
    if place.is_dir() or not place.parent.resolve().is_relative_to(root.resolve()):
        return
    place.unlink(missing_ok=True)
    if file.is_symlink():
        place.symlink_to(file.readlink())
        return
    try:
        os.link(file, place)
    except OSError:
        shutil.copy2(file, place)


CONFIG = "usr/lib/rpm"
# lib/rpmrc.c: the options of optionTable and the tables of an rpmrc. rpm treats any other
# line as an error of the whole file, and then reads no configuration at all.
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
_LINE = re.compile(r"^\s*([A-Za-z_]+)\s*:(.*)$")
# The macros with which rpmrc files name places; rpm expands the path of an include (rpmGetPath).
_PLACES = {
    "_rpmconfigdir": f"/{CONFIG}",
    "_usrlibrpm": f"/{CONFIG}",
    "_prefix": "/usr",
    "_usr": "/usr",
    "_sysconfdir": "/etc",
    "_etc": "/etc",
}
_MOST_INCLUDED = 200  # files; distributions have two
_MACRO = re.compile(r"%(?:\{(\w+)\}|(\w+))")


def assemble_rpmrc(root: Path, host: str) -> None:
    """Write the rpmrc of the tree at `root`, and remove the includes from its vendors' files.

    The running library, the host's, needs its own tables of architectures (`arch_canon`,
    `arch_compat`, ...), so `host`, the text of its rpmrc, comes first. The compiler flags,
    buildable architectures and their compatibility are the distribution's: its own rpmrc and its
    vendors' follow, and librpm uses the later line.
    """
    config = root / CONFIG
    own = config / "rpmrc"
    vendors = sorted(config.glob("*/rpmrc"))
    included: set[Path] = set()
    lines = list(host.splitlines())
    texts = {path: list(_with_includes(root, path, included)) for path in (own, *vendors)}
    for path in (own, *vendors):
        lines += texts[path]
    _replace(own, lines)
    for path in vendors:
        # A host of this vendor reads it again after the first file, which has all of it already.
        _replace(path, texts[path])


def _with_includes(root: Path, path: Path, included: set[Path]) -> Iterator[str]:
    """The lines of an rpmrc with included files in place, each file once."""
    if "\0" in str(path) or len(included) >= _MOST_INCLUDED:
        return
    real = path.resolve()
    # Not `Path.is_file`, which raises if a name is too long.
    if real in included or not real.is_relative_to(root.resolve()) or not os.path.isfile(real):  # noqa: PTH113
        return
    included.add(real)
    for line in real.read_text(errors="surrogateescape").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        directive = match[1].lower()
        if directive == "include":
            yield from _with_includes(
                root, root / _included_path(match[2].strip()).lstrip("/"), included
            )
        elif directive in _DIRECTIVES:
            yield line


def _included_path(text: str) -> str:
    """The path that an include names, with its macros expanded and `..` resolved."""

    def place(match: re.Match[str]) -> str:
        return _PLACES.get(match[1] or match[2], match[0])

    return os.path.normpath(_MACRO.sub(place, text))


def _replace(path: Path, lines: Iterable[str]) -> None:
    # The file may be a hard link into another tree: it is replaced, not rewritten.
    text = "".join(f"{line}\n" for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, errors="surrogateescape")
    path.chmod(0o644)
