"""The contents of packages: the names that their files mention, and the programs that they run.

A program, soname or module is mentioned by a whole string of an ELF file (or by one in quotes: the
note .note.dlopen is JSON), in other files by a whole word. A path is mentioned by itself or by a
path below it. Documentation does not count, nor do the symbols of an ELF file (`shutdown`). Without
the package's file only its header is read: scriptlets and links.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal

from bot.advice.headers import Facts, HeaderFacts, OwnedFile
from bot.advice.shell import (
    AndOr,
    Body,
    Command,
    Group,
    If,
    Node,
    Pipeline,
    UnreadableError,
    commands_in,
    parse_shell,
)
from bot.advice.swaps import Offer
from bot.distro.packages import package_at_hand
from bot.image.listing import listing
from bot.image.payload import Content, read_payload
from bot.image.rpmheader import RefusedPackageError
from bot.model.package import Package

Depth = Literal["files", "headers"]
DOCUMENTATION = re.compile(
    r"^/usr/share/(?:doc|man|info|licenses|common-licenses|locale|help|gtk-doc)/"
)
_UNIT = re.compile(r"/systemd/(?:system|user)/[^/]+\.(?:service|socket|mount|swap)$")
_EXEC = re.compile(rb"^Exec(?:Start|StartPre|StartPost)=[-@:+!|]*(/[^\s;]+)", re.MULTILINE)
_WORDS, _PATHS = re.compile(rb"[\w+.:@-]+"), re.compile(rb"/[\w./+@:-]+")
_QUOTED = re.compile(rb'"([\w./+-]+)"')
# The suffix for scriptlets that test for what they run, or ignore its failure.
WHICH_DO_WITHOUT = " (which do without)"
_BUILD_IDS = "/usr/lib/.build-id"
_LIBRARY = re.compile(r"\.so(?:\.|\(|$)")
_PARTS = re.compile(rb"::|[./]")
_SHORT = 3  # letters: shorter names of programs (`[`, `ps`) are words of any text
_MOST_READ = 200_000_000  # bytes of one file: a larger one is taken for no program and no script
_MERGED = re.compile(r"^/(?=(?:s?bin|lib|lib64)/)")


@dataclass(frozen=True, slots=True)
class Names:
    """The names by which leaving packages can be used: words (programs, sonames), modules,
    paths."""

    words: frozenset[bytes] = frozenset()
    modules: frozenset[bytes] = frozenset()
    paths: frozenset[bytes] = frozenset()

    def __or__(self, other: Names) -> Names:
        return Names(
            self.words | other.words, self.modules | other.modules, self.paths | other.paths
        )

    @property
    def all(self) -> frozenset[bytes]:
        """The words, modules and paths in one set."""
        return self.words | self.modules | self.paths


@dataclass(frozen=True, slots=True)
class PackageContents:
    """The names that a package mentions, by the file, and the paths that its scripts and units run.

    Scriptlets count as a file, `scriptlets of NAME`, followed by WHICH_DO_WITHOUT where none of
    their commands needs what is named. `depth` says whether files or only headers were read.
    """

    depth: Depth
    mentions: tuple[tuple[str, frozenset[bytes]], ...]
    runs: tuple[tuple[str, str], ...] = ()


def names_of(offers: Iterable[Offer], files: Collection[str], staying: Collection[str]) -> Names:
    """Return the names of packages with these offers and files; `staying` are others' paths."""
    words: set[bytes] = set()
    modules: set[bytes] = set()
    paths: set[bytes] = set()
    for offer in offers:
        words |= {soname.encode() for soname in offer.sonames}
        paths |= {path.encode() for path in offer.programs}
        programs = (path.rpartition("/")[2] for path in offer.programs)
        words |= {name.encode() for name in programs if len(name) >= _SHORT}
        # Of `perl(A::B)` and `python3dist(a)` the part in brackets.
        modules |= {(m.partition("(")[2].rstrip(")") or m).encode() for m in offer.modules}
    paths |= {path.encode() for path in own_places(files, staying)}
    return Names(frozenset(words), frozenset(modules), frozenset(paths))


def own_places(files: Collection[str], staying: Collection[str]) -> frozenset[str]:
    """Return the paths that only leaving packages have, as whole directories if possible."""
    shared: set[str] = set()
    for path in staying:
        place = path
        while place and place not in shared:
            shared.add(place)
            place = place.rpartition("/")[0]
    found: set[str] = set()
    for path in files:
        if path in shared or DOCUMENTATION.match(path) or path.startswith(_BUILD_IDS):
            continue
        place = path
        while (parent := place.rpartition("/")[0]) not in shared and parent.count("/") > 1:
            place = parent
        found.add(place)
    return frozenset(found)


def contents_of(package: Package, headers: HeaderFacts, names: Names) -> PackageContents | None:
    """Return the contents of a package; None where not even its header can be read."""
    headers.read([package])
    facts = headers.of(package.nevra)
    if facts is None:
        return None
    found = list(_in_header(package, facts, names))
    path = package_at_hand(package, headers.cache)
    if path is None:
        return PackageContents("headers", tuple(found))
    runs: list[tuple[str, str]] = []
    data_only = {file.path for file in facts.files if _is_data(file)}
    entries = listing(package, headers.cache)

    def take(index: int, size: int, content: Content) -> None:
        entry = entries.files[index]
        if size > _MOST_READ or DOCUMENTATION.match(entry.path):
            return
        data = b"".join(content)
        wanted = replace(names, words=frozenset()) if entry.path in data_only else names
        mentioned = _mentioned(data, wanted)
        if mentioned:
            found.append((entry.path, mentioned))
        runs.extend((entry.path, target) for target in _run_by(entry.path, entry.mode, data))

    try:
        read_payload(str(package.nevra), path, entries, take)
    except RefusedPackageError:
        return None
    return PackageContents("files", tuple(sorted(found, key=lambda f: f[0])), tuple(runs))


def _is_data(file: OwnedFile) -> bool:
    """Return whether a library needs no other library, not even the C library.

    Such a library cannot run anything: the name of a program in it is data (libicudata has `perl`).
    """
    needs = any(_LIBRARY.search(need) for need in file.needs)
    return not needs and any(_LIBRARY.search(provided) for provided in file.provides)


def is_unit(path: str) -> bool:
    """Return whether a path is that of a systemd unit that runs programs."""
    return _UNIT.search(path) is not None


def merged(path: str) -> str:
    """Return a path with /bin, /sbin, /lib and /lib64 replaced by those below /usr."""
    return _MERGED.sub("/usr/", path)


def started_by_units(package: Package, headers: HeaderFacts) -> frozenset[str] | None:
    """Return the absolute paths that a package's units start.

    Null where it may have units, and its file is not available.
    """
    facts, path = headers.of(package.nevra), package_at_hand(package, headers.cache)
    if facts is not None and not any(is_unit(file.path) for file in facts.files):
        return frozenset()
    if facts is None or path is None:
        return None
    entries = listing(package, headers.cache)
    found: set[str] = set()

    def take(index: int, size: int, content: Content) -> None:
        entry = entries.files[index]
        if is_unit(entry.path) and size <= _MOST_READ:
            started = _EXEC.findall(b"".join(content))
            found.update(path.decode(errors="replace") for path in started)

    try:
        read_payload(str(package.nevra), path, entries, take)
    except RefusedPackageError:
        return None
    return frozenset(found)


def _in_header(
    package: Package, facts: Facts, names: Names
) -> Iterator[tuple[str, frozenset[bytes]]]:
    def leaves(tested: str) -> bool:
        words = {tested.encode(), merged(tested).encode()}
        return bool(words & names.words or _with_paths(words, names))

    bare = "\n".join(c for _, text in facts.scripts for c in bare_commands(text, leaves))
    where = f"scriptlets of {package.nevra.name}"
    if mentioned := _mentioned(bare.encode(), names):
        yield where, mentioned
    elif mentioned := _mentioned(facts.scriptlets.encode(), names):
        yield f"{where}{WHICH_DO_WITHOUT}", mentioned
    for file in facts.files:
        if file.link.startswith("/") and not DOCUMENTATION.match(file.path):
            linked = _with_paths([file.link.encode()], names)
            if linked:
                yield file.path, frozenset(linked)


def _mentioned(data: bytes, names: Names) -> frozenset[bytes]:
    if data.startswith(b"\x7fELF"):
        strings = {*without_string_tables(data).split(b"\0"), *_QUOTED.findall(data)}
        # A module of one word (`POSIX`) can be any word of the data; a program names it `A::B`.
        found = strings & (names.words | {name for name in names.modules if _PARTS.search(name)})
        return frozenset(found | _with_paths((s for s in strings if s[:1] == b"/"), names))
    words = {word.rstrip(b".:,-") for word in _WORDS.findall(data)}
    found = words & (names.words | names.modules)
    if names.modules:
        found |= {first for word in words if (first := word.split(b".")[0]) in names.modules}
    return frozenset(found | _with_paths(set(_PATHS.findall(data)), names))


def _with_paths(texts: Iterable[bytes], names: Names) -> set[bytes]:
    """Return the paths of `names` that are among the texts or above one of them."""
    found: set[bytes] = set()
    for text in texts if names.paths else ():
        place = text.rstrip(b"/.:")
        while place:
            if place in names.paths:
                found.add(place)
                break
            place = place.rpartition(b"/")[0]
    return found


def _run_by(path: str, mode: int, data: bytes) -> Iterator[str]:
    """Yield the absolute paths of programs in a script's first line or a unit's Exec lines."""
    if data.startswith(b"#!") and mode & 0o111:
        words = data[2:300].partition(b"\n")[0].split()
        if words and words[0].startswith(b"/"):
            yield words[0].decode(errors="replace")
    elif is_unit(path):
        for program in _EXEC.findall(data):
            yield program.decode(errors="replace")


_STRING_TABLE = 3  # SHT_STRTAB, of the System V ABI: names of symbols, libraries and sections
_LIBRARY_NAME = b".so"
_MOST_TABLES = 16  # linkers write three


def without_string_tables(data: bytes) -> bytes:
    """The bytes of an ELF file without the names of symbols and sections; of the libraries that it
    needs the names stay. As it is where its sections cannot be read."""
    try:
        tables = _string_tables(data)
    except (struct.error, OverflowError, IndexError, KeyError):
        return data
    if len(tables) > _MOST_TABLES:
        return data
    kept, position = [], 0
    for start, end in sorted(tables):
        libraries = [name for name in data[start:end].split(b"\0") if _LIBRARY_NAME in name]
        kept += [data[position:start], *libraries]
        position = max(position, end)
    return b"\0".join([*kept, data[position:]])


def _string_tables(data: bytes) -> list[tuple[int, int]]:
    order = {1: "<", 2: ">"}[data[5]]
    wide = {1: False, 2: True}[data[4]]
    (offset,) = struct.unpack_from(f"{order}Q" if wide else f"{order}I", data, 0x28 if wide else 32)
    size, count = struct.unpack_from(f"{order}HH", data, 0x3A if wide else 0x2E)
    fields = f"{order}4xI16xQQ" if wide else f"{order}4xI8xII"
    found = []
    for number in range(count if offset else 0):
        kind, start, length = struct.unpack_from(fields, data, offset + number * size)
        if kind == _STRING_TABLE and start + length <= len(data):
            found.append((start, start + length))
    return found


Gone = Callable[[str], bool]
"""Says whether a path or a program's name is one of those that would be missing."""

_SHELL = re.compile(r"#!\s*(?:/usr)?/bin/(?:ba|da)?sh(?:\s+-\w+)*\s*$")
_ERREXIT = re.compile(r"^#!.*\s-\w*e|\bset\b[^\n]*\s(?:-\w*e|-o\s+errexit)", re.MULTILINE)
_FILE_TESTS = frozenset(("-x", "-e", "-f", "-s", "-r", "-L", "-h", "-d"))
_FINDERS = frozenset((("command", "-v"), ("command", "-V"), ("type",), ("which",), ("hash",)))
# A shell finds these without a file. (POSIX, XCU 2.14 and 2.9.1; bash and dash.)
_SPECIAL = re.compile(
    r":|\.|source|break|continue|eval|exec|exit|export|readonly|return|set|shift|times|trap|unset"
)
_BUILTIN = re.compile(
    rf"{_SPECIAL.pattern}|\[\[?|alias|bg|bind|builtin|caller|cd|chdir|command|compgen|complete|declare"
    r"|dirs|disown|echo|enable|false|fc|fg|getopts|hash|help|history|jobs|kill|let|local|logout"
    r"|mapfile|popd|printf|pushd|pwd|read|readarray|shopt|suspend|test|time|true|type|typeset"
    r"|ulimit|umask|unalias|wait"
)
# They change what commands behind them do.
_CHANGING = re.compile(
    r"\.|source|break|continue|eval|exec|export|readonly|return|set|shift|trap|unset|alias|cd"
    r"|declare|getopts|let|local|mapfile|popd|pushd|read|readarray|shopt|typeset|umask|unalias"
)
_ASSIGNED = re.compile(r"(?:^|\s)([A-Za-z_]\w*)=|\$\{([A-Za-z_]\w*):?=")
_VARIABLE = re.compile(r"\$\{?#?(\w+)")


class _Outcome(Enum):
    """The exit status of a command, compared with what it is today."""

    ZERO = "zero"
    FAILS = "not zero, for something is gone"
    MAY_FAIL = "perhaps not zero, for something is gone"
    AS_EVER = "as today"


_BAD = (_Outcome.FAILS, _Outcome.MAY_FAIL)
_Ended = bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a command stands: it runs only because something is `gone`; its failure is `ignored`;
    it is the `last` of all."""

    gone: bool = False
    ignored: bool = False
    last: bool = False


def bare_commands(scriptlet: str, gone: Gone) -> Iterator[str]:
    """Yield the commands that would fail, or no longer work, if they run something that is `gone`.

    Left out are those that would not run, and those whose failure is ignored. Where the scriptlet
    would end badly for a test that fails then, the test is one of them. An interpreter that is no
    shell is named in a first line `#!...`.
    """
    first = scriptlet.partition("\n")[0]
    try:
        body = parse_shell(scriptlet)
    except UnreadableError:
        body = None
    if body is None or (first.startswith("#!") and not _SHELL.match(first)):
        yield scriptlet
        return
    run = _Run(gone, errexit=_ERREXIT.search(scriptlet) is not None)
    outcome, _ = run.body(body, _Place(last=True))
    if outcome in _BAD:
        run.blame()
    yield from run.bare


@dataclass(slots=True)
class _Run:
    """One way through a scriptlet; `bare` is what was found."""

    gone: Gone
    errexit: bool
    bare: list[str] = field(default_factory=list)
    # The tests that fail, or hold, because something is gone.
    _tests: list[str] = field(default_factory=list)
    # Variables that may have another value than today, with the commands to be blamed for it.
    _changed: dict[str, list[str]] = field(default_factory=dict)
    # A command that would have ended the scriptlet does not run: what is behind it does.
    _goes_on: bool = False

    def blame(self) -> None:
        self.bare += self._tests

    def body(self, body: Body, place: _Place) -> tuple[_Outcome, _Ended]:
        outcome = _Outcome.ZERO
        final = len(body.nodes) - 1
        for number, node in enumerate(body.nodes):
            outcome, ended = self._node(node, replace(place, last=place.last and number == final))
            if number in body.background:
                outcome, ended = _Outcome.ZERO, False
            if self.errexit and outcome in _BAD:
                self.blame()
            if ended:
                self._skip(body.nodes[number + 1 :])
                return outcome, True
        return outcome, False

    def _node(self, node: Node, place: _Place) -> tuple[_Outcome, _Ended]:
        place = replace(place, gone=place.gone or self._goes_on)
        match node:
            case Command():
                return self._command(node, place)
            case Pipeline():
                return self._pipeline(node, place), False
            case AndOr():
                return self._and_or(node, place)
            case If():
                return self._if(node, place)
            case Group():
                outcome, ended = self.body(node.body, replace(place, last=False))
                return outcome, ended and not node.subshell

    def _command(self, command: Command, place: _Place) -> tuple[_Outcome, _Ended]:
        self._look_up(command)
        tested = self._tested(command)
        if tested is not None:
            self._tests.append(command.text)
            return tested, False
        if _succeeds(command):
            return _Outcome.ZERO, command.words[0] == "exit"
        if _exits(command):
            self.blame()  # with what status?
            self.bare.append(command.text)
            return _Outcome.AS_EVER, True
        name = _name(command)
        if _SPECIAL.fullmatch(name) or not place.ignored:
            self.bare.append(command.text)
        if place.ignored:
            self._change(command, [command.text])
        if place.gone:
            self._change(command, self._tests)
            if _CHANGING.fullmatch(name):
                self.blame()
        if name == "echo" and not command.redirected:
            return _Outcome.ZERO, False
        return _Outcome.MAY_FAIL if place.gone else _Outcome.AS_EVER, False

    def _look_up(self, command: Command) -> None:
        """Blames what may have changed the variables of a command."""
        if "$?" in command.text:
            self.blame()
        for name in _VARIABLE.findall(command.text):
            self.bare += self._changed.get(name, ())

    def _change(self, command: Command, blamed: Sequence[str]) -> None:
        for one, other in _ASSIGNED.findall(command.text):
            self._changed.setdefault(one or other, []).extend(blamed)

    def _tested(self, command: Command) -> _Outcome | None:
        """The outcome of a test for something that is gone; none of another command."""
        words = list(command.words)
        if words[:1] == ["["] and words[-1] == "]":
            words = ["test", *words[1:-1]]
        if words[:1] == ["test"]:
            negated = words[1:2] == ["!"]
            primary = words[1 + negated :]
            if len(primary) == 2 and primary[0] in _FILE_TESTS and self._is_gone(primary[1]):
                return _Outcome.ZERO if negated else _Outcome.FAILS
            return None
        if tuple(words[:-1]) in _FINDERS and not _BUILTIN.fullmatch(words[-1]):
            return _Outcome.FAILS if self.gone(words[-1]) else None
        return None

    def _is_gone(self, path: str) -> bool:
        return path.startswith("/") and self.gone(path)

    def _pipeline(self, pipeline: Pipeline, place: _Place) -> _Outcome:
        if len(pipeline.parts) == 1:
            outcome, ended = self._node(pipeline.parts[0], replace(place, last=False))
            if ended:
                self.blame()
            return {_Outcome.FAILS: _Outcome.ZERO, _Outcome.ZERO: _Outcome.AS_EVER}.get(
                outcome, outcome
            )
        self._all_bare(pipeline, place)
        return _Outcome.MAY_FAIL if place.gone else _Outcome.AS_EVER

    def _all_bare(self, node: Node | Body, place: _Place) -> None:
        for command in commands_in(node):
            self._look_up(command)
            if not place.ignored or _exits(command) or _SPECIAL.fullmatch(_name(command)):
                self.bare.append(command.text)
            else:
                self._change(command, [command.text])

    def _and_or(self, node: AndOr, place: _Place) -> tuple[_Outcome, _Ended]:
        both = node.operator == "&&"
        before = replace(place, last=False)
        if not both and self._ignores(node, place):
            before = replace(before, ignored=True)
        left, ended = self._node(node.left, before)
        if ended or left is (_Outcome.FAILS if both else _Outcome.ZERO):
            self._skip([node.right])
            return left, ended
        because = left is not _Outcome.AS_EVER
        right, ended = self._node(node.right, replace(place, gone=place.gone or because))
        if left is (_Outcome.ZERO if both else _Outcome.FAILS):
            return right, ended
        if right is (_Outcome.FAILS if both else _Outcome.ZERO):
            return right, False
        bad = left in _BAD or right in _BAD
        return _Outcome.MAY_FAIL if bad else _Outcome.AS_EVER, False

    def _ignores(self, node: AndOr, place: _Place) -> bool:
        """Return whether `|| :` stands behind what does not end the scriptlet itself."""
        if not (isinstance(node.right, Command) and _succeeds(node.right)):
            return False
        if node.right.words[0] == "exit" and not place.last:
            return False
        return not any(_name(command) == "exit" for command in commands_in(node.left))

    def _if(self, node: If, place: _Place) -> tuple[_Outcome, _Ended]:
        condition, ended = self.body(node.condition, replace(place, last=False))
        if ended:
            self._skip([*node.then.nodes, *node.otherwise.nodes])
            return condition, True
        within = replace(place, gone=place.gone or condition is not _Outcome.AS_EVER)
        if condition in (_Outcome.ZERO, _Outcome.FAILS):
            taken, other = node.then, node.otherwise
            if condition is _Outcome.FAILS:
                taken, other = other, taken
            self._skip(other.nodes)
            return self.body(taken, within)
        then, then_ended = self.body(node.then, within)
        otherwise, other_ended = self.body(node.otherwise, within)
        both = then_ended and other_ended
        if then is otherwise:
            return then, both
        bad = then in _BAD or otherwise in _BAD
        return _Outcome.MAY_FAIL if bad else _Outcome.AS_EVER, both

    def _skip(self, nodes: Iterable[Node]) -> None:
        """Takes in what is otherwise behind commands that do not run."""
        for node in nodes:
            for command in commands_in(node):
                self._change(command, self._tests)
                if _CHANGING.fullmatch(_name(command)):
                    self.blame()
                self._goes_on = self._goes_on or _name(command) == "exit"


def _name(command: Command) -> str:
    """The name of what a command runs, behind its assignments; empty where there is none."""
    return next((word for word in command.words if not re.match(r"[A-Za-z_]\w*=", word)), "")


def _succeeds(command: Command) -> bool:
    """Return whether it is `:`, `true` or `exit 0`."""
    return command.words in ((":",), ("true",), ("exit", "0")) and not command.redirected


def _exits(command: Command) -> bool:
    return _name(command) == "exit"
