"""The comment in a pull request: Markdown for GitHub and GitLab, within their limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.model.result import CheckResult
from bot.report.blocks import Block, Document, Paragraph, Section
from bot.report.document import STEPS, document
from bot.report.escape import Markdown, code_span, to_markdown
from bot.report.evidence import footer as evidence_footer
from bot.report.headline import NOTHING_ANY_MORE
from bot.report.phrase import Phrase, code, link, plain

if TYPE_CHECKING:
    from jinja2 import Template

# The comment's first line, by which and by the author the bot finds it.
COMMENT_MARKER = "<!-- minimize:comment -->"
# GitHub's limit, in characters; GitLab takes a million.
COMMENT_LIMIT = 65_536


def render_comment(
    result: CheckResult,
    *,
    page_url: str | None = None,
    chat: bool = False,
    about: Phrase = (),
    limit: int = COMMENT_LIMIT,
) -> str:
    """The comment about `result`, at most `limit` characters (not less than 4,000).

    Where it would be longer, the least important goes first: the graphs, the changed packages,
    the ends of long lists; `page_url` is where all of it is, or null. `chat` adds the hint to
    `/minimize help`; `about` is a first paragraph for a report on a part of the change.
    """
    text = ""
    for step, detail in enumerate(STEPS):
        footer = _footer(page_url, chat=chat, short=step > 0)
        text = _render(document(result, detail), footer, about=about)
        if _length(text) <= limit:
            return text
    # Foreign texts are truncated already: only a limit below our own words leads here.
    return _render(
        Document(plain("This report is too long for a comment."), (), (), (), result.verdict),
        _footer(page_url, chat=chat, short=True),
        about=about,
    )


def render_nothing_any_more(
    result: CheckResult, *, page_url: str | None = None, chat: bool = False
) -> str:
    """The text that replaces a comment when a later push takes the change back."""
    footer = evidence_footer(result)
    report = Document(plain(NOTHING_ANY_MORE), (), (), footer, result.verdict)
    return _render(report, _footer(page_url, chat=chat, short=False))


def render_answer(
    marker: str,
    lead: Phrase,
    parts: Sequence[tuple[Phrase, tuple[Block, ...]]],
    *,
    limit: int = COMMENT_LIMIT,
) -> str:
    """A comment that answers others: `lead`, then each part under its heading.

    `marker` is the hidden marker of such comments. At most `limit` characters: of a part that does
    not fit only the heading stays, with a note.
    """
    whole = [Section("", (Paragraph(heading), *blocks)) for heading, blocks in parts]
    named = [
        Section("", (Paragraph((*heading, *plain(": the answer is too long for a comment."))),))
        for heading, _ in parts
    ]
    text = ""
    for fitting in range(len(parts), -1, -1):
        sections = (*whole[:fitting], *named[fitting:])
        text = _render(
            Document((), (lead,) if lead else (), sections, (), "neutral"), [], marker=marker
        )
        if _length(text) <= limit:
            break
    return text


def _footer(page_url: str | None, *, chat: bool, short: bool) -> list[Phrase]:
    lines: list[Phrase] = []
    if page_url is not None:
        lines.append((*link("The full report", page_url), *plain(" leaves nothing out.")))
    elif short:
        lines.append(plain("Parts of this report are left out: they do not fit in a comment."))
    if chat:
        lines.append((*plain("Comment "), *code("/minimize help"), *plain(" for what to ask.")))
    return lines


def _length(text: str) -> int:
    """Characters as a forge may count them: UTF-16 units, never fewer than code points."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _render(
    report: Document, footer: list[Phrase], *, marker: str = COMMENT_MARKER, about: Phrase = ()
) -> str:
    rendered = _template().render(
        marker=Markdown(marker), about=about, document=report, footer=[*report.footer, *footer]
    )
    return re.sub("\n{3,}", "\n\n", rendered).strip() + "\n"


def _finalize(value: Any) -> str:
    """The template's output filter: Markdown as it is, numbers, any other text as a code span."""
    if isinstance(value, Markdown):
        return value
    if isinstance(value, int):
        return str(value)
    return code_span(str(value))


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # HTML's escaping is not Markdown's: `_finalize` stands in its place.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = to_markdown
    environment.filters["cell"] = lambda phrase: to_markdown(phrase, cell=True)
    environment.filters["own"] = Markdown
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("comment.md.j2")
