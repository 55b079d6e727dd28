"""Files that a spec file reads and that are missing, and macros that are used but not defined.

`%include` and `%load` of a missing file are rpm's errors. If the file is nowhere, the spec file is
at fault; if it is where the evaluation does not fetch from, it is not. A shell or Lua that a macro
runs reports a missing file on standard error and returns nothing, and rpm goes on: then it matters
whether the missing text would be part of a name, a version or a dependency (`MacroUses`). If it is,
the packages are not known; if only a build reads it, a note suffices. rpm leaves an undefined macro
as it stands. In a package's name, version or architecture, in a list of architectures or in a
capability it is then text that no distribution has; if rpm refuses it there, its message has the
macro.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bot.model.spec import SpecEvaluation, SpecFailure, SpecLine, SpecPackage, Unexpanded
from bot.spec.macro_uses import MacroUses
from bot.spec.tree import SpecTree

_MOST = 5
_ROOT = "/checkout/"
_SIGNS = ("No such file", "failed to load macro file", "cannot open")
# Quoted, as by awk, Lua, ls, head and Python.
_QUOTED = re.compile(r"(?<=[\s(])['\"`]([^'\"`]+)['\"]")
# Before the reason, as by rpm, bash, dash, sed and tar. It begins at a word, so that a word of
# megabytes is scanned once.
_BEFORE = re.compile(r"(?<![^\s:])([^\s:]+): (?:Cannot \w+: )?No such file")
_LOADED = re.compile(r"failed to load macro file (\S+)")


@dataclass(frozen=True, slots=True)
class _Missing:
    """Missing files of the checkout: paths; and sentences on those that are elsewhere."""

    nowhere: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.nowhere, *self.elsewhere)

    def sentences(self) -> Iterator[str]:
        if self.nowhere:
            names = ", ".join(self.nowhere[:_MOST])
            verb = "is" if len(self.nowhere) == 1 else "are"
            yield f"{names} {verb} neither in the repository nor in its lookaside cache."
        yield from list(self.elsewhere.values())[:_MOST]


def with_missing(
    result: SpecEvaluation | SpecFailure,
    texts: Iterable[str],
    tree: SpecTree,
    downloads: Collection[str],
) -> SpecEvaluation | SpecFailure:
    """The result, naming the missing files that the spec file read.

    `texts` are the messages of rpm and of the programs that macros ran; `downloads` the locations
    of the spec file's sources, as far as they are known. A refusal only because of files that are
    not fetched gets the cause `surroundings`. An evaluation without the text that decides packages
    or dependencies becomes a failure with the cause `unread`.
    """
    missing = _missing(named_files(texts), Path(result.path), tree, downloads)
    sentences = tuple(missing.sentences())
    if not sentences:
        return result
    if isinstance(result, SpecEvaluation):
        uses = MacroUses(tree.read(result.path) or "")
        for path in missing.paths:
            line = uses.first_decided_by(PurePosixPath(path).name)
            if line is not None:
                message = f"{' '.join(sentences)} It decides `{uses.line(line).strip()}`"
                return SpecFailure(result.path, result.arch, "unread", message, line)
        reads = f"{result.path} reads a file while it is evaluated that is not there: "
        notes = tuple(f"{reads}{sentence}" for sentence in sentences)
        return dataclasses.replace(result, notes=(*result.notes, *notes))
    if result.cause != "invalid":
        return result
    cause = result.cause if missing.nowhere else "surroundings"
    message = "\n".join((result.message, *sentences))
    return dataclasses.replace(result, cause=cause, message=message)


def reads_in_vain(texts: Iterable[str], spec: str, tree: SpecTree) -> bool:
    """Return whether messages name files of the checkout that are not in the copy `tree`."""
    return bool(_missing(named_files(texts), Path(spec), tree, ()).paths)


def named_files(texts: Iterable[str]) -> tuple[str, ...]:
    """The files that messages say are not there, as they name them.

    >>> named_files(["cat: VERSION: No such file or directory"])
    ('VERSION',)
    """
    files: dict[str, None] = {}
    for text in texts:
        for line in text.splitlines():
            if not any(sign in line for sign in _SIGNS):
                continue
            names = (
                _LOADED.findall(line) or _QUOTED.findall(line)[-1:] or _BEFORE.findall(line)[-1:]
            )
            files.update(dict.fromkeys(names))
    return tuple(files)


def _missing(
    names: Iterable[str], spec: Path, tree: SpecTree, downloads: Collection[str]
) -> _Missing:
    nowhere: dict[str, None] = {}
    elsewhere: dict[str, str] = {}
    urls = {location.rsplit("/", 1)[-1]: location for location in downloads if "://" in location}
    for name in names:
        path = _in_checkout(name, spec)
        if path is None or tree.has(path):
            continue
        file = Path(path).name
        is_source = Path(path).parent == Path(tree.sources)
        if path in tree.left_out:
            where = "too large to be there while a spec file is evaluated"
        elif is_source and file in tree.lookaside:
            where = "in the lookaside cache, and not fetched to evaluate a spec file"
        elif is_source and file in urls:
            where = f"at {urls[file]}, and not fetched to evaluate a spec file"
        else:
            nowhere[path] = None
            continue
        elsewhere[path] = f"{path} is {where}."
    return _Missing(tuple(nowhere), elsewhere)


def _in_checkout(name: str, spec: Path) -> str | None:
    """The path in the checkout for a file named in a message; null if it is outside."""
    if "%" in name or not name.isprintable():
        return None
    if name.startswith(_ROOT):
        path = os.path.normpath(name.removeprefix(_ROOT))
    elif name.startswith("/"):
        return None
    else:
        path = os.path.normpath(spec.parent / name)
    return None if path.startswith("..") or path == "." else path


# rpm has no macro names of one or two letters (macro.c); `%d` in a message is C's or Lua's.
_MACRO = re.compile(r"%\{[?!]*[^{}]*\}?|%[?!]*[A-Za-z_]\w{2,}")
_PERCENT = re.compile(r"%\S*")
_TAG = re.compile(r"\s*[A-Za-z][\w.-]*\s*(?:\([^()]*\))?\s*:")
_UNKNOWN_TAG = re.compile(r"Unknown tag:\s*(\S+)")
# Valid parts of a spec file that messages cite: sections, conditionals, rpm's macros.
_KNOWN = re.compile(
    r"%(?:package|description|prep|conf|generate_buildrequires|build|install|check|clean|files|"
    r"changelog|sourcelist|patchlist|sepolicy|verifyscript|pre|post|preun|postun|pretrans|"
    r"posttrans|preuntrans|postuntrans|\w*trigger\w*|if\w*|elif\w*|else|endif|define|global|"
    r"undefine|include|load|patch(?:\d*|N)|setup|autosetup|autopatch|defattr|attr|verify|config|doc|"
    r"dir|ghost|license|docdir|lang|caps|exclude|missingok|artifact|readme)$",
    re.IGNORECASE,
)


def macros_in(text: str) -> tuple[str, ...]:
    """Return the undefined macros in expanded text, as written, each once.

    Of a percent sign that begins no macro it is the word from there on.

    >>> macros_in("python%{python3_pkgversion}-x")
    ('%{python3_pkgversion}',)
    """
    macros = _MACRO.findall(text) or _PERCENT.findall(text)
    return tuple(dict.fromkeys(macros))


def in_packages(packages: Iterable[SpecPackage]) -> Iterator[Unexpanded]:
    """The undefined macros in the names, versions, architectures and capabilities of packages.

    If the line has `%%`, the percent sign is part of the capability.
    """
    for package in packages:
        nevra = package.nevra
        for where, text in (
            ("Name", nevra.name),
            ("Version", nevra.version),
            ("Release", nevra.release),
            ("BuildArch", nevra.arch),
        ):
            yield from (Unexpanded(macro, where) for macro in macros_in(text))
        for stated in package.dependencies:
            for macro in macros_in(stated.dependency.capability):
                if stated.origin is None or f"%{macro}" not in stated.origin.text:
                    yield Unexpanded(macro, stated.dependency.kind.capitalize(), stated.origin)


def in_architectures(where: str, values: Iterable[str]) -> Iterator[Unexpanded]:
    """The undefined macros in a list of architectures; `where` is its tag or conditional."""
    for value in values:
        yield from (Unexpanded(macro, where) for macro in macros_in(value))


def in_conditions(
    conditions: Iterable[tuple[str, int, str]], path: str, lines: Sequence[str], reached: str
) -> Iterator[Unexpanded]:
    """The undefined macros in conditions on the architecture (`%ifarch`) that rpm evaluated.

    A condition is its word, its line number in `path`, and its expanded value; `lines` are the
    file's, `reached` is the expanded text of its marked copy, which has the mark before a line only
    if no outer condition leaves the line out.
    """
    for word, number, value in conditions:
        if re.search(rf"minimize-origin-0-{number}\s", reached) and 0 < number <= len(lines):
            line = SpecLine(path, number, lines[number - 1].rstrip("\r"))
            yield from (Unexpanded(macro, f"%{word}", line) for macro in macros_in(value))


def in_message(message: str, build_architectures: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the undefined macros for which rpm refuses a spec file, from its first message.

    rpm names none if it finds no architecture to build for; `build_architectures` are the expanded
    values of the BuildArch tags.
    """
    first = message.split("\n", maxsplit=1)[0]
    if first.startswith("No compatible architectures"):
        return tuple(m for value in build_architectures for m in macros_in(value))
    if (tag := _UNKNOWN_TAG.search(first)) is not None:
        # The error is in the tag, whatever else is on its line.
        first = tag[1]
    elif first.startswith("Macro %"):
        return ()  # about a definition, which it cites
    return tuple(dict.fromkeys(m for m in _MACRO.findall(first) if not _KNOWN.match(m)))


def may_lack_macro(refusal: SpecFailure, spec: str) -> bool:
    """Return whether rpm may refuse a spec file for lack of a macro that expands to nothing.

    That is so if the line of the text `spec` that it names has a macro, unless what it does not
    know is a tag that is written there; or if it names no line.
    """
    if refusal.line is None:
        return True
    text = "".join(spec.splitlines()[refusal.line - 1 : refusal.line])
    if _UNKNOWN_TAG.search(refusal.message) and _TAG.match(text):
        return False
    return any(not _KNOWN.match(macro) for macro in _MACRO.findall(text))


def unexpanded_sentence(macros: Iterable[Unexpanded]) -> str:
    """Name the macros and where they stand, for people.

    >>> unexpanded_sentence([Unexpanded("%{golang_arches}", "ExclusiveArch")])
    'Nothing that was found defines %{golang_arches} (ExclusiveArch)'
    """
    by_macro: dict[str, list[str]] = {}
    for unexpanded in macros:
        where = by_macro.setdefault(unexpanded.macro, [])
        if unexpanded.where not in where:
            where.append(unexpanded.where)
    named = [f"{macro} ({', '.join(where)})" for macro, where in by_macro.items()]
    listed = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
    return f"Nothing that was found defines {listed}"
