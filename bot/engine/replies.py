"""Answering a comment: a reaction for commands that were taken, one comment with the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.chat.answers import (
    ChatAnswer,
    compose,
    found_answer,
    help_answer,
    not_understood,
    sentence,
)
from bot.chat.parser import Question, parse_line
from bot.engine.job import CheckJob
from bot.engine.outcome import Values
from bot.engine.steps import CheckSteps


@dataclass(frozen=True, slots=True)
class Line:
    """A command line with its `answer`; an empty one is computed from the line."""

    text: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the comment with the id `comment`, of `user`, at `url`.

    `job` is the pull request with its head, for questions; `marker` finds the answer again;
    `react` whether a command was taken.
    """

    job: CheckJob
    comment: str
    user: str
    url: str
    marker: str
    react: bool
    lines: tuple[Line, ...]

    def to_json(self) -> dict[str, Any]:
        """The reply as JSON values."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "job": self.job.to_json(),
            "lines": [{"text": line.text, "said": line.answer} for line in self.lines],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reply:
        """Read the value that `to_json` wrote."""
        return cls(
            **{name: value[name] for name in _PLAIN},
            job=CheckJob.from_json(value["job"]),
            lines=tuple(Line(line["text"], line["said"]) for line in value["lines"]),
        )

    @property
    def questions(self) -> tuple[Question, ...]:
        """The lines that need the images to be answered."""
        parsed = [parse_line(line.text) for line in self.lines if not line.answer]
        return tuple(s for s in parsed if isinstance(s, Question) and s.name != "help")


_PLAIN = ("comment", "user", "url", "marker", "react")


class ReplySteps:
    """The steps of a reply. Each may run more than once; writing ones look first."""

    def __init__(self, checks: CheckSteps) -> None:
        self._checks = checks

    async def react(self, reply: Reply) -> Values:
        """Put the reaction for a taken command."""
        await self._checks.forge_of(reply.job).react(reply.job.key, reply.comment, "eyes")
        return {}

    async def answer(self, reply: Reply) -> Values:
        """The `body` of the answer, questions answered."""
        questions = reply.questions
        found = await self._checks.ask(reply.job, questions)
        texts = {one.question.text: found_answer(one) for one in found}
        return {"body": body_of(reply, texts)}

    async def write(self, reply: Reply, body: str) -> Values:
        """Write the answer, or edit it where a crash came after it was written."""
        forge = self._checks.forge_of(reply.job)
        await forge.put_comment(reply.job.key, reply.marker, body)
        return {}


def body_of(reply: Reply, found: Mapping[str, ChatAnswer], problem: str = "") -> str:
    """The whole answer; questions that have no answer in `found` get `problem`."""
    answers = [(line.text, _answer(line, found, problem)) for line in reply.lines]
    return compose(answers, marker=reply.marker, user=reply.user, url=reply.url)


def _answer(line: Line, found: Mapping[str, ChatAnswer], problem: str) -> ChatAnswer:
    if line.answer:
        return sentence(line.answer)
    if line.text in found:
        return found[line.text]
    parsed = parse_line(line.text)
    if not isinstance(parsed, Question):
        return not_understood(parsed)
    return help_answer() if parsed.name == "help" else sentence(problem)
