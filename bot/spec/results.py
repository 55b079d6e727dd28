"""Reading what the evaluator inside the sandbox wrote, which its subject could have written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.model.architecture import isa
from bot.model.capability import capabilities_in
from bot.model.nevra import Nevra
from bot.model.package import DEPENDENCY_KINDS, Dependency, DependencyKind
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
from bot.spec.headers import (
    capability_key,
    capability_text,
    known_part,
    qualifiers,
)
from bot.spec.inside.markers import logical_lines
from bot.spec.lines import SOURCE, ExpandedSpec, build_sections, read_expanded
from bot.spec.missing import in_architectures, in_conditions, in_message, in_packages

_MOST_PACKAGES = 5000
_MOST_DEPENDENCIES = 200_000
_MOST_MESSAGE = 2000
_MOST_REQUESTED = 2000
_LINE = re.compile(r"(?:\bline |\.spec:)(\d+)\b")
_RPMBUILD_ISPATCH = 1 << 1


class _MalformedError(Exception):
    """The evaluator's answer has not the shape it writes."""


def evaluation_of(
    found: Mapping[str, Any], path: str, arch: str, read: Callable[[str], str | None]
) -> SpecEvaluation | SpecFailure:
    """The evaluation that the JSON object `found` tells of, checked.

    `read` gives the raw text of a file of the checkout by its path.
    """
    try:
        if "error" in found:
            values = [text for _, _, text in _conditions(found.get("buildarch", []))]
            return _failure(_text(found["error"]), path, arch, read, values)
        return _evaluation(found, path, arch, read)
    except (_MalformedError, KeyError, TypeError, ValueError):
        message = "Evaluating the spec file gave an answer that cannot be read."
        return SpecFailure(path, arch, "invalid", message)


def requested(found: Mapping[str, Any]) -> tuple[str, ...]:
    """The BuildRequires that the evaluator could read of a spec file that rpm refuses."""
    names = (name for text in _texts(found, "requested") for name in capabilities_in(text))
    known = (part for part in map(known_part, names) if part)
    return tuple(dict.fromkeys(known))[:_MOST_REQUESTED]


def locations(found: Mapping[str, Any]) -> tuple[str, ...]:
    """The locations of sources and patches that the evaluator could read, in whatever state."""
    try:
        named = [_text(entry[0]) for entry in _list(found.get("sources", []))]
    except (_MalformedError, IndexError, TypeError, KeyError):
        named = []
    return (*named, *_texts(found, "locations"))


def _texts(found: Mapping[str, Any], key: str) -> list[str]:
    try:
        return [_text(each) for each in _list(found.get(key, []))]
    except _MalformedError:
        return []


def _failure(
    log: str,
    path: str,
    arch: str,
    read: Callable[[str], str | None],
    build_architectures: Sequence[str],
) -> SpecFailure:
    lines = [line for line in log.replace("/checkout/", "").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    message = "\n".join(errors or lines)[:_MOST_MESSAGE] or "rpm refuses this spec file."
    macros = in_message(message, build_architectures)
    cause: FailureCause = "unexpanded" if macros else "invalid"
    number: int | None = None
    if (named := _LINE.search(message)) is not None:
        number = _exact_line(int(named[1]), message, read(path) or "")
        message = message[: named.start(1)] + str(number) + message[named.end(1) :]
    if macros:
        first, *more = message.split("\n")
        undefined = f"nothing that was found defines {', '.join(macros)}"
        message = "\n".join((f"{first.rstrip('.')}: {undefined}", *more))
    return SpecFailure(path, arch, cause, message, number)


def _exact_line(number: int, message: str, text: str) -> int:
    """The line that an error is about: of a line that goes on over several, rpm names the last."""
    lines = text.split("\n")
    first = message.split("\n", maxsplit=1)[0]
    for start, end in logical_lines(lines):
        if start < end == number - 1:
            group = range(start, end + 1)
            exact = [n for n in group if lines[n].strip() and first.endswith(lines[n].strip())]
            return exact[0] + 1 if len(exact) == 1 else number
    return number


def _evaluation(
    found: Mapping[str, Any], path: str, arch: str, read: Callable[[str], str | None]
) -> SpecEvaluation:
    raw = _list(found["packages"])
    if not 0 < len(raw) <= _MOST_PACKAGES:
        raise _MalformedError
    main = _text(raw[0]["name"])
    plain = read_expanded(_text(found["parsed"]), main)
    notes: tuple[str, ...] = ()
    expanded = _marked(found.get("marked"), main, read)
    if expanded is None:
        expanded = ExpandedSpec()
        notes = (f"{path}: no line of this spec file can be named as the origin of a dependency.",)
    packages = tuple(_package(entry, plain, expanded) for entry in raw)
    if sum(len(package.dependencies) for package in packages) > _MOST_DEPENDENCIES:
        raise _MalformedError
    build_requires = tuple(
        each
        for entry in _list(found["buildrequires"])
        for each in _dependency(entry, SOURCE, expanded)
    )
    exclusive = [_text(each) for each in _list(found["exclusivearch"])]
    exclude = [_text(each) for each in _list(found["excludearch"])]
    excluded = _excluded(arch, packages[0].nevra.arch, exclusive, exclude)
    first = packages[0].nevra
    return SpecEvaluation(
        path=path,
        arch=arch,
        source=_text(found["source"]),
        evr=(first.epoch, first.version, first.release),
        packages=() if excluded else packages,
        build_requires=build_requires,
        sources=_sources(_list(found["sources"])),
        excluded=excluded,
        notes=notes,
        generates_requirements=plain.generates_requirements,
        unexpanded=_unexpanded(packages, exclusive, exclude, found, path, read),
        build_sections=build_sections(_text(found["parsed"])),
        generator_tags=tuple(plain.generator_tags),
        macros=tuple((_text(name), _text(value)) for name, value in _list(found["macros"])),
    )


def _marked(marked: object, main: str, read: Callable[[str], str | None]) -> ExpandedSpec | None:
    if not isinstance(marked, dict) or "error" in marked:
        return None
    files = []
    for name in _list(marked["files"]):
        text = read(_text(name))
        if text is None:
            return None
        files.append((_text(name), text))
    return read_expanded(_text(marked["parsed"]), main, files)


def _package(entry: Mapping[str, Any], plain: ExpandedSpec, expanded: ExpandedSpec) -> SpecPackage:
    name = _text(entry["name"])
    epoch = entry["epoch"]
    nevra = Nevra(
        name,
        epoch if isinstance(epoch, int) else 0,
        _text(entry["version"]),
        _text(entry["release"]),
        _text(entry["arch"]),
    )
    # rpm gives every package its own name as Provides, some versions of it already here.
    automatic = {
        capability_key(f"{own} = {nevra.evr}") for own in (name, f"{name}({isa(nevra.arch)})")
    }
    dependencies = [
        each
        for item in _list(entry["dependencies"])
        for each in _dependency(item, name, expanded)
        if not (
            each.dependency.kind == "provides"
            and capability_key(each.dependency.capability) in automatic
        )
    ]
    files = tuple(line for line in _text(entry["files"]).split("\n") if line.strip())
    built = name in plain.with_files or bool(files)
    return SpecPackage(nevra, tuple(dependencies), built, files, expanded.headings.get(name))


def _dependency(
    item: Sequence[Any], package: str, expanded: ExpandedSpec
) -> tuple[SpecDependency, ...]:
    kind, name, flags, version = item
    if kind not in DEPENDENCY_KINDS or not isinstance(flags, int):
        raise _MalformedError
    name = _text(name)
    # rpm's own features are no packages' matter, and repositories do not list them.
    if name.startswith("rpmlib("):
        return ()
    known: DependencyKind = kind
    found = Dependency(known, capability_text(name, flags, _text(version)), qualifiers(flags))
    return tuple(SpecDependency(found, line) for line in expanded.origins(package, found))


def _unexpanded(
    packages: Iterable[SpecPackage],
    exclusive: Sequence[str],
    exclude: Sequence[str],
    found: Mapping[str, Any],
    path: str,
    read: Callable[[str], str | None],
) -> tuple[Unexpanded, ...]:
    marked = found.get("marked")
    reached = _text(marked["parsed"]) if isinstance(marked, dict) and "parsed" in marked else ""
    lines = (read(path) or "").split("\n")
    every = (
        *in_packages(packages),
        *in_architectures("ExclusiveArch", exclusive),
        *in_architectures("ExcludeArch", exclude),
        *in_conditions(_conditions(found["conditions"]), path, lines, reached),
    )
    return tuple(dict.fromkeys(_placed(each, path, lines) for each in every))


def _placed(found: Unexpanded, path: str, lines: Sequence[str]) -> Unexpanded:
    """With the first line that has the macro, where rpm does not lead back to one."""
    if found.origin is None:
        for number, line in enumerate(lines, 1):
            if found.macro in line:
                return replace(found, origin=SpecLine(path, number, line.rstrip("\r")))
    return found


def _conditions(entries: object) -> list[tuple[str, int, str]]:
    found = []
    for word, number, value in _list(entries):
        if not isinstance(number, int):
            raise _MalformedError
        found.append((_text(word), number, _text(value)))
    return found


def _excluded(arch: str, main_arch: str, exclusive: Sequence[str], exclude: Sequence[str]) -> bool:
    if arch in exclude:
        return True
    # A noarch package is built wherever it may be, and published for every architecture.
    noarch = main_arch == "noarch" and "noarch" in exclusive
    return bool(exclusive) and arch not in exclusive and not noarch


def _sources(entries: Sequence[Sequence[Any]]) -> tuple[SpecSource, ...]:
    found = []
    for location, number, flags in entries:
        if not isinstance(number, int) or not isinstance(flags, int):
            raise _MalformedError
        tag = "Patch" if flags & _RPMBUILD_ISPATCH else "Source"
        found.append((tag != "Source", number, SpecSource(f"{tag}{number}", _text(location))))
    return tuple(source for _, _, source in sorted(found, key=lambda each: each[:2]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _MalformedError
    return value.encode(errors="surrogateescape").decode(errors="replace")


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _MalformedError
    return value
