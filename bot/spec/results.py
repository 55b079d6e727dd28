"""Reads the evaluator's answer into values, in a process of its own with limits: `read_answers`.

The evaluated spec file could have written the answer (`bot.spec.answer` has its schema).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from bot import limits
from bot.limited.fields import problem
from bot.limits import MEBIBYTE, SPEC_ANSWER, SPEC_DEPENDENCIES
from bot.model.architecture import isa
from bot.model.capability import capabilities_in
from bot.model.nevra import Nevra
from bot.model.package import Dependency
from bot.model.spec import (
    FailureCause,
    SpecDependency,
    SpecEvaluation,
    SpecFailure,
    SpecLine,
    SpecPackage,
    SpecSource,
    Unexpanded,
)
from bot.spec.answer import (
    Answer,
    Marked,
    Parsed,
    Refused,
    StatedDependency,
    StatedPackage,
    TooLong,
)
from bot.spec.headers import capability_key, capability_text, known_part, qualifiers
from bot.spec.inside.markers import logical_lines
from bot.spec.lines import SOURCE, ExpandedSpec, build_sections, read_expanded
from bot.spec.missing import (
    in_architectures,
    in_conditions,
    in_message,
    in_packages,
    reads_in_vain,
    with_missing,
)
from bot.spec.rpm_version import HOST_PYTHON
from bot.spec.tree import SpecTree

_LINE = re.compile(r"(?:\bline |\.spec:)(\d+)\b")
_RPMBUILD_ISPATCH = 1 << 1
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
TOO_LONG = (
    f"Evaluating the spec file gave more than {SPEC_ANSWER // MEBIBYTE} MiB of packages and text."
)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One architecture's result, and its BuildRequires, as far as they could be read."""

    result: SpecEvaluation | SpecFailure
    requirements: tuple[str, ...] = ()


# Null if the messages of several architectures are mixed; they are then evaluated one by one.
EVALUATED: TypeAdapter[dict[str, Evaluated] | None] = TypeAdapter(dict[str, Evaluated] | None)


def read_answers(
    path: str, arches: Sequence[str], tree: SpecTree, messages: bytes, answers: int
) -> bytes:
    """The evaluations of the spec file `path`, as JSON of EVALUATED.

    `messages` is the standard error of the evaluator's programs, `answers` the descriptor with its
    output: a line for each of `arches`.
    """
    text = messages.decode(errors="replace")
    # Messages that several architectures write at once are mixed.
    if len(arches) > 1 and reads_in_vain([text], path, tree):
        return EVALUATED.dump_json(None)
    # Unwritten parts are a hole in the file, which need not be read.
    written = os.pread(answers, os.lseek(answers, 0, os.SEEK_HOLE), 0).rstrip(b"\0")
    lines = written.split(b"\n", len(arches))
    lines += [b""] * (len(arches) - len(lines))
    evaluations = {
        arch: _read(line.decode(errors="replace"), path, arch, tree, text)
        for arch, line in zip(arches, lines, strict=False)
    }
    return EVALUATED.dump_json(evaluations)


def _read(line: str, path: str, arch: str, tree: SpecTree, messages: str) -> Evaluated:
    """One architecture's answer."""
    if not line:
        return Evaluated(_without_answer(path, arch, messages))
    try:
        answer = _ANSWER.validate_json(line)
    except ValidationError as error:
        why = f"gave an answer that cannot be read: {problem(error)}."
        message = f"Evaluating the spec file {why}"
        return Evaluated(SpecFailure(path, arch, "invalid", message))
    if isinstance(answer, TooLong):
        return Evaluated(SpecFailure(path, arch, "limit", TOO_LONG))
    error_text = answer.error if isinstance(answer, Refused) else ""
    result = with_missing(
        evaluation_of(answer, path, arch, tree.read),
        (error_text, messages),
        tree,
        _locations(answer),
    )
    return Evaluated(result, _requirements(answer, result))


def _without_answer(path: str, arch: str, messages: str) -> SpecFailure:
    """The failure if the evaluator wrote nothing: it never started, or the spec ended it."""
    lines = messages.strip().splitlines()
    if "No module named 'rpm'" in (lines[-1] if lines else ""):
        message = f"{HOST_PYTHON} has no rpm module: install python3-rpm (apt-get or dnf)."
        return SpecFailure(path, arch, "surroundings", message)
    last = f": {lines[-1][:300]}" if lines else ""
    message = f"Evaluating the spec file ended without a result{last}."
    return SpecFailure(path, arch, "invalid", message)


def evaluation_of(
    answer: Parsed | Refused, path: str, arch: str, read: Callable[[str], str | None]
) -> SpecEvaluation | SpecFailure:
    """The evaluation in an answer. `read` gives the raw text of a file of the checkout by its
    path."""
    if isinstance(answer, Refused):
        values = [text for _, _, text in answer.buildarch]
        return _failure(answer.error, path, arch, read, values)
    return _evaluation(answer, path, arch, read)


def _requirements(
    answer: Parsed | Refused, result: SpecEvaluation | SpecFailure
) -> tuple[str, ...]:
    """The BuildRequires without parts that are not known; also of a spec file that rpm refuses."""
    if isinstance(answer, Refused):
        named = (name for text in answer.requested for name in capabilities_in(text))
    elif isinstance(result, SpecEvaluation):
        named = (requirement.dependency.capability for requirement in result.build_requires)
    else:
        return ()
    names = (part for part in map(known_part, named) if part)
    return tuple(dict.fromkeys(names))[: limits.SPEC_REQUESTED]


def _locations(answer: Parsed | Refused) -> tuple[str, ...]:
    """The locations of sources and patches that the evaluator could read, even from a refused
    spec."""
    if isinstance(answer, Refused):
        return tuple(answer.locations)
    return tuple(location for location, _, _ in answer.sources)


def _failure(
    log: str,
    path: str,
    arch: str,
    read: Callable[[str], str | None],
    build_architectures: Sequence[str],
) -> SpecFailure:
    lines = [line for line in log.replace("/checkout/", "").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    message = "\n".join(errors or lines)[: limits.SPEC_REFUSAL] or "rpm refuses this spec file."
    macros = in_message(message, build_architectures)
    cause: FailureCause = "unexpanded" if macros else "invalid"
    number: int | None = None
    if (named := _LINE.search(message)) is not None:
        number = _exact_line(int(named[1]), message, read(path) or "")
        message = message[: named.start(1)] + str(number) + message[named.end(1) :]
    if macros:
        first, *rest = message.split("\n")
        undefined = f"nothing that was found defines {', '.join(macros)}"
        message = "\n".join((f"{first.rstrip('.')}: {undefined}", *rest))
    return SpecFailure(path, arch, cause, message, number)


def _exact_line(number: int, message: str, text: str) -> int:
    """The line of an error: for a continued line, rpm names the last one."""
    lines = text.split("\n")
    first = message.split("\n", maxsplit=1)[0]
    for start, end in logical_lines(lines):
        if start < end == number - 1:
            group = range(start, end + 1)
            exact = [n for n in group if lines[n].strip() and first.endswith(lines[n].strip())]
            return exact[0] + 1 if len(exact) == 1 else number
    return number


def _evaluation(
    parsed: Parsed, path: str, arch: str, read: Callable[[str], str | None]
) -> SpecEvaluation | SpecFailure:
    main = parsed.packages[0].name
    stated = sum(len(package.dependencies) for package in parsed.packages)
    if stated > SPEC_DEPENDENCIES:
        message = f"The spec file states {stated} dependencies, more than {SPEC_DEPENDENCIES}."
        return SpecFailure(path, arch, "limit", message)
    plain = read_expanded(parsed.parsed, main)
    notes: tuple[str, ...] = ()
    expanded = _marked(parsed.marked, main, read)
    if expanded is None:
        expanded = ExpandedSpec()
        notes = (f"{path}: no line of this spec file can be named as the origin of a dependency.",)
    packages = tuple(_package(entry, plain, expanded) for entry in parsed.packages)
    build_requires = tuple(
        dependency
        for entry in parsed.buildrequires
        for dependency in _dependency(entry, SOURCE, expanded)
    )
    first = packages[0].nevra
    excluded = _excluded(arch, first.arch, parsed.exclusivearch, parsed.excludearch)
    return SpecEvaluation(
        path=path,
        arch=arch,
        source=parsed.source,
        evr=(first.epoch, first.version, first.release),
        packages=() if excluded else packages,
        build_requires=build_requires,
        sources=_sources(parsed.sources),
        excluded=excluded,
        notes=notes,
        generates_requirements=plain.generates_requirements,
        unexpanded=_unexpanded(packages, parsed, path, read),
        build_sections=build_sections(parsed.parsed),
        generator_tags=tuple(plain.generator_tags),
        macros=tuple(parsed.macros),
    )


def _marked(
    marked: Marked | None, main: str, read: Callable[[str], str | None]
) -> ExpandedSpec | None:
    if marked is None:
        return None
    files = []
    for name in marked.files:
        text = read(name)
        if text is None:
            return None
        files.append((name, text))
    return read_expanded(marked.parsed, main, files)


def _package(entry: StatedPackage, plain: ExpandedSpec, expanded: ExpandedSpec) -> SpecPackage:
    name = entry.name
    nevra = Nevra(name, entry.epoch or 0, entry.version, entry.release, entry.arch)
    # rpm gives every package its own name as Provides, some versions of it already here.
    automatic = {
        capability_key(f"{own} = {nevra.evr}") for own in (name, f"{name}({isa(nevra.arch)})")
    }
    dependencies = [
        dependency
        for item in entry.dependencies
        for dependency in _dependency(item, name, expanded)
        if not (
            dependency.dependency.kind == "provides"
            and capability_key(dependency.dependency.capability) in automatic
        )
    ]
    files = tuple(line for line in entry.files.split("\n") if line.strip())
    built = name in plain.with_files or bool(files)
    return SpecPackage(nevra, tuple(dependencies), built, files, expanded.headings.get(name))


def _dependency(
    item: StatedDependency, package: str, expanded: ExpandedSpec
) -> tuple[SpecDependency, ...]:
    kind, name, flags, version = item
    # rpm's own features (`rpmlib(...)`) are not met by packages, and repositories do not list them.
    if name.startswith("rpmlib("):
        return ()
    dependency = Dependency(kind, capability_text(name, flags, version), qualifiers(flags))
    return tuple(SpecDependency(dependency, line) for line in expanded.origins(package, dependency))


def _unexpanded(
    packages: Iterable[SpecPackage], parsed: Parsed, path: str, read: Callable[[str], str | None]
) -> tuple[Unexpanded, ...]:
    reached = "" if parsed.marked is None else parsed.marked.parsed
    lines = (read(path) or "").split("\n")
    macros = (
        *in_packages(packages),
        *in_architectures("ExclusiveArch", parsed.exclusivearch),
        *in_architectures("ExcludeArch", parsed.excludearch),
        *in_conditions(parsed.conditions, path, lines, reached),
    )
    return tuple(dict.fromkeys(_with_origin(macro, path, lines) for macro in macros))


def _with_origin(macro: Unexpanded, path: str, lines: Sequence[str]) -> Unexpanded:
    """The macro, at the first line that has it if rpm names none."""
    if macro.origin is None:
        for number, line in enumerate(lines, 1):
            if macro.macro in line:
                return replace(macro, origin=SpecLine(path, number, line.rstrip("\r")))
    return macro


def _excluded(arch: str, main_arch: str, exclusive: Sequence[str], exclude: Sequence[str]) -> bool:
    if arch in exclude:
        return True
    # A noarch package is built on any allowed architecture, and published for every one.
    noarch = main_arch == "noarch" and "noarch" in exclusive
    return bool(exclusive) and arch not in exclusive and not noarch


def _sources(entries: Iterable[tuple[str, int, int]]) -> tuple[SpecSource, ...]:
    numbered = []
    for location, number, flags in entries:
        tag = "Patch" if flags & _RPMBUILD_ISPATCH else "Source"
        numbered.append((tag != "Source", number, SpecSource(f"{tag}{number}", location)))
    return tuple(source for _, _, source in sorted(numbered, key=lambda entry: entry[:2]))
