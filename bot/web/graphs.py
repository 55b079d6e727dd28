"""The graph of a closure, drawn by Graphviz's `dot` (its port in the package graphviz-pure)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bot.errors import SurroundingsError
from bot.web.charts.look import font_face
from bot.web.links import package_url

Json = Mapping[str, Any]
DRAWN = 60
MOST = 300
_SECONDS = 10
# Of the fonts that there are ours is nearest to what `dot` measures, so that names fit their boxes.
_STYLE = """
text { font-family: Roboto, Helvetica, Arial, sans-serif; }
svg { color-scheme: light dark; }
text { fill: light-dark(#1c2024, #e6e8ea); }
.node path, .node polygon {
  fill: light-dark(#f4f6f8, #1c2024); stroke: light-dark(#5b636b, #9aa3ab);
}
.requested path { stroke-width: 2.5; }
.wanted path { fill: light-dark(#fff1cc, #4a3a00); stroke: light-dark(#7a5800, #ffd666); }
.edge path { stroke: light-dark(#5b636b, #9aa3ab); }
.edge polygon { fill: light-dark(#5b636b, #9aa3ab); stroke: none; }
"""


def closure_graph(packages: Iterable[Json], wanted: str, most: int = DRAWN) -> str:
    """The ways to the packages named `wanted`, and what requires those, as SVG.

    Draws the nearest `most` packages that lead to them; without `wanted` the requested packages
    and their requirements. A label has the number of packages that are left out.
    """
    known = {package["nevra"]: package for package in packages}
    nodes, of = _nodes(known, wanted, most)
    return _dot(_source(known, nodes, wanted, _left_out(len(nodes), of)))


def drawn_of(packages: Iterable[Json], wanted: str, most: int = DRAWN) -> tuple[int, int]:
    """The number of packages that `closure_graph` draws, and of all that it could draw."""
    nodes, of = _nodes({package["nevra"]: package for package in packages}, wanted, most)
    return len(nodes), of


def _nodes(known: Mapping[str, Json], wanted: str, most: int) -> tuple[list[str], int]:
    starts = [n for n, p in known.items() if (p["name"] == wanted if wanted else p["requested"])]
    near = _around(known, starts, up=bool(wanted))
    return near[: max(most, 1)], len(near)


def _left_out(drawn: int, of: int) -> str | None:
    return f"The nearest {drawn} of {of} packages are drawn." if drawn < of else None


def chains_graph(chains: Iterable[Iterable[Json]], wanted: Iterable[str]) -> str:
    """Chains (of one image or of several) merged into one graph by the packages' names.

    `wanted` are the NEVRAs to be marked.
    """
    edges = [(_name(e["from"]), _name(e["to"]), e["capability"]) for c in chains for e in c]
    marked = {_name(nevra) for nevra in wanted}
    every = list(dict.fromkeys(name for edge in edges for name in edge[:2]))
    names = every[:DRAWN]
    lines = [_node(name, "wanted" if name in marked else "") for name in names]
    needs: dict[tuple[str, str], list[str]] = {}
    for source, target, need in edges:
        if source in names and target in names:
            needs.setdefault((source, target), []).append(need)
    for (source, target), texts in needs.items():
        lines.append(_edge(source, target, ", ".join(dict.fromkeys(texts))))
    return _dot(_graph(lines, _left_out(len(names), len(every))))


def _around(known: Mapping[str, Json], starts: list[str], *, up: bool) -> list[str]:
    requires: dict[str, list[str]] = {nevra: [] for nevra in known}
    for nevra, package in known.items():
        for need in package["required_by"]:
            requires.setdefault(need["nevra"], []).append(nevra)
    found = dict.fromkeys(starts)
    level = list(starts)
    while level:
        following = []
        for nevra in level:
            near = [n["nevra"] for n in known[nevra]["required_by"]] if up else requires[nevra]
            following += [n for n in dict.fromkeys(near) if n not in found]
        level = list(dict.fromkeys(following))
        found |= dict.fromkeys(level)
    return [nevra for nevra in found if nevra in known]


def _source(known: Mapping[str, Json], nodes: list[str], wanted: str, left_out: str | None) -> str:
    lines = []
    for nevra in nodes:
        package = known[nevra]
        classes = ["requested"] * package["requested"] + ["wanted"] * (package["name"] == wanted)
        lines.append(_node(nevra, " ".join(classes)))
    drawn = set(nodes)
    for nevra in nodes:
        needs: dict[str, list[str]] = {}
        for need in known[nevra]["required_by"]:
            if need["nevra"] in drawn and need["nevra"] != nevra:
                needs.setdefault(need["nevra"], []).append(need["capability"])
        lines += [_edge(source, nevra, ", ".join(texts)) for source, texts in needs.items()]
    return _graph(lines, left_out)


def _graph(lines: list[str], left_out: str | None) -> str:
    look = (
        'rankdir=LR; bgcolor="transparent"; nodesep=0.15; ranksep=0.6;'
        ' node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=12,'
        ' height=0.3, margin="0.12,0.04"]; edge [arrowsize=0.6];'
    )
    label = [f'label={_quoted(left_out)}; fontname="Helvetica"; fontsize=12;'] if left_out else []
    return "\n".join(["digraph closure {", look, *label, *lines, "}"])


def _node(nevra: str, classes: str) -> str:
    name = _name(nevra)
    about = f", class={_quoted(classes)}" if classes else ""
    return (
        f"{_quoted(nevra)} [label={_quoted(name)}, tooltip={_quoted(nevra)},"
        f' URL={_quoted(package_url(name))}, target="_top"{about}];'
    )


def _name(nevra: str) -> str:
    """The name in a NEVRA; a name alone is itself."""
    return nevra.rsplit("-", 2)[0] if ":" in nevra else nevra


def _edge(source: str, target: str, need: str) -> str:
    return f"{_quoted(source)} -> {_quoted(target)} [tooltip={_quoted(f'requires {need}')}];"


def _quoted(text: str) -> str:
    """A string of dot. A backslash begins one of its escapes, an ampersand an entity."""
    plain = re.sub(r"[\x00-\x1f]", " ", text).replace("&", "&amp;")
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _dot(source: str) -> str:
    program = Path(sys.executable).with_name("graphviz-pure")
    try:
        done = subprocess.run(
            [program, "-Tsvg"],
            input=source.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
            env={},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SurroundingsError(
            "The graph cannot be drawn: graphviz-pure did not work.",
            "See that the package graphviz-pure is installed beside this program.",
        ) from error
    text = done.stdout.decode()
    start = text.index("<svg")
    inside = text.index(">", start) + 1
    return f"{text[start:inside]}<style>{font_face()}{_STYLE}</style>{text[inside:]}"
