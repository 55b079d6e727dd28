"""Handling a comment: permissions, the runs that start or stop, and the answer.

A command that is handled twice (after a crash, by two hooks, after an edit) leads to the same run,
decision and answer: their names are made from the comment and the command.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.chat.answers import bare, decides, wrong_commit
from bot.chat.commands import WORD, may, refusal
from bot.chat.parser import (
    NotUnderstood,
    ParsedCommand,
    Question,
    answer_marker,
    command_key,
    is_ours,
    parse_comment,
)
from bot.engine.engine import Engine
from bot.engine.job import Line, Reply, job_of_head
from bot.engine.quotas import Quotas
from bot.engine.runs import Narrowing, Runs, publish_acceptance
from bot.engine.together import OtherRefusedError, Others
from bot.engine.trust import pusher_of, same_user
from bot.forge.events import CommentEvent
from bot.forge.protocol import Forge
from bot.forge.values import ForgeRefusedError, PullRequest, Role
from bot.settings.values import Settings
from bot.store.commands import Commands, Decision, DecisionKind, HandledCommand, Outcome
from bot.store.opportunities import DeclinedEdit, Opportunities
from bot.store.records import CheckRecord, Delivery
from bot.store.store import Store
from bot.telemetry.logs import current_context

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _ChatCommand:
    """One command with its author's role, comment, pull request and forge."""

    question: Question
    forge: Forge
    event: CommentEvent
    pull: PullRequest
    role: Role
    origin: str
    delivery: Delivery


# Empty: the command was taken. Else the sentence of the refusal.
_Effect = Callable[[_ChatCommand], Awaitable[str]]


class Conversation:
    """Handler of comments; one at a time for each pull request (the dispatcher ensures it)."""

    def __init__(self, store: Store, engine: Engine, runs: Runs, settings: Settings) -> None:
        self._store = store
        self._engine = engine
        self._runs = runs
        self._settings = settings
        self._commands = Commands(store)
        self._quotas = Quotas(store, settings.limits)
        self._opportunities = Opportunities(store)
        self._others = Others(store, settings)
        self._effects: Mapping[str, _Effect] = {
            "check": self._check,
            "accept": self._accept,
            "allow": self._allow,
            "cancel": self._cancel,
            "decline": self._decline,
        }

    async def handle(
        self, forge: Forge, event: CommentEvent, delivery: Delivery
    ) -> tuple[bool, str]:
        """Handle a comment; return whether it had an effect, and a sentence for the log."""
        if event.author_is_bot or is_ours(event.body):
            return False, "The comment is a bot's."
        if not event.author or event.author != event.sender:
            # The editor of another's comment would give commands in that person's name.
            return False, "The comment was edited by somebody other than its author."
        new = await self._new_commands(event)
        if not new:
            return False, "The comment has no new command."
        if await forge.is_bot(event.key, event.author):
            return False, f"{event.author} is a bot."
        pull = await forge.pull_request(event.key)
        role = await _role(forge, event, new.values())
        outcomes = {
            key: await self._execute(parsed, forge, event, pull, role, delivery)
            for key, parsed in new.items()
        }
        await self._reply(event, pull, new, outcomes)
        await asyncio.to_thread(
            self._commands.add,
            [
                HandledCommand(
                    *event.key.parts,
                    event.comment,
                    key,
                    parsed.text,
                    event.author,
                    outcomes[key][0],
                    delivery.received,
                )
                for key, parsed in new.items()
            ],
        )
        names = ", ".join(f"{parsed.text} ({outcomes[key][0]})" for key, parsed in new.items())
        return True, f"Commands of {event.author}: {names}."

    async def _new_commands(self, event: CommentEvent) -> dict[str, ParsedCommand]:
        """The commands of the comment that were not handled before, by their names."""
        # A long comment takes a while to parse.
        parsed = await asyncio.to_thread(parse_comment, event.body)
        if not parsed:
            return {}
        known = await asyncio.to_thread(
            self._commands.handled, event.key.forge, event.key.repository, event.comment
        )
        named = {command_key(event.comment, command): command for command in parsed}
        return {key: command for key, command in named.items() if key not in known}

    async def _execute(
        self,
        parsed: ParsedCommand,
        forge: Forge,
        event: CommentEvent,
        pull: PullRequest,
        role: Role | ForgeRefusedError,
        delivery: Delivery,
    ) -> tuple[Outcome, Line | None]:
        """The outcome of one command, and the line of the answer, if there is one."""
        if isinstance(parsed, NotUnderstood):
            # An error in the line itself is answered with the command's usage, or the exact line.
            problem = parsed.problem if parsed.beside else bare(parsed, pull.head_sha)
            return "unclear", Line(parsed.text, problem)
        effect = self._effects.get(parsed.name)
        # An edit may be declined on the pull request that it was proposed on, also after the merge.
        acts = effect is not None and parsed.name != "decline"
        reason = _refusal(parsed, event, pull, role, acts=acts)
        if reason:
            return "refused", Line(parsed.text, reason)
        if effect is None:
            return await self._take_question(parsed, event)
        known: Role = "none" if isinstance(role, ForgeRefusedError) else role
        origin = command_key(event.comment, parsed)
        problem = await effect(_ChatCommand(parsed, forge, event, pull, known, origin, delivery))
        return ("refused", Line(parsed.text, problem)) if problem else ("taken", None)

    async def _take_question(self, question: Question, event: CommentEvent) -> tuple[Outcome, Line]:
        """Take a question, unless its author has used up the hourly quota."""
        if question.name != "help":
            excess = await asyncio.to_thread(
                self._quotas.of_question, event.key.forge, event.author
            )
            if excess is not None:
                return "refused", Line(question.text, excess.sentence)
        return "taken", Line(question.text)

    async def _reply(
        self,
        event: CommentEvent,
        pull: PullRequest,
        new: Mapping[str, ParsedCommand],
        outcomes: Mapping[str, tuple[Outcome, Line | None]],
    ) -> None:
        marker = answer_marker(event.author, (parsed.text for parsed in new.values()))
        key = event.key
        exact = hashlib.sha256(f"{key}\0{marker}".encode()).hexdigest()[:24]
        run = f"reply-{key.number}-{event.comment[:40]}-{exact}"
        documents = self._settings.documents_for(key.forge, key.repository, pull.base_ref)
        about = current_context()
        declined = await asyncio.to_thread(self._opportunities.declined_edits, *key.parts[:2])
        job = replace(
            job_of_head(run, key, pull),
            documents=documents,
            delivery=about.delivery,
            declined=declined,
        )
        reply = Reply(
            comment=event.comment,
            user=event.author,
            url=event.url,
            marker=marker,
            react=any(outcome == "taken" for outcome, _ in outcomes.values()),
            lines=tuple(line for _, line in outcomes.values() if line is not None),
        )
        await self._engine.publisher.begin_reply(job, reply)
        await self._engine.start_reply(job, reply)

    async def _check(self, command: _ChatCommand) -> str:
        question, pull = command.question, command.pull
        workloads = question.values.get("WORKLOAD", ())
        arches = question.values.get("--arch", ())
        names = question.values.get("OWNER/REPO#N", ())
        records = await asyncio.to_thread(self._store.checks_of, *pull.key.parts)
        # After a crash the comment is handled again; it must not count twice.
        begun = any(record.delivery == command.origin for record in records)
        excess = None if begun else await asyncio.to_thread(self._quotas.of_check, pull)
        if workloads or arches or names:
            if excess is not None:
                return excess.sentence
            try:
                others = await self._others.find(command.forge, pull, command.event.author, names)
            except OtherRefusedError as refused:
                return refused.what
            marker = answer_marker(command.event.author, [question.text, "check"])
            narrowing = Narrowing(workloads, arches, marker, others)
            await self._runs.start(pull, command.origin, command.delivery.received, narrowing)
            return ""
        for record in records:
            same = (record.head_sha, record.base_ref) == (pull.head_sha, pull.base_ref)
            if record.open and same and not record.narrowed:
                return ""  # it runs already
        if excess is not None:
            return excess.sentence
        await self._runs.start(pull, command.origin, command.delivery.received)
        return ""

    async def _cancel(self, command: _ChatCommand) -> str:
        reason = f"{command.event.author} cancelled it."
        if await self._runs.stop(command.pull.key, reason, title="Cancelled"):
            return ""
        # Already stopped: the comment is handled again after a crash.
        stopped = any(
            record.problem == reason and (record.finished or "") >= command.delivery.received
            for record in await self._runs.of(command.pull.key)
        )
        return "" if stopped else "Nothing runs for this pull request."

    async def _decline(self, command: _ChatCommand) -> str:
        edit = command.question.one("EDIT") or ""
        if not all(edit.partition(":")):
            return f"{edit} is no edit: one is PACKAGE:CAPABILITY, as in nginx:systemd."
        declined = DeclinedEdit(
            command.pull.key.forge,
            command.pull.key.repository,
            edit,
            command.question.one("REASON") or "",
            command.event.author,
            command.role,
            command.delivery.received,
            command.event.comment,
            command.event.url,
        )
        await asyncio.to_thread(self._opportunities.decline, declined)
        await self._engine.publisher.decline(command.pull.key, edit)
        return ""

    async def _allow(self, command: _ChatCommand) -> str:
        records = await self._of_head(command)
        earlier = await self._runs.decision("allow", command.pull)
        again = earlier is not None and earlier.comment != command.event.comment
        await self._decide("allow", command)
        newest = await asyncio.to_thread(self._store.check, records[-1].id) if records else None
        if newest is not None:
            if newest.delivery == command.origin:
                return ""  # the comment is handled again after a crash
            result = newest.result or {}
            if result.get("builds"):
                return f"This commit was built already: {WORD} check runs everything again."
            # The result of a run that does not build is `final` already.
            builds = newest.stage == "predicted" and result.get("stage") == "predicted"
            if newest.open and (again or builds):
                return "This commit is being built already."
        await self._runs.start(command.pull, command.origin, command.delivery.received)
        return ""

    async def _accept(self, command: _ChatCommand) -> str:
        if reason := await self._is_own(command):
            return reason
        records = await self._of_head(command)
        newest = await asyncio.to_thread(self._store.check, records[-1].id) if records else None
        result = newest.result if newest is not None and newest.stage == "final" else None
        if newest is not None and not newest.open and result is not None:
            accepted = result.get("accepted")
            judged = result.get("predicted_verdict") or newest.verdict
            if accepted is None and judged != "failure":
                return "This commit goes over no limit: there is nothing to accept."
            if accepted is None and not result.get("only_limits"):
                return (
                    "This commit fails for more than a limit, and that cannot be accepted:"
                    f" {newest.summary}."
                )
        decision = await self._decide("accept", command)
        if newest is not None:
            await publish_acceptance(self._store, self._engine.publisher, newest, decision)
        return ""

    async def _is_own(self, command: _ChatCommand) -> str:
        """The refusal if the user would accept their own change; empty otherwise."""
        if self._settings.accept == "anyone":
            return ""
        user, pull = command.event.author, command.pull
        pusher = await self._runs.pusher(pull)
        job = replace(job_of_head("", pull.key, pull), pusher=pusher)
        if same_user(user, pull.author):
            what = "made this pull request"
        elif same_user(user, await pusher_of(job, command.forge)):
            what = "pushed its head commit"
        else:
            return ""
        return f"{user} {what}: somebody else with the role write or above has to accept it."

    async def _decide(self, kind: DecisionKind, command: _ChatCommand) -> Decision:
        decision = Decision(
            *command.pull.key.parts,
            head_sha=command.pull.head_sha,
            kind=kind,
            user=command.event.author,
            role=command.role,
            reason=command.question.one("REASON") or "",
            time=command.delivery.received,
            comment=command.event.comment,
            url=command.event.url,
        )
        await asyncio.to_thread(self._commands.decide, decision)
        return decision

    async def _of_head(self, command: _ChatCommand) -> Sequence[CheckRecord]:
        """The checks of the head commit, oldest first."""
        head = command.pull.head_sha
        return [r for r in await self._runs.of(command.pull.key) if r.head_sha == head]


def _refusal(
    question: Question,
    event: CommentEvent,
    pull: PullRequest,
    role: Role | ForgeRefusedError,
    *,
    acts: bool,
) -> str:
    """The refusal of a command that this user may not give here; empty if allowed.

    `acts`: the command starts, stops or decides something.
    """
    known: Role = "none" if isinstance(role, ForgeRefusedError) else role
    is_author = same_user(event.author, pull.author)
    if not may(question.command, known, is_author=is_author):
        if isinstance(role, ForgeRefusedError):
            return f"Your role here is not known: {role.what}"
        return refusal(question.command, event.author, role)
    if acts and not pull.open:
        return "This pull request is closed: nothing runs for it."
    return wrong_commit(question, pull.head_sha) if decides(question.name) else ""


async def _role(
    forge: Forge, event: CommentEvent, parsed: Iterable[ParsedCommand]
) -> Role | ForgeRefusedError:
    """The role of the comment's author, or the forge's error; queried only if a command needs
    it."""
    if not any(isinstance(command, Question) and command.command.who.role for command in parsed):
        return "none"
    try:
        return await forge.role_of(event.key, event.author)
    except ForgeRefusedError as error:
        LOG.warning("%s", error)
        return error
