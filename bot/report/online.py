"""The answers of repositories to `minimize config check --online`, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bot.distro.online import RepositoryAnswer
from bot.report.answers import fitted, show
from bot.report.jsonform import Json
from bot.report.phrase import visible
from bot.report.sizes import plural

_HOUR, _DAY = 3600, 86400
_SIGNED = {True: "signed", False: "not signed", None: "no key"}


def answers_to_json(answers: Sequence[RepositoryAnswer]) -> list[Json]:
    """CONTRACT's `repositories` of `config check --online`."""
    return [
        {
            "document": answer.document,
            "repository": answer.repository,
            "arch": answer.arch,
            "reachable": answer.reachable,
            "url": answer.url or None,
            "timestamp": answer.timestamp or None,
            "age": answer.age,
            "signed": answer.signed,
            "packages": answer.packages,
            "error": answer.error,
            "hint": answer.hint,
            "cause": answer.cause,
        }
        for answer in answers
    ]


def print_answers(answers: Sequence[RepositoryAnswer], console: Console) -> None:
    """Print a line for each repository and architecture, and how many cannot be had."""
    console = fitted(console)
    for answer in answers:
        place = Text(visible(f"{answer.document} {answer.repository} {answer.arch}"), style="bold")
        if answer.error is None:
            show(console, place + Text(f": {_state(answer)}"))
        else:
            style = "yellow" if answer.cause == "not asked" else "red"
            words = "not asked: " if answer.cause == "not asked" else ""
            text = visible(f"{words}{answer.error} {answer.hint}".strip(), 1000)
            show(console, place + ": " + Text(text, style=style))
    bad = sum(not answer.reachable and answer.cause != "not asked" for answer in answers)
    count = "1 repository" if len(answers) == 1 else f"{len(answers)} repositories"
    show(
        console,
        Text(f"{count} asked, {bad} cannot be used", style="bold red" if bad else "bold green"),
    )


def _state(answer: RepositoryAnswer) -> str:
    known = "an unknown number of packages"
    count = known if answer.packages is None else plural(answer.packages, "package")
    return f"{_age(answer.age)}, {_SIGNED[answer.signed]}, {count}"


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "of unknown age"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h old"
    return f"{seconds // _DAY} days old"
