"""Charts, graphs and badges by URL: SVG, charts also as PNG, for pages, comments and READMEs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pygaljs
from aiohttp import web
from aiohttp.typedefs import Handler

from bot.report import format_size
from bot.web import answers, charts
from bot.web.answers import Archive
from bot.web.answers.checks import visible_check
from bot.web.answers.image import evaluated
from bot.web.badges import badge
from bot.web.charts import Theme
from bot.web.graphs import chains_graph, closure_graph
from bot.web.measures import METRICS
from bot.web.pages import IMAGE, asked
from bot.web.questions import Question, missing

Draw = Callable[[Archive, Question, Theme], str]
_SCRIPT = re.compile(r"<script[^>]*>(.+?)</script>", re.DOTALL)
_TOOLTIPS = Path(pygaljs.__file__).parent / "static" / "latest" / "pygal-tooltips.min.js"
_ORDER = ("broken", "at risk", "unknown", "met")


class Pictures:
    """The handlers of everything that is drawn."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def routes(self) -> list[web.RouteDef]:
        """Each picture's address."""
        drawn: dict[str, Draw] = {
            f"{IMAGE}/size": _size,
            f"{IMAGE}/packages": _packages,
            f"{IMAGE}/treemap": _treemap,
            f"{IMAGE}/architectures": _architectures,
            "/objectives/{id}/burn-down": _burn_down,
            "/surface/versions": _versions,
            "/movers": _movers,
        }
        as_svg: dict[str, Draw] = {
            f"{IMAGE}/graph": _graph,
            f"{IMAGE}/badge": _image_badge,
            "/objectives/{id}/badge": _objective_badge,
            "/checks/{id}/graph": _check_graph,
        }
        found = [web.get(f"{path}.svg", self._svg(draw)) for path, draw in (drawn | as_svg).items()]
        found += [web.get(f"{path}.png", self._png(draw)) for path, draw in drawn.items()]
        return [*found, web.get(charts.TOOLTIPS, _tooltips)]

    def _svg(self, draw: Draw) -> Handler:
        async def show(request: web.Request) -> web.Response:
            question = asked(request)
            text = await asyncio.to_thread(draw, self._archive, question, _theme(question))
            answer = web.Response(text=text, content_type="image/svg+xml")
            answer.headers["Content-Security-Policy"] = _policy(text)
            answer.headers["Cache-Control"] = "no-cache"
            return answer

        return show

    def _png(self, draw: Draw) -> Handler:
        async def show(request: web.Request) -> web.Response:
            from resvg_py import svg_to_bytes

            question = asked(request)
            theme: Theme = "dark" if question.text("theme") == "dark" else "light"

            def render() -> bytes:
                return svg_to_bytes(
                    svg_string=draw(self._archive, question, theme),
                    font_family="DejaVu Sans",
                    sans_serif_family="DejaVu Sans",
                )

            return web.Response(body=await asyncio.to_thread(render), content_type="image/png")

        return show


def _size(archive: Archive, question: Question, theme: Theme) -> str:
    found = answers.image(archive, question).json
    return charts.size_chart(found["history"], found["steps"], theme=theme)


def _packages(archive: Archive, question: Question, theme: Theme) -> str:
    found = answers.image(archive, question).json
    return charts.packages_chart(found["history"], found["steps"], theme=theme)


def _treemap(archive: Archive, question: Question, theme: Theme) -> str:
    found = answers.image(archive, question).json
    return charts.treemap(found["packages"] or (), theme=theme)


def _architectures(archive: Archive, question: Question, theme: Theme) -> str:
    found = answers.image(archive, question).json
    return charts.architectures_chart(found["architectures"], theme=theme)


def _burn_down(archive: Archive, question: Question, theme: Theme) -> str:
    found = answers.objective(archive, question).json
    known = dict.fromkeys(state["metric"] for state in found["history"])
    metric = question.text("metric") or next((m for m in known if m in METRICS), "")
    if metric not in known:
        raise missing("This objective has no such metric.")
    return charts.objective_chart(found, metric, theme=theme)


def _versions(archive: Archive, question: Question, theme: Theme) -> str:
    return charts.versions_chart(answers.surface(archive, question).json["versions"], theme=theme)


def _movers(archive: Archive, question: Question, theme: Theme) -> str:
    return charts.movers_chart(answers.overview(archive, question).json["movers"], theme=theme)


def _graph(archive: Archive, question: Question, _theme: Theme) -> str:
    found = answers.image(archive, question).json
    return closure_graph(found["packages"] or (), question.text("package"))


def _check_graph(archive: Archive, question: Question, _theme: Theme) -> str:
    found = visible_check(archive.store, question.path["id"], question.opened)
    added = [a for image in (found.result or {}).get("images", ()) for a in image["added"]]
    wanted = {a["nevra"] for a in added}
    return chains_graph((chain for a in added for chain in a["chains"]), wanted)


def _image_badge(archive: Archive, question: Question, _theme: Theme) -> str:
    key = question.key
    facts = evaluated(archive, key, question.date).facts
    label = question.text("label") or f"{key.workload} {key.arch}"
    if facts.status != "ok":
        return badge(label, "unsolvable", "unsolvable")
    return badge(label, f"{format_size(facts.known_size)}, {facts.packages} packages", "ok")


def _objective_badge(archive: Archive, question: Question, _theme: Theme) -> str:
    id_ = question.path["id"]
    heading = next((h for h in archive.history.objective_headings() if h["id"] == id_), None)
    if heading is None:
        raise missing("No objective has this id.")
    outlooks = {s.outlook for s in archive.standings() if s.state.objective == id_}
    worst = next((outlook for outlook in _ORDER if outlook in outlooks), "unknown")
    return badge(question.text("label") or heading["name"], worst, worst)


def _theme(question: Question) -> Theme:
    match question.text("theme"):
        case "light":
            return "light"
        case "dark":
            return "dark"
    return "auto"


def _policy(svg: str) -> str:
    """What a drawing may do: its own styles, our tooltips, and the one script that sets them up."""
    hashes = (
        base64.b64encode(hashlib.sha256(unescape(script).encode()).digest()).decode()
        for script in _SCRIPT.findall(svg)
    )
    scripts = " ".join(["'self'", *(f"'sha256-{one}'" for one in hashes)])
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {scripts};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


async def _tooltips(_request: web.Request) -> web.FileResponse:
    answer = web.FileResponse(_TOOLTIPS)
    answer.headers["Cache-Control"] = "max-age=86400"
    return answer
