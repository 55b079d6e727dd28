"""Compares the difference that a change makes to a spec file between two architectures.

A build on one architecture is transferred to another only if the change is the same on both: the
same dependencies, subpackages, sources, files, build commands and rpm macros are added and removed.
Differences that existed before the change do not matter. Conditions that rpm evaluates (`%ifarch`,
`%bcond`) are expanded in the compared text; those of the shell are attached to each word that
depends on them, so that `x86_64)` in a `case` differs from another architecture's label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from bot.model.architecture import isa
from bot.model.spec import SpecEvaluation, SpecPackage

# Placeholders for an architecture's own name and its library folder.
_ARCH, _LIB = "\x00", "\x01"
# An architecture's names in Go, Debian and GNU triplets, other than rpm's two names.
_NAMES = {"x86_64": ("amd64",), "aarch64": ("arm64",), "ppc64le": ("powerpc64le", "ppc64el")}
_WORDS = re.compile(r"[\s\"'`\\]+")
_LABEL = re.compile(r"\(?([^()\s][^()]*)\)(.*)")
_JOINT = re.compile(r"&&|\|\||;\s*then\b")
_MOST_REASONS = 3
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class _Fact:
    """One statement of an evaluated spec file: `text` in `place`, under shell conditions."""

    place: str
    text: str
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Difference:
    """The statements that a change adds and removes, as multisets."""

    added: Counter[_Fact]
    removed: Counter[_Fact]


def unlike(
    native: tuple[SpecEvaluation | None, SpecEvaluation | None],
    other: tuple[SpecEvaluation | None, SpecEvaluation | None],
) -> tuple[str, ...]:
    """The differences of a change (base and head, evaluated) between two architectures.

    Such as `BuildRequires libxslt-devel only on x86_64`; the first few.
    """
    arches = [next((side.arch for side in pair if side), "") for pair in (native, other)]
    for here, there in zip(native, other, strict=True):
        if here and there and here.excluded != there.excluded:
            return (f"it is not built on {here.arch if here.excluded else there.arch}",)
    first, second = _difference(*native), _difference(*other)
    sentences: list[str] = []
    for verb, of_first, of_second in (
        ("", first.added, second.added),
        ("removed ", first.removed, second.removed),
    ):
        for arch, facts in zip(arches, (of_first - of_second, of_second - of_first), strict=True):
            sentences += [_sentence(fact, verb, arch) for fact in sorted(facts, key=_order)]
    unique = list(dict.fromkeys(sentences))
    if len(unique) > _MOST_REASONS:
        return (*unique[:_MOST_REASONS], f"{len(unique) - _MOST_REASONS} more")
    return tuple(unique)


def used_unlike(
    native: SpecEvaluation, other: SpecEvaluation, files: Iterable[str]
) -> tuple[str, ...]:
    """For those of `files` (base names of changed sources and patches) that a build uses
    differently on two architectures, a clause each."""
    return tuple(
        f"{name} is not used in the same way on {native.arch} and {other.arch}"
        for name in sorted(files)
        if _uses(native, name) != _uses(other, name)
    )


def _uses(side: SpecEvaluation, name: str) -> tuple[object, ...]:
    """The tags that name a file, and the commands that use it by name or number."""
    tags = [s.tag for s in side.sources if PurePosixPath(s.location).name == name]
    numbers = [tag.removeprefix("Patch") for tag in tags if tag.startswith("Patch")]
    # rpm before 4.20 does not expand %patch.
    applied = [rf"%patch(?:\s.*?-P\s*)?{number}\b" for number in numbers]
    named = re.compile("|".join([re.escape(name), *applied]))
    lines = [
        (section, conditions, line.strip())
        for section, text in side.build_sections
        for conditions, line in _under_conditions(normalized(text, side.arch).split("\n"))
        if named.search(line)
    ]
    return (*tags, *lines)


def normalized(text: str, arch: str) -> str:
    """`text` with the architecture's own names and library folder replaced by placeholders."""
    names = sorted((arch, isa(arch), *_NAMES.get(arch, ())), key=len, reverse=True)
    pattern = "|".join(re.escape(name) for name in names if name)
    text = re.sub(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])", _ARCH, text)
    library = r"(?<!\w)lib64(?!\w)" if isa(arch).endswith("-64") else r"(?<=/)lib(?![\w])"
    return re.sub(library, _LIB, text)


def _order(fact: _Fact) -> tuple[int, str, str]:
    """The sort key for readers: requirements, packages, then the rest."""
    first = ("BuildRequires", "package")
    rank = first.index(fact.place) if fact.place in first else len(first)
    return rank, fact.place, fact.text


def _sentence(fact: _Fact, verb: str, arch: str) -> str:
    library = "lib64" if isa(arch).endswith("-64") else "lib"

    def shown(text: str) -> str:
        text = text.replace(_ARCH, arch).replace(_LIB, library)
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"

    below = f" (below `{shown(fact.conditions[-1])}`)" if fact.conditions else ""
    return f"{fact.place} {shown(fact.text)}{below} {verb}only on {arch}"


def _difference(base: SpecEvaluation | None, head: SpecEvaluation | None) -> _Difference:
    before, after = Counter(_facts(base)), Counter(_facts(head))
    return _Difference(after - before, before - after)


def _facts(side: SpecEvaluation | None) -> Iterator[_Fact]:
    """Every statement that matters to a build, with the architecture's own names replaced."""
    if side is None:
        return
    for place, text in _lines(side):
        yield _Fact(place, normalized(text, side.arch))
    for name, value in side.macros:
        for word in _words(normalized(value, side.arch)):
            yield _Fact(f"%{name}", word)
    for name, text in side.build_sections:
        for conditions, line in _under_conditions(normalized(text, side.arch).split("\n")):
            for word in _words(line):
                yield _Fact(f"%{name}", word, conditions)


def _lines(side: SpecEvaluation) -> Iterator[tuple[str, str]]:
    for requirement in side.build_requires:
        yield "BuildRequires", requirement.dependency.capability
    for source in side.sources:
        yield source.tag.rstrip("0123456789"), source.location
    for name, tag, value in side.generator_tags:
        yield f"{tag} of {name}:", value
    for package in side.packages:
        yield from _package_lines(package, side.arch)


def _package_lines(package: SpecPackage, arch: str) -> Iterator[tuple[str, str]]:
    name = package.nevra.name
    own = package.nevra.arch if package.nevra.arch != arch else ""
    yield "package", f"{name}{f' ({own})' if own else ''}{'' if package.built else ' (no files)'}"
    for stated in package.dependencies:
        dependency = stated.dependency
        yield f"{dependency.kind.capitalize()} of {name}:", dependency.capability
    for line in package.files:
        yield f"%files of {name}:", line


def _words(text: str) -> Iterable[str]:
    return filter(None, _WORDS.split(text))


def _split_command(line: str) -> tuple[str, str, str]:
    """A command with the command that runs if it succeeds or fails: `[ x = y ] && z`."""
    joint = _JOINT.search(line)
    return (line[: joint.start()], joint[0], line[joint.end() :]) if joint else ("", "", line)


def _under_conditions(lines: Iterable[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each line of a shell script with the conditions of the `if` and `case` around it.

    They are found by the first words of lines, not by parsing: what is missed is missed alike on
    every architecture.
    """
    stack: list[tuple[str, str]] = []
    for line in lines:
        text = line.strip()
        word = text.partition(" ")[0].rstrip(";")
        if word in ("fi", "esac") and stack:
            stack.pop()
        elif word in ("elif", "else") and stack:
            stack[-1] = (stack[-1][0], f"{stack[-1][1]} {text}")
        elif stack and stack[-1][0].startswith("case ") and (label := _LABEL.match(text)):
            # The command beside a label depends on it like the following ones.
            stack[-1] = (stack[-1][0], label[1])
        conditions = tuple(" ".join(branch).strip() for branch in stack)
        condition, joint, rest = _split_command(line)
        yield conditions, condition + joint
        yield (*conditions, condition.strip()) if joint else conditions, rest
        if word in ("if", "case") and not re.search(r"\b(?:fi|esac)\b;?$", text):
            stack.append((text, ""))
