"""Macros that nothing defined: what a spec file says with one of them is not known.

rpm leaves an undefined macro as it stands. In a package's name, version or architecture, in a list
of architectures or in a capability it then is text that no distribution has; where rpm refuses it
there, its message has the macro.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.model.package import DependencyKind
from bot.model.spec import SpecLine, SpecPackage, Unexpanded

# Names of one or two letters are none to rpm (macro.c); `%d` in a message is C's or Lua's.
_MACRO = re.compile(r"%\{[?!]*[^{}]*\}?|%[?!]*[A-Za-z_]\w{2,}")
_PERCENT = re.compile(r"%\S*")
_UNKNOWN_TAG = re.compile(r"Unknown tag:\s*(\S+)")
# What a message cites of a spec file as it should be: sections, conditionals, rpm's own macros.
_KNOWN = re.compile(
    r"%(?:package|description|prep|conf|generate_buildrequires|build|install|check|clean|files|"
    r"changelog|sourcelist|patchlist|sepolicy|verifyscript|pre|post|preun|postun|pretrans|"
    r"posttrans|preuntrans|postuntrans|\w*trigger\w*|if\w*|elif\w*|else|endif|define|global|"
    r"undefine|include|load|patch(?:\d*|N)|setup|autosetup|autopatch|defattr|attr|verify|config|doc|"
    r"dir|ghost|license|docdir|lang|caps|exclude|missingok|artifact|readme)$",
    re.IGNORECASE,
)
_TAGS: Mapping[DependencyKind, str] = {
    "requires": "Requires",
    "provides": "Provides",
    "conflicts": "Conflicts",
    "obsoletes": "Obsoletes",
    "recommends": "Recommends",
    "suggests": "Suggests",
    "supplements": "Supplements",
    "enhances": "Enhances",
}


def macros_in(text: str) -> tuple[str, ...]:
    """Return the undefined macros in expanded text, as written, each once.

    Of a percent sign that begins no macro it is the word from there on.

    >>> macros_in("python%{python3_pkgversion}-x")
    ('%{python3_pkgversion}',)
    """
    found = _MACRO.findall(text) or _PERCENT.findall(text)
    return tuple(dict.fromkeys(found))


def in_packages(packages: Iterable[SpecPackage]) -> Iterator[Unexpanded]:
    """The macros in the names, versions, architectures and capabilities of packages.

    A percent sign that the line of a capability writes as `%%` is meant, and is none.
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
        for each in package.dependencies:
            for macro in macros_in(each.dependency.capability):
                if each.origin is None or f"%{macro}" not in each.origin.text:
                    yield Unexpanded(macro, _TAGS[each.dependency.kind], each.origin)


def in_architectures(where: str, values: Iterable[str]) -> Iterator[Unexpanded]:
    """The macros in a list of architectures; `where` is the tag or conditional that has it."""
    for value in values:
        yield from (Unexpanded(macro, where) for macro in macros_in(value))


def in_conditions(
    conditions: Iterable[tuple[str, int, str]], path: str, lines: Sequence[str], reached: str
) -> Iterator[Unexpanded]:
    """The macros in conditions on the architecture (`%ifarch`) that rpm came to.

    A condition is its word, the number of its line in `path`, and its expanded value; `lines` are
    the file's, `reached` is the expanded text of its marked copy: the mark before a line is in it
    only where no other condition leaves the line out.
    """
    for word, number, value in conditions:
        if re.search(rf"minimize-origin-0-{number}\s", reached) and 0 < number <= len(lines):
            line = SpecLine(path, number, lines[number - 1].rstrip("\r"))
            yield from (Unexpanded(macro, f"%{word}", line) for macro in macros_in(value))


def in_message(message: str, build_architectures: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the undefined macros for which rpm refuses a spec file, by its first message.

    rpm names none where it finds no architecture to build for: `build_architectures` are the
    expanded values of the BuildArch tags.
    """
    first = message.split("\n", maxsplit=1)[0]
    if first.startswith("No compatible architectures"):
        return tuple(m for value in build_architectures for m in macros_in(value))
    if (tag := _UNKNOWN_TAG.search(first)) is not None:
        # The tag is what is wrong, whatever else stands on its line.
        first = tag[1]
    elif first.startswith("Macro %"):
        return ()  # about a definition, which it cites
    return tuple(dict.fromkeys(m for m in _MACRO.findall(first) if not _KNOWN.match(m)))


def unexpanded_sentence(found: Iterable[Unexpanded]) -> str:
    """Name the macros and where they stand, for people.

    >>> unexpanded_sentence([Unexpanded("%{golang_arches}", "ExclusiveArch")])
    'Nothing that was found defines %{golang_arches} (ExclusiveArch)'
    """
    by_macro: dict[str, list[str]] = {}
    for each in found:
        where = by_macro.setdefault(each.macro, [])
        if each.where not in where:
            where.append(each.where)
    named = [f"{macro} ({', '.join(where)})" for macro, where in by_macro.items()]
    shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
    return f"Nothing that was found defines {shown}"
