"""The decision to write a comment about a check, and the status of its commit."""

from __future__ import annotations

from bot.model.result import CheckResult
from bot.report.configuration import configuration_sentence
from bot.report.escape import to_markdown
from bot.report.headline import headline, title
from bot.report.objectives import verdict_sentences
from bot.report.phrase import prose


def comment_needed(result: CheckResult) -> bool:
    """Return whether a pull request gets a comment: an image changes, or the change is at fault.

    An accepted fault gets one too, as a record. Neutral results without a changed image have the
    status alone.
    """
    at_fault = result.verdict == "failure" or result.accepted is not None
    return at_fault or any(image.changed for image in result.images)


def status_line(result: CheckResult) -> tuple[str, str]:
    """Title (at most 140 characters, plain text) and summary (Markdown) of a status.

    The summary is the beginning of the comment: the effect, the objectives that it violates, and
    who accepted that.

    A change to `.minimize.yaml` stands here, on the check's page and in a comment that there is for
    other reasons. By itself it causes no comment (CONTRACT has none while no image changes) and no
    failure (the head's file is not in force).
    """
    paragraphs = [headline(result), *verdict_sentences(result)]
    proposed = configuration_sentence(result.configuration)
    paragraphs += [proposed] if proposed else []
    return title(result), "\n\n".join(to_markdown(phrase) for phrase in paragraphs)


def sentence_markdown(text: str) -> str:
    """A sentence with foreign parts (paths, names, a host's answer) as harmless Markdown."""
    return str(to_markdown(prose(text)))
