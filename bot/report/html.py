"""A check's report as HTML, for the bot's own page: a fragment, escaped by jinja2."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from bot.model.result import CheckResult
from bot.report.document import EVERYTHING, document
from bot.report.escape import to_html

if TYPE_CHECKING:
    from jinja2 import Template


def render_check_html(result: CheckResult) -> Markup:
    """`result` as an `<article>`: untruncated and safe to embed in a page."""
    return Markup(_template().render(document=document(result, EVERYTHING)))


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["html"] = to_html
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("check.html.j2")
