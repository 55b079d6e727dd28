"""Chains as a Mermaid graph, which GitHub and GitLab both draw.

Foreign text stands only in quoted labels, and there everything but letters, digits and a few
marks is written as Mermaid's entity codes (`#34;`): no label can end itself, start a directive
(`%%{`), a link or HTML. Node ids are our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.model.closure import Edge
from bot.model.nevra import Nevra
from bot.model.result import ImageResult
from bot.model.spec import SpecLine
from bot.report.phrase import visible
from bot.report.reasons import short_name

_PLAIN = re.compile(r"[^A-Za-z0-9 ._()+=:,/-]")


def chains_graph(images: Iterable[ImageResult], most_nodes: int = 40) -> str:
    """The chains that lead to the added packages of `images`, merged, as Mermaid source.

    Packages are nodes, requirements edges; a spec line points at the packages that it brings
    itself. Chains are drawn while `most_nodes` hold them, the largest packages' first; empty if
    there is none. The images should be ones whose added packages agree.
    """
    graph = _Graph(most_nodes)
    for image in images:
        came = {added.package.nevra for added in image.added}
        by_size = sorted(
            image.added, key=lambda a: (-(a.package.installed_size or 0), a.package.nevra)
        )
        for added in by_size:
            for chain in added.chains:
                graph.add_chain(chain, came, image.key.arch, added.spec)
    return graph.source()


def label(text: str) -> str:
    """`text` for a quoted label."""
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
        self, chain: tuple[Edge, ...], came: set[Nevra], arch: str, spec: SpecLine | None
    ) -> None:
        if not chain:
            return
        on_chain = [chain[0].source, *(edge.target for edge in chain)]
        names = [short_name(nevra, arch) for nevra in on_chain]
        wanted = {name for name in names if name not in self._nodes}
        lines = 0 if spec is None or spec in self._lines else 1
        if len(self._nodes) + len(self._lines) + len(wanted) + lines > self._most:
            self._left_out.add(names[-1])
            return
        for nevra, name in zip(on_chain, names, strict=True):
            self._nodes[name] = self._nodes.get(name, False) or nevra in came
        for edge, source, target in zip(chain, names, names[1:], strict=False):
            self._edges.setdefault((source, target), {})[edge.capability] = None
        entry = next((n for v, n in zip(on_chain, names, strict=True) if v in came), None)
        if spec is not None and entry is not None:
            self._lines.setdefault(spec, {})[entry] = None

    def source(self) -> str:
        if not self._edges:
            return ""
        ids = {name: f"n{number}" for number, name in enumerate(self._nodes, 1)}
        written = ["graph LR"]
        for name, came in self._nodes.items():
            written.append(f'  {ids[name]}["{label(name)}"]{":::added" if came else ""}')
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
