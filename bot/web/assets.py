"""The files of all pages: stylesheet, icon and the charts' font.

Their names change with their content, so that browsers cache them for good.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from aiohttp import web
from font_roboto import font_files

from bot.web.addresses import missing

_FOLDER = Path(__file__).parent / "static"
FONT_FILE = Path(font_files["Roboto"])
CHART_FONT = "chart-font.woff"
_TYPES = {"css": "text/css", "svg": "image/svg+xml", "woff": "font/woff"}
_FOR_GOOD = "public, max-age=31536000, immutable"
# The characters for browsers: Latin with its extensions, punctuation, currency, arrows, signs.
_CHARACTERS = (*range(0x20, 0x250), *range(0x2000, 0x2300))


class _Asset(NamedTuple):
    body: bytes
    type: str
    lasting_name: str


@cache
def _assets() -> Mapping[str, _Asset]:
    """Each file by its plain name."""
    bodies = {name: (_FOLDER / name).read_bytes() for name in ("minimize.css", "minimize.svg")}
    assets = {}
    for name, body in {**bodies, CHART_FONT: _font()}.items():
        digest = hashlib.sha256(body).hexdigest()[:12]
        start, dot, kind = name.rpartition(".")
        assets[name] = _Asset(body, _TYPES[kind], f"{start}.{digest}{dot}{kind}")
    return assets


def _font() -> bytes:
    """The charts' font as WOFF, with the characters of names and sizes only."""
    # 11 MB of memory: not in a server whose pages are not used.
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    with TTFont(FONT_FILE) as font:
        subsetter = Subsetter(Options(flavor="woff", hinting=False, layout_features=[]))
        subsetter.populate(unicodes=_CHARACTERS)
        subsetter.subset(font)
        font.flavor = "woff"
        # Otherwise the time of creation, which would change the file's name at each start.
        font.recalcTimestamp = False
        output = io.BytesIO()
        font.save(output)
    return output.getvalue()


def asset_url(name: str) -> str:
    """The address of a file, by its plain name; it changes when the file does."""
    return f"/static/{_assets()[name].lasting_name}"


async def show_asset(request: web.Request) -> web.Response:
    """`/static/{name}`: cached for good under its lasting name, revalidated under its plain one."""
    name = request.match_info["name"]
    for plain, asset in _assets().items():
        if name in (plain, asset.lasting_name):
            response = web.Response(body=asset.body, content_type=asset.type)
            if name == asset.lasting_name:
                response.headers["Cache-Control"] = _FOR_GOOD
            return response
    raise missing("There is no such file.")
