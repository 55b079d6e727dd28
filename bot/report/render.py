"""A check's report, rendered: its status, a comment in Markdown, HTML for a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from bot.model.result import CheckResult
from bot.report.blocks import Block, Detail, Document, Paragraph, Section
from bot.report.comment import document, next_steps, persons_words
from bot.report.configuration import configuration_sentence
from bot.report.evidence import footer
from bot.report.headline import headline, title
from bot.report.phrase import (
    Markdown,
    Phrase,
    code_span,
    joined,
    message,
    printable_html,
    to_html,
    to_markdown,
    to_text,
)
from bot.report.template import say

if TYPE_CHECKING:
    from jinja2 import Environment, Template

# The comment's first line, by which (with the author) the bot finds it.
COMMENT_MARKER = "<!-- minimize:comment -->"
# The same for the comment of `minimize check --ci`, which the bot must not take for its own.
CI_MARKER = "<!-- minimize:ci -->"
# GitHub's limit, in characters; GitLab takes a million.
COMMENT_LIMIT = 65_536
EVERYTHING = Detail(60, True, 10_000, 10_000, 10_000, 10_000, 10_000)
# The steps by which details are left out until a comment fits.
STEPS = (
    Detail(),
    Detail(graph_nodes=0),
    Detail(graph_nodes=0, changed=0, arrivals=100),
    Detail(graph_nodes=0, changed=0, rows=25, arrivals=25, lines=10),
    Detail(graph_nodes=0, folded=False, changed=0, lines=5),
    Detail(graph_nodes=0, folded=False, changed=0, lines=2, open_rows=2),
)


def comment_needed(result: CheckResult) -> bool:
    """Return whether a pull request gets a comment: an image changes, or the change is at fault.

    An accepted fault gets one too, as a record. Neutral results without a changed image have only
    the status.
    """
    at_fault = result.judged == "failure" or result.accepted is not None
    return at_fault or any(image.changed for image in result.images)


def status_line(result: CheckResult) -> tuple[str, str]:
    """Return title (at most 140 characters, plain text) and summary (Markdown) of a status.

    The summary is the beginning of the comment: the effect, the objectives that it violates, and
    who accepted that. A change to `.minimize.yaml` is in it, on the check's page and in a comment
    that exists for other reasons. By itself it causes no comment (CONTRACT has none while no image
    changes) and no failure (the head's file is not in force).
    """
    paragraphs = [headline(result), *persons_words(result, chat=True)]
    if result.only_limits and result.accepted is None:
        paragraphs += next_steps(result, chat=True)
    proposed = configuration_sentence(result.configuration)
    paragraphs += [proposed] if proposed else []
    return title(result), "\n\n".join(to_markdown(phrase) for phrase in paragraphs)


def not_built(head: str, title: str, summary: str) -> tuple[str, str]:
    """Return title and summary of the status of a stranger's commit that has no result.

    `title` and `summary` say what prevented it; `summary` is Markdown.
    """
    line = to_markdown(say.not_built(line=f"/minimize allow {head}"))
    whole = (str(line), sentence_markdown(f"{title}."), summary)
    return to_text(say.title_not_built(head=head)), "\n\n".join(whole)


def sentence_markdown(text: str) -> str:
    """Return a sentence with foreign parts (paths, names, a host's answer) as harmless Markdown."""
    return str(to_markdown(message(text)))


def render_comment(
    result: CheckResult,
    *,
    page_url: str | None = None,
    chat: bool = False,
    about: Phrase = (),
    marker: str = COMMENT_MARKER,
    limit: int = COMMENT_LIMIT,
) -> str:
    """Return the comment about `result`, at most `limit` characters (not less than 4,000).

    If it would be longer, the least important is left out first: the graphs, the changed packages,
    the ends of long lists; `page_url` is the page with all of it, or None. `chat` adds the hint to
    `/minimize help`; `about` is a first paragraph for a report on a part of the change.
    """
    text = ""
    for step, detail in enumerate(STEPS):
        last = _last_lines(page_url, chat=chat, short=step > 0)
        text = _render(document(result, detail, chat=chat), last, about=about, marker=marker)
        if _length(text) <= limit:
            return text
    # Foreign texts are truncated already: only a limit below our own texts leads here.
    return _render(
        Document(say.too_long(), (), (), (), result.verdict),
        _last_lines(page_url, chat=chat, short=True),
        about=about,
        marker=marker,
    )


def render_nothing_any_more(
    result: CheckResult,
    *,
    page_url: str | None = None,
    chat: bool = False,
    marker: str = COMMENT_MARKER,
) -> str:
    """Return the text that replaces a comment when a later push undoes the change."""
    persons = [Paragraph(phrase) for phrase in persons_words(result, chat=chat)]
    sections = (Section("", tuple(persons)),) if persons else ()
    report = Document(say.nothing_any_more(), sections, (), footer(result), result.verdict)
    return _render(report, _last_lines(page_url, chat=chat, short=False), marker=marker)


def render_check_html(result: CheckResult) -> Markup:
    """`result` as an `<article>`: untruncated and safe to embed in a page."""
    return Markup(_html_template().render(document=document(result, EVERYTHING)))


def render_answer(
    marker: str,
    lead: Phrase,
    parts: Sequence[tuple[Phrase, tuple[Block, ...]]],
    *,
    limit: int = COMMENT_LIMIT,
) -> str:
    """Return a comment that answers others: `lead`, then each part under its heading.

    `marker` is the hidden marker of such comments. It has at most `limit` characters: of a part
    that does not fit, only the heading stays, with a note.
    """
    whole = [Section("", (Paragraph(heading), *blocks)) for heading, blocks in parts]
    headings = [Section("", (Paragraph(say.answer_too_long(command=h)),)) for h, _ in parts]
    text = ""
    for fitting in range(len(parts), -1, -1):
        first = (Section("", (Paragraph(lead),)),) if lead else ()
        sections = (*first, *whole[:fitting], *headings[fitting:])
        text = _render(Document((), sections, (), (), "neutral"), [], marker=marker)
        if _length(text) <= limit:
            break
    return text


def _last_lines(page_url: str | None, *, chat: bool, short: bool) -> list[Phrase]:
    lines = []
    if page_url is not None:
        lines.append(say.full_report(page_url=page_url))
    elif short:
        lines.append(say.parts_left_out())
    return [*lines, say.chat_help()] if chat else lines


def _length(text: str) -> int:
    """Return the length as a forge may count it: UTF-16 units, never fewer than code points."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _render(
    report: Document, last: list[Phrase], *, marker: str = COMMENT_MARKER, about: Phrase = ()
) -> str:
    rendered = _template().render(
        marker=Markdown(marker),
        about=about,
        document=report,
        footer=[joined([*report.footer, *last], " \N{MIDDLE DOT} ")]
        if report.footer or last
        else [],
    )
    return re.sub("\n{3,}", "\n\n", rendered).strip() + "\n"


def _finalize(value: Any) -> str:
    """Filter the template's output: Markdown as it is, numbers, any other text as a code span."""
    if isinstance(value, Markdown):
        return value
    if isinstance(value, int):
        return str(value)
    return code_span(str(value))


@cache
def _template() -> Template:
    # Not HTML's escaping: `_finalize` escapes for Markdown.
    environment = _environment(autoescape=False, finalize=_finalize)
    environment.filters["md"] = to_markdown
    environment.filters["cell"] = partial(to_markdown, cell=True)
    environment.filters["own"] = Markdown
    return environment.get_template("comment.md.j2")


@cache
def _html_template() -> Template:
    environment = _environment(autoescape=True, finalize=printable_html)
    environment.filters["html"] = to_html
    return environment.get_template("check.html.j2")


def _environment(**options: Any) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment
