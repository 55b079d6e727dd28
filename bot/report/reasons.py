"""The reasons for added packages: each one's requirement, the line or library behind it, chains.

Chains are drawn as a Mermaid graph, which GitHub and GitLab both draw. Foreign text is only in
quoted labels there, and all of it except letters, digits and a few marks is written as Mermaid's
entity codes (`#34;`): no label can end itself, start a directive (`%%{`), a link or HTML. Node ids
are our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.model.architecture import architecture_order
from bot.model.closure import Edge
from bot.model.nevra import Nevra
from bot.model.result import Added, ImageResult
from bot.model.spec import SpecLine
from bot.report.phrase import Phrase, visible
from bot.report.template import say

_PLAIN = re.compile(r"[^A-Za-z0-9 ._()+=:,/-]")
# The requirement that rpm's generator writes for a linked library.
_SONAME = re.compile(r"lib[^\s(]*\.so(\.[^\s(]+)*\(.*\)(\(64bit\))?|lib[^\s(]*\.so(\.[^\s(]+)*")

# The verbs of dependencies.
VERBS = {"requires": "requires", "recommends": "recommends", "supplements": "is supplemented by"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A package that is added to images for one reason, and these images.

    `need` is the requirement that adds it, null if it is `requested` itself or the solver chose it.
    `added` is the package in the first of `images`; `sizes` are its sizes there in bytes, null if
    unknown.
    """

    name: str
    arch: str
    need: Edge | None
    added: Added
    images: tuple[ImageResult, ...]
    sizes: tuple[int | None, ...]

    @property
    def largest(self) -> int:
        return max((size or 0 for size in self.sizes), default=0)


def arrivals(images: Iterable[ImageResult]) -> tuple[Arrival, ...]:
    """Return the added packages of `images`, the largest first, one for each name and reason."""
    groups: dict[tuple[object, ...], list[tuple[ImageResult, Added, Edge | None]]] = {}
    for image in images:
        for added in image.added:
            chain = _shown_chain(added)
            need = chain[-1] if chain else None
            nevra = added.package.nevra
            group = (
                nevra.name,
                # One row for the image's own architecture and noarch, others apart.
                "" if nevra.arch in (image.key.arch, "noarch") else nevra.arch,
                need and (need.source.name, _stem(need.capability)),
                added.spec,
                added.generated and (added.generated.package, _stem(added.generated.capability)),
                added.requested if need is None else None,
                (added.alternatives, added.together_with, bool(added.stays_by)),
            )
            groups.setdefault(group, []).append((image, added, need))
    listed = []
    for (_, arch, *_), members in groups.items():
        members.sort(key=lambda m: (architecture_order(m[0].key.arch), m[0].key))
        _, added, need = members[0]
        listed.append(
            Arrival(
                name=added.package.nevra.name,
                arch=str(arch),
                need=need,
                added=added,
                images=tuple(m[0] for m in members),
                sizes=tuple(m[1].package.installed_size for m in members),
            )
        )
    return tuple(sorted(listed, key=lambda a: (-a.largest, a.name, a.arch)))


def entry_of(image: ImageResult, added: Added) -> Edge | None:
    """Return the first requirement of the shortest chain that was not there before."""
    nevras = {addition.package.nevra for addition in image.added}
    return next((edge for edge in _shown_chain(added) if edge.target in nevras), None)


def is_library(capability: str) -> bool:
    """Return whether `capability` is the soname of a library (`libz.so.1()(64bit)`)."""
    return _SONAME.fullmatch(capability) is not None


def need_phrase(edge: Edge, image_arch: str) -> Phrase:
    """`nginx` requires `/usr/bin/perl` for `/usr/share/nginx/tool`."""
    return say.need(
        source=short_name(edge.source, image_arch),
        verb=VERBS[edge.kind],
        capability=edge.capability,
        file=edge.files[0] if edge.files else "",
        others="others" if len(edge.files) > 1 else "",
    )


def short_name(nevra: Nevra, image_arch: str) -> str:
    """Return the package's name, with its architecture if that is not the image's own."""
    return nevra.name if nevra.arch in (image_arch, "noarch") else f"{nevra.name}.{nevra.arch}"


def _shown_chain(added: Added) -> tuple[Edge, ...]:
    return min(added.chains, key=lambda chain: (len(chain), chain), default=())


def _stem(capability: str) -> str:
    """A capability without its 64-bit mark, which not all architectures have."""
    return capability.replace("()(64bit)", "").replace("(64bit)", "")


def chains_graph(images: Iterable[ImageResult], most_nodes: int = 40) -> str:
    """Return the chains to the added packages of `images`, merged, as Mermaid source.

    Packages are nodes, requirements are edges; a spec line points to the packages that it brings in
    itself. Chains are drawn, the largest packages' first, up to `most_nodes`; empty if there is
    none. The added packages of the images should be equal.
    """
    graph = _Graph(most_nodes)
    for image in images:
        nevras = {added.package.nevra for added in image.added}
        by_size = sorted(
            image.added, key=lambda a: (-(a.package.installed_size or 0), a.package.nevra)
        )
        for added in by_size:
            for chain in added.chains:
                graph.add_chain(chain, nevras, image.key.arch, _lines_behind(added))
    return graph.source()


def _lines_behind(added: Added) -> tuple[SpecLine, ...]:
    """Return the spec lines that each alone bring a package in, or that made the build find it."""
    if added.spec is not None:
        return (added.spec, *added.alternatives)
    requirement = added.generated
    return (
        (requirement.build_requires,)
        if requirement is not None and requirement.build_requires
        else ()
    )


def label(text: str) -> str:
    """Return `text` for a quoted label."""
    return _PLAIN.sub(lambda m: f"#{ord(m[0])};", visible(text, 80))


class _Graph:
    """Nodes and edges in the order of their first occurrence."""

    def __init__(self, most_nodes: int) -> None:
        self._most = most_nodes
        self._nodes: dict[str, bool] = {}
        self._edges: dict[tuple[str, str], dict[str, None]] = {}
        self._lines: dict[SpecLine, dict[str, None]] = {}
        self._left_out: set[str] = set()

    def add_chain(
        self, chain: tuple[Edge, ...], added: set[Nevra], arch: str, lines: tuple[SpecLine, ...]
    ) -> None:
        if not chain:
            return
        on_chain = [chain[0].source, *(edge.target for edge in chain)]
        names = [short_name(nevra, arch) for nevra in on_chain]
        new_names = {name for name in names if name not in self._nodes}
        nodes = len(self._nodes) + len(self._lines.keys() | set(lines))
        if nodes + len(new_names) > self._most:
            self._left_out.add(names[-1])
            return
        for nevra, name in zip(on_chain, names, strict=True):
            self._nodes[name] = self._nodes.get(name, False) or nevra in added
        for edge, source, target in zip(chain, names, names[1:], strict=False):
            self._edges.setdefault((source, target), {})[edge.capability] = None
        entry = next((n for v, n in zip(on_chain, names, strict=True) if v in added), None)
        if entry is not None:
            for line in lines:
                self._lines.setdefault(line, {})[entry] = None

    def source(self) -> str:
        if not self._edges:
            return ""
        ids = {name: f"n{number}" for number, name in enumerate(self._nodes, 1)}
        written = ["graph LR"]
        for name, is_added in self._nodes.items():
            written.append(f'  {ids[name]}["{label(name)}"]{":::added" if is_added else ""}')
        for (source, target), capabilities in self._edges.items():
            needs = list(capabilities)
            text = label(needs[0]) + (f" and {len(needs) - 1} more" if len(needs) > 1 else "")
            written.append(f'  {ids[source]} -->|"{text}"| {ids[target]}')
        for number, (line, targets) in enumerate(self._lines.items(), 1):
            place = f"{label(line.path)} line {line.line}: {label(line.text)}"
            written.append(f'  s{number}(["{place}"]):::line')
            written += [f"  s{number} -.-> {ids[target]}" for target in targets]
        left_out = self._left_out - set(self._nodes)
        if left_out:
            written.append(f'  more["... and {len(left_out)} more packages"]')
        written.append("  classDef added fill:#fff1cc,stroke:#b58105,color:#1f2328")
        written.append("  classDef line fill:#ddf4ff,stroke:#0969da,color:#1f2328")
        return "\n".join(written)
