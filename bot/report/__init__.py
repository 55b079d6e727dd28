"""What a check found, told: as JSON, Markdown for a comment, HTML for a page, text for a terminal.

Importing this room is cheap: jinja2 and rich are loaded by the renderers that need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.report.answers import closures_text, print_closures, print_what_if, print_why
    from bot.report.blocks import Block, Bullets, Paragraph, Table
    from bot.report.html import render_check_html
    from bot.report.jsonform import (
        check_to_json,
        closures_to_json,
        configuration_to_json,
        json_text,
        what_if_to_json,
        why_to_json,
    )
    from bot.report.jsonread import check_from_json
    from bot.report.markdown import (
        COMMENT_LIMIT,
        COMMENT_MARKER,
        render_answer,
        render_comment,
        render_nothing_any_more,
    )
    from bot.report.mermaid import chains_graph
    from bot.report.promises import metric_text
    from bot.report.sizes import format_delta, format_size
    from bot.report.text import (
        print_check,
        print_configuration,
        print_objectives,
        print_track,
    )
    from bot.report.verdict import comment_needed, sentence_markdown, status_line

_HOMES = {
    "Block": "blocks",
    "Bullets": "blocks",
    "COMMENT_LIMIT": "markdown",
    "COMMENT_MARKER": "markdown",
    "Paragraph": "blocks",
    "Table": "blocks",
    "chains_graph": "mermaid",
    "check_from_json": "jsonread",
    "check_to_json": "jsonform",
    "closures_text": "answers",
    "closures_to_json": "jsonform",
    "comment_needed": "verdict",
    "configuration_to_json": "jsonform",
    "format_delta": "sizes",
    "format_size": "sizes",
    "json_text": "jsonform",
    "metric_text": "promises",
    "print_check": "text",
    "print_closures": "answers",
    "print_configuration": "text",
    "print_objectives": "text",
    "print_track": "text",
    "print_what_if": "answers",
    "print_why": "answers",
    "render_answer": "markdown",
    "render_check_html": "html",
    "render_comment": "markdown",
    "render_nothing_any_more": "markdown",
    "sentence_markdown": "verdict",
    "status_line": "verdict",
    "what_if_to_json": "jsonform",
    "why_to_json": "jsonform",
}

__all__ = [
    "COMMENT_LIMIT",
    "COMMENT_MARKER",
    "Block",
    "Bullets",
    "Paragraph",
    "Table",
    "chains_graph",
    "check_from_json",
    "check_to_json",
    "closures_text",
    "closures_to_json",
    "comment_needed",
    "configuration_to_json",
    "format_delta",
    "format_size",
    "json_text",
    "metric_text",
    "print_check",
    "print_closures",
    "print_configuration",
    "print_objectives",
    "print_track",
    "print_what_if",
    "print_why",
    "render_answer",
    "render_check_html",
    "render_comment",
    "render_nothing_any_more",
    "sentence_markdown",
    "status_line",
    "what_if_to_json",
    "why_to_json",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
