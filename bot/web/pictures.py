"""Charts, graphs and badges by URL: SVG, charts also as PNG, for pages, comments and READMEs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import unescape
from xml.etree.ElementTree import Element

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.model.result_json import check_from_json
from bot.report.sizes import format_size
from bot.web.addresses import Parameters, missing
from bot.web.assets import FONT_FILE
from bot.web.charts.bars import (
    Tile,
    architectures_chart,
    icicle,
    movers_chart,
    tiles,
    treemap,
    versions_chart,
)
from bot.web.charts.curves import PACKAGES, SIZE, Figure, image_chart, objective_chart
from bot.web.charts.graph import DRAWN, MOST, chains_graph, closure_graph
from bot.web.charts.svg import FONT, Look, Part, Theme, add, has_all, svg, width
from bot.web.pages import IMAGE, parameters_of
from bot.web.responses.archive import Archive
from bot.web.responses.checks import furthest, moved_packages, visible_check
from bot.web.responses.differences import each_architecture
from bot.web.responses.image import curve, limits
from bot.web.responses.image_packages import holders, packages
from bot.web.responses.objectives import heading_of, objective, worst
from bot.web.responses.overview import overview
from bot.web.responses.surface import surface
from bot.web.tables import METRICS

Draw = Callable[[Archive, Parameters, Look], str]
_STYLE = re.compile(r"<style>(.+?)</style>", re.DOTALL)


class Pictures:
    """The handlers of charts, graphs and badges."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def routes(self) -> list[web.RouteDef]:
        """The address of each picture."""
        routes = [web.get(f"{picture.path}.svg", self._svg(picture.draw)) for picture in PICTURES]
        routes += [
            web.get(f"{picture.path}.png", self._png(picture.draw))
            for picture in PICTURES
            if picture.png
        ]
        return routes

    def _svg(self, draw: Draw) -> Handler:
        async def show(request: web.Request) -> web.Response:
            parameters = parameters_of(request)
            text = await asyncio.to_thread(draw, self._archive, parameters, _look(parameters))
            response = web.Response(text=text, content_type="image/svg+xml")
            response.headers["Content-Security-Policy"] = _policy(text)
            return response

        return show

    def _png(self, draw: Draw) -> Handler:
        async def show(request: web.Request) -> web.Response:
            from resvg_py import svg_to_bytes

            parameters = parameters_of(request)
            look = _look(parameters)
            # The PNG renderer does not know the reader's preference.
            look = replace(look, theme="light") if look.theme == "auto" else look

            def render() -> bytes:
                text = draw(self._archive, parameters, look)
                return svg_to_bytes(
                    svg_string=text,
                    font_files=[str(FONT_FILE)],
                    font_family=FONT,
                    sans_serif_family=FONT,
                    # The machine's fonts only for characters that ours lacks.
                    skip_system_fonts=has_all(unescape(text)),
                )

            return web.Response(body=await asyncio.to_thread(render), content_type="image/png")

        return show


def _image_curve(figure: Figure, archive: Archive, parameters: Parameters, look: Look) -> str:
    lines = limits(archive, parameters, figure.name)
    return image_chart(figure, *curve(archive, parameters), lines, look=look)


def _burn_down(archive: Archive, parameters: Parameters, look: Look) -> str:
    data = objective(archive, parameters).data
    metrics = dict.fromkeys(state.metric for state in data.history)
    metric = parameters.text("metric") or next((m for m in metrics if m in METRICS), "")
    if metric not in metrics:
        raise missing("This objective has no such metric.")
    return objective_chart(data, metric, look=look)


def _graph(archive: Archive, parameters: Parameters, _look: Look) -> str:
    most = parameters.number("drawn", DRAWN, MOST)
    return closure_graph(packages(archive, parameters), parameters.text("package"), most)


def _check_graph(archive: Archive, parameters: Parameters, _look: Look) -> str:
    record = visible_check(archive.store, parameters.path["id"], parameters.opened_check)
    images = check_from_json(record.result).images if record.result else ()
    added = [added for image in images for added in image.added]
    return chains_graph(
        (chain for a in added for chain in a.chains), (a.package.nevra for a in added)
    )


def _check_treemap(archive: Archive, parameters: Parameters, look: Look, side: str) -> str:
    """One side of the check's image with the largest move: packages that come, leave, and stay.

    Both sides are drawn in one scale.
    """
    record = visible_check(archive.store, parameters.path["id"], parameters.opened_check)
    image = furthest(check_from_json(record.result).images if record.result else ())
    moved = moved_packages(image) if image else ()
    sizes = [(row, row.after if side == "after" else row.before) for row in moved]
    totals = [sum(row.before or 0 for row in moved), sum(row.after or 0 for row in moved)]
    total = totals[side == "after"]
    part: Part = "came" if side == "after" else "went"
    return tiles(
        [
            Tile(row.name or "all others", size, part if row.name else "stays")
            for row, size in reversed(sizes)
            if size
        ],
        look=look,
        share=total / max(*totals, 1),
    )


def _image_badge(archive: Archive, parameters: Parameters, _look: Look) -> str:
    key = parameters.key
    facts = archive.evaluation(key, parameters.date).facts
    label = parameters.text("label") or f"{key.workload} {key.arch}"
    if facts.status != "ok":
        return badge(label, "unsolvable", "unsolvable")
    return badge(label, f"{format_size(facts.known_size)}, {facts.packages} packages", "ok")


def _objective_badge(archive: Archive, parameters: Parameters, _look: Look) -> str:
    heading = heading_of(archive, parameters.path["id"], parameters.date)
    state = worst(archive.objective_statuses_of(parameters.date, objective=heading.id))
    return badge(parameters.text("label") or heading.name, state, state)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture at an address: the function that draws it, and its parameters; `png` if it exists
    as PNG."""

    path: str
    draw: Draw
    summary: str
    query: tuple[str, ...] = ()
    png: bool = True


_CHART = ("theme", "width")
_CURVE = ("date", "since", "window", *_CHART)
PICTURES = (
    Picture(
        f"{IMAGE}/size",
        lambda a, p, look: _image_curve(SIZE, a, p, look),
        "Installed size over time.",
        _CURVE,
    ),
    Picture(
        f"{IMAGE}/packages",
        lambda a, p, look: _image_curve(PACKAGES, a, p, look),
        "Packages over time.",
        _CURVE,
    ),
    Picture(
        f"{IMAGE}/treemap",
        lambda a, p, look: treemap(packages(a, p), look=look),
        "Where the bytes are.",
        ("date", *_CHART),
    ),
    Picture(
        f"{IMAGE}/icicle",
        lambda a, p, look: icicle(*holders(a, p), look=look),
        "What each package holds alone.",
        ("date", *_CHART),
    ),
    Picture(
        f"{IMAGE}/architectures",
        lambda a, p, look: architectures_chart(each_architecture(a, p), look=look),
        "Its size on each architecture.",
        ("date", *_CHART),
    ),
    Picture(f"{IMAGE}/graph", _graph, "Who requires whom.", ("date", "package", "drawn"), False),
    Picture(f"{IMAGE}/badge", _image_badge, "An image's badge.", ("date", "label"), False),
    Picture(
        "/objectives/{id}/burn-down",
        _burn_down,
        "An objective's values, its limit, the way to its target.",
        ("metric", *_CURVE),
    ),
    Picture(
        "/objectives/{id}/badge",
        _objective_badge,
        "An objective's badge.",
        ("date", "label"),
        False,
    ),
    Picture(
        "/surface/versions",
        lambda a, p, look: versions_chart(surface(a, p).data.versions, look=look),
        "The packages of most versions.",
        ("date", *_CHART),
    ),
    Picture(
        "/movers",
        lambda a, p, look: movers_chart(overview(a, p).data.movers, look=look),
        "The biggest movers of a window.",
        ("window", "date", *_CHART),
    ),
    Picture(
        "/checks/{id}/before",
        lambda a, p, look: _check_treemap(a, p, look, "before"),
        "Where the bytes are before a check's change, in the image that moves furthest.",
        _CHART,
    ),
    Picture(
        "/checks/{id}/after",
        lambda a, p, look: _check_treemap(a, p, look, "after"),
        "Where the bytes are after it.",
        _CHART,
    ),
    Picture("/checks/{id}/graph", _check_graph, "How a check's added packages come in.", png=False),
)


def _look(parameters: Parameters) -> Look:
    themes: dict[str, Theme] = {"light": "light", "dark": "dark"}
    theme = themes.get(parameters.text("theme"), "auto")
    return Look(theme, parameters.text("width") == "narrow")


def _policy(text: str) -> str:
    """The content security policy of a drawing: its own styles and our font only."""
    styles = (hashlib.sha256(unescape(style).encode()).digest() for style in _STYLE.findall(text))
    hashes = (
        " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in styles) or "'none'"
    )
    return (
        f"default-src 'none'; style-src {hashes}; font-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


_COLOURS = {
    "ok": "#0b5cad",
    "met": "#1a7f37",
    "at risk": "#8a6100",
    "broken": "#b3261e",
    "unsolvable": "#b3261e",
    "unknown": "#5b636b",
}


def badge(label: str, value: str, state: str) -> str:
    """An SVG of a few words; `state` chooses the colour."""
    texts = label[:60], value[:60]
    across = [width(text) + 14 for text in texts]
    total = f"{sum(across):.0f}"
    # Without the charts' style: a badge is mostly embedded elsewhere.
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", width=total, height="20")
    words = add(root, "g", font_family=f"{FONT},sans-serif", font_size=12, fill="#fff")
    left = 0.0
    for text, size, colour in zip(texts, across, ("#4d5358", _COLOURS[state]), strict=True):
        add(words, "rect", x=left, width=size, height=20, fill=colour)
        add(words, "text", text, x=left + 7, y=14, textLength=size - 14)
        left += size
    return svg(root)
