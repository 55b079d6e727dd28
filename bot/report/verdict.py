"""Whether there is something to say about a check, and the status that says it."""

from __future__ import annotations

from bot.model import CheckResult
from bot.report.configuration import configuration_sentence
from bot.report.escape import to_markdown
from bot.report.headline import headline, title
from bot.report.phrase import prose


def comment_needed(result: CheckResult) -> bool:
    """Whether a pull request gets a comment: an image changes, or the change is at fault.

    So it is where somebody accepted the fault: that is on record. Neutral results without a changed
    image are told by the status alone.
    """
    at_fault = result.verdict == "failure" or result.accepted is not None
    return at_fault or any(image.changed for image in result.images)


def status_line(result: CheckResult) -> tuple[str, str]:
    """Title (at most 140 characters, plain text) and summary (Markdown) of a status.

    A change to `.minimize.yaml` is told here and on the check's page. It makes no comment: CONTRACT
    has none while no image changes, and whoever changes the file looks at the status; where there
    is a comment it is told there too. It makes no failure either: the head's file is not in force.
    """
    summary = str(to_markdown(headline(result)))
    said = configuration_sentence(result.configuration)
    return title(result), f"{summary}\n\n{to_markdown(said)}" if said else summary


def sentence_markdown(text: str) -> str:
    """A sentence with foreign parts (paths, names, what a host said) as harmless Markdown."""
    return str(to_markdown(prose(text)))
