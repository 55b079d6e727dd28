"""The changes of a distribution that could make an image smaller.

One edit is one binary package and one capability name, with all its tags and versions: what a
maintainer writes as one line. In the order of the harm that they do:

- request: another package of the same source is asked for;
- prefer: `Suggests` beside a requirement that several packages meet: nobody loses a dependency;
- order: a requirement that only scriptlets have becomes `OrderWithRequires`;
- weaken: a written requirement becomes `Recommends`;
- split: files go to a subpackage with the requirements that only they have (`bot.advice.splits`).

Written are the requirements that no generator of rpm made. The header's flags say which; where it
cannot be read, sonames, interpreters, paths and capabilities with a namespace (`perl(strict)`)
count as generated, and of others it is not known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.advice.candidates import Candidates, Need
from bot.advice.headers import HeaderFacts
from bot.model.advice import EditKind
from bot.model.architecture import native_arches
from bot.model.capability import is_rich, leaves, parse_rich, split_capability

SEVERITY: Mapping[EditKind, int] = {"request": 1, "prefer": 2, "order": 3, "weaken": 4, "split": 5}

# %{?_isa} (rpm's macros for each platform): `(x86-64)`, `(aarch-64)`, `(s390-64)`.
_ISA = re.compile(r"\([a-z0-9]+-(?:32|64)\)$")
_SONAME = re.compile(r"\.so(?:\.|$)")
_SYMBOLS = re.compile(r"(\.so\b[^()]*)\([^()]+\)(?=\(64bit\)$)")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one line.

    `capabilities` are the requirements of `package` that it takes away, verbatim, of all
    architectures. For a request, `package` is the name in a document and `replacements` are the
    packages that could be requested instead. A split moves `files`; `moved` are their bytes on each
    architecture.
    """

    kind: EditKind
    package: str
    source: str
    capability: str
    capabilities: frozenset[str] = frozenset()
    replacements: tuple[str, ...] = ()
    written: bool | None = None
    files: tuple[str, ...] = ()
    moved: tuple[int, ...] = ()

    def __hash__(self) -> int:
        # Edits are often hashed, and the other fields follow from these.
        return hash((self.kind, self.package, self.capability))

    @property
    def name(self) -> tuple[str, str]:
        """The package and the capability, by which an edit is refused."""
        return self.package, self.capability

    @property
    def severity(self) -> int:
        return SEVERITY[self.kind]

    @property
    def replaces(self) -> str | None:
        """The requested name that a `request` edit replaces; None for other kinds."""
        return self.package if self.kind == "request" else None


def edits_of_requirements(
    images: Sequence[Candidates],
    headers: HeaderFacts | None = None,
    refused: Collection[tuple[str, str]] = (),
) -> tuple[Edit, ...]:
    """Return the orders and weakenings that the candidates of an image's architectures allow.

    `refused` are edits, by package and capability, that must not be made.
    """
    lines: dict[tuple[str, str], list[tuple[Candidates, Need]]] = {}
    for image in images:
        for need in image.needs:
            name = capability_name(need.capability)
            if name is not None:
                lines.setdefault((image.packages[need.package].nevra.name, name), []).append(
                    (image, need)
                )
    edits = (
        _edit(package, name, needs, headers)
        for (package, name), needs in sorted(lines.items())
        if (package, name) not in refused
    )
    return tuple(edit for edit in edits if edit is not None)


def edits_of_requests(
    images: Sequence[Candidates], able: Sequence[Collection[int]], requests: Collection[str]
) -> tuple[Edit, ...]:
    """Return the requests for another package of the same source in the place of one in `requests`.

    `able` are, for each architecture, the candidates that have a program that the image is for. A
    package without such a program is requested for something else (`rsyslog-gnutls`), unless it is
    the main package of its source (`git`). One line of a document holds on all architectures: what
    replaces a package must do so on each that has it.
    """
    replacements: dict[str, tuple[str, set[str]]] = {}
    for image, programs in zip(images, able, strict=True):
        native = native_arches(image.arch)
        for number in image.now - image.fixed:
            own = image.packages[number]
            name = own.nevra.name
            if name in requests and own.nevra.arch in native:
                same = (n for n in programs if image.packages[n].source == own.source)
                names = {image.packages[n].nevra.name for n in same} - {name}
                if number not in programs and name != own.source:
                    names = set()
                replacements[name] = own.source, replacements.get(name, ("", names))[1] & names
    return tuple(
        Edit("request", name, source, name, replacements=tuple(sorted(others)), written=True)
        for name, (source, others) in sorted(replacements.items())
        if others
    )


def capability_name(capability: str) -> str | None:
    """Return the name in a requirement that may be written by hand, without an architecture's tag.

    None where it looks generated. A rich dependency is returned whole.
    """
    if is_rich(capability):
        tree = parse_rich(capability)
        plain = tree is not None and all(_plain_name(leaf) for leaf in leaves(tree))
        return capability if plain else None
    return _plain_name(capability)


def edited_name(capability: str) -> str:
    """Return the name by which edits know a requirement.

    Of a generated one it has no version, neither after a relation nor, of a soname, of its symbols:
    rpm may state `libc.so.6(GLIBC_2.34)(64bit)` alone for what needs `libc.so.6()(64bit)`.
    """
    name = capability_name(capability)
    return name or _SYMBOLS.sub(r"\1()", split_capability(capability).name)


def _plain_name(capability: str) -> str | None:
    name = _ISA.sub("", split_capability(capability).name)
    generated = "(" in name or name.startswith("/") or _SONAME.search(name)
    return None if generated else name


def _edit(
    package: str,
    name: str,
    needs: Iterable[tuple[Candidates, Need]],
    headers: HeaderFacts | None,
) -> Edit | None:
    needs = list(needs)
    if any(_of_sibling(image, need) or _of_identity(image, need) for image, need in needs):
        return None
    answers: set[bool | None] = set()
    for image, need in needs:
        nevra = image.packages[need.package].nevra
        answers.add(headers.wrote(nevra, need.capability) if headers is not None else None)
    if False in answers:
        return None
    first, need = needs[0]
    return Edit(
        "order" if all(_of_scriptlets(i, need, headers) for i, need in needs) else "weaken",
        package,
        first.packages[need.package].source,
        name,
        frozenset(need.capability for _, need in needs),
        written=None if None in answers else True,
    )


def _of_scriptlets(image: Candidates, need: Need, headers: HeaderFacts | None) -> bool:
    """Return whether only scriptlets have a requirement.

    rpm-md marks that %pre or %post have it, and neither that it is also needed at run time nor that
    only %preun or %postun have it: headers say both.
    """
    nevra = image.packages[need.package].nevra
    at_run_time = headers and headers.needs_at_run_time(nevra, need.capability)
    return need.scriptlets if at_run_time is None else not at_run_time


def _of_sibling(image: Candidates, need: Need) -> bool:
    """Return whether a requirement is `= version-release` of a package of the same source.

    Also where that is a part of a rich dependency.
    """
    tree = parse_rich(need.capability) if is_rich(need.capability) else None
    parts = [need.capability] if tree is None else leaves(tree)
    split = (split_capability(part) for part in parts)
    if not any(relation == "=" and "-" in version for _, relation, version in split):
        return False
    source = image.packages[need.package].source
    providers = (n for clause in need.formula for n in clause if n > 0)
    return any(image.packages[n].source == source for n in providers if n in image.packages)


def _of_identity(image: Candidates, need: Need) -> bool:
    """Return whether a package that is never swapped meets a requirement today."""
    return any(clause & image.fixed for clause in need.formula)
