"""The files that pages are made with: stylesheet, icon, the charts' script and font, under names
that change with their content, so that browsers cache them for good."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pygaljs
from aiohttp import web

from bot.web import font
from bot.web.parameters import missing

_OURS = Path(__file__).parent / "static"
_TOOLTIPS = Path(pygaljs.__file__).parent / "static" / "latest" / "pygal-tooltips.min.js"
_FILES = (_OURS / "minimize.css", _OURS / "minimize.svg", _TOOLTIPS)
CHART_FONT = "chart-font.woff"
_TYPES = {
    "css": "text/css",
    "svg": "image/svg+xml",
    "js": "text/javascript",
    "woff": "font/woff",
}
_FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    type: str
    lasting: str


@cache
def _assets() -> Mapping[str, _Asset]:
    """Each file by its plain name."""
    bodies = {path.name: path.read_bytes() for path in _FILES} | {CHART_FONT: font.for_browsers()}
    found = {}
    for name, body in bodies.items():
        digest = hashlib.sha256(body).hexdigest()[:12]
        start, dot, kind = name.rpartition(".")
        found[name] = _Asset(body, _TYPES[kind], f"{start}.{digest}{dot}{kind}")
    return found


def asset_url(name: str) -> str:
    """The address of a file, by its plain name; it changes when the file does."""
    return f"/static/{_assets()[name].lasting}"


async def show_asset(request: web.Request) -> web.Response:
    """`/static/{name}`: cached for good under its lasting name, revalidated under its plain one."""
    name = request.match_info["name"]
    for plain, asset in _assets().items():
        if name in (plain, asset.lasting):
            answer = web.Response(body=asset.body, content_type=asset.type)
            if name == asset.lasting:
                answer.headers["Cache-Control"] = _FOR_GOOD
            return answer
    raise missing("There is no such file.")
