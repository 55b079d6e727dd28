"""Files that a spec file reads while it is evaluated, and that are not there.

`%include` and `%load` of such a file are rpm's errors. Of each file it matters where it is instead:
nowhere, which is the spec file's fault, or somewhere that evaluation does not fetch from, which is
not. A shell or Lua that a macro runs says so on standard error and gives nothing, and rpm goes on:
then it matters whether the text that is missing goes into a name, a version or a dependency
(`MacroUses`). Where it does, packages are not known; where only a build reads it, a note is enough.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bot.model.spec import SpecEvaluation, SpecFailure
from bot.spec.macro_uses import MacroUses
from bot.spec.tree import SpecTree

_MOST = 5
_ROOT = "/checkout/"
_SIGNS = ("No such file", "failed to load macro file", "cannot open")
# Quoted, as awk, Lua, ls, head and Python name a file.
_QUOTED = re.compile(r"(?<=[\s(])['\"`]([^'\"`]+)['\"]")
# Before the reason, as rpm, bash, dash, sed and tar do.
_BEFORE = re.compile(r"([^\s:]+): (?:Cannot \w+: )?No such file")
_LOADED = re.compile(r"failed to load macro file (\S+)")


@dataclass(frozen=True, slots=True)
class _Missing:
    """Files of the checkout that were read in vain: paths, and sentences on those elsewhere."""

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
    """The result, with the files named that the spec file read in vain.

    `texts` are what rpm and the programs that macros ran wrote; `downloads` the locations of the
    spec file's sources, as far as they are known. A refusal only because of files that are not
    fetched to evaluate has the cause `surroundings`. An evaluation that lacks what decides packages
    or dependencies is a failure with the cause `unread`.
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
    found: dict[str, None] = {}
    for text in texts:
        for line in text.splitlines():
            if not any(sign in line for sign in _SIGNS):
                continue
            names = (
                _LOADED.findall(line) or _QUOTED.findall(line)[-1:] or _BEFORE.findall(line)[-1:]
            )
            found.update(dict.fromkeys(names))
    return tuple(found)


def _missing(
    names: Iterable[str], spec: Path, tree: SpecTree, downloads: Collection[str]
) -> _Missing:
    nowhere: dict[str, None] = {}
    elsewhere: dict[str, str] = {}
    urls = {one.rsplit("/", 1)[-1]: one for one in downloads if "://" in one}
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
    """The path in the checkout that a message's name of a file means; null if it is outside."""
    if "%" in name or not name.isprintable():
        return None
    if name.startswith(_ROOT):
        path = os.path.normpath(name.removeprefix(_ROOT))
    elif name.startswith("/"):
        return None
    else:
        path = os.path.normpath(spec.parent / name)
    return None if path.startswith("..") or path == "." else path
