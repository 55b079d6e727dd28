"""The steps of a check: every effect of a run is here. Each may run more than once.

A step that writes to the forge looks first: at the pull request's head, and at what is there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from bot.chat.answers import compose, sentence
from bot.chat.commands import WORD
from bot.chat.parser import Question
from bot.chat.questions import ChatFinding
from bot.check.external import ExternalProgress
from bot.check.verdict import accept
from bot.engine.annotations import annotations_of
from bot.engine.job import Checker, CheckJob
from bot.engine.links import CheckLinks, LinkKeys
from bot.engine.outcome import Values, in_thread
from bot.engine.pushes import FILE_NAME
from bot.forge.protocol import Forge
from bot.forge.values import ForgeRefusedError, StatusReport
from bot.git.mirror import GitMirror, open_mirror
from bot.model.result import REPOSITORY_FILE, CheckResult, check_from_json, check_to_json
from bot.report.phrase import Phrase, code, joined, listing, plain, strong
from bot.report.render import (
    COMMENT_LIMIT,
    COMMENT_MARKER,
    comment_needed,
    render_comment,
    render_nothing_any_more,
    status_line,
)
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)
ALLOW = f"{WORD} allow"
_MAY_BUILD = ("triage", "write", "maintain", "admin")


class CheckSteps:
    """The steps, with the forges, the checker, the git cache and the limits that they use."""

    def __init__(
        self,
        forges: Mapping[str, Forge],
        checker: Checker,
        settings: Settings,
        *,
        public_url: str | None = None,
    ) -> None:
        self._forges = forges
        self._checker = checker
        self._settings = settings
        self._links = CheckLinks(public_url or settings.public_url, LinkKeys.of(settings))
        self._git_cache: Path = settings.cache / "git"

    def forge_of(self, job: CheckJob) -> Forge:
        """The forge that a job is about."""
        return self._forges[job.forge]

    async def status(
        self,
        job: CheckJob,
        state: Any,
        title: str,
        summary: str = "",
        result: Values | None = None,
        *,
        only_open: bool = False,
    ) -> Values:
        """Set the status of the head commit; with a `result`, annotations on the specs' lines too.

        `only_open`: a status that is concluded stays as it is.
        A narrowed check sets none: it is no answer for the commit.
        """
        if job.narrowed:
            return {}
        notes = annotations_of(check_from_json(result)) if result is not None else ()
        report = StatusReport(
            job.id, state, title, summary, self._links.page(job), notes, only_open
        )
        await self._forges[job.forge].set_status(job.key, job.head_sha, report)
        return {}

    async def fetch(self, job: CheckJob) -> Values:
        """Fetch the commits; `packaging` says whether a spec, a file beside one, or the
        repository's `.minimize.yaml` changed."""
        git, fetch = await self.mirror(job)

        def look() -> Values:
            merge_base = fetch()
            # The forge's own list of the files ends after some thousands, or is refused as a whole.
            packaging = _touches_packaging(git, merge_base, job.head_sha)
            return {"merge_base": merge_base, "packaging": packaging}

        return await in_thread(self._settings.limits.fetch_seconds, look)

    async def predict(self, job: CheckJob) -> Values:
        """The prediction, as JSON; `worth_building` says whether a rebuild could tell more."""
        git, fetch = await self.mirror(job)

        def think() -> Values:
            fetch()
            found = self._checker.predict(job, git)
            values = {"worth_building": found.worth_building, "why_not": found.why_not}
            if job.tracked:
                content = git.read(job.base_sha, FILE_NAME)
                text = None if content is None else content.decode("utf-8", "replace")
                values["file"] = {"content": text}
            external = None if found.external is None else dict(found.external)
            return {**_accepted_values(job, found.result), **values, "external": external}

        return await in_thread(self._settings.limits.prediction_seconds, think)

    async def finish(self, job: CheckJob) -> Values:
        """The result of the rebuild, as JSON."""
        git, fetch = await self.mirror(job)

        def think() -> Values:
            fetch()
            return _accepted_values(job, self._checker.finish(job, git))

        return await in_thread(self._settings.limits.build_seconds, think)

    async def locate(self, plan: Values) -> ExternalProgress:
        """Which packages of a build elsewhere are there by now."""
        return await in_thread(
            self._settings.limits.prediction_seconds, lambda: self._checker.locate(plan)
        )

    async def ask(self, job: CheckJob, questions: Sequence[Question]) -> tuple[ChatFinding, ...]:
        """The answers to questions about the images of the head commit."""
        git, fetch = await self.mirror(job)

        def think() -> tuple[ChatFinding, ...]:
            fetch()
            return self._checker.ask(job, git, questions)

        return await in_thread(self._settings.limits.prediction_seconds, think)

    async def may_build(self, job: CheckJob) -> Values:
        """Return whether this head commit is built: `build`, and `why` not; `ask` if somebody may
        allow
        it."""
        build = self._settings.build
        if not build.enabled:
            return {"build": False, "why": "Building is switched off."}
        # Allowed for this commit alone: the job is about no other.
        if job.allowed or "*" in build.trusted or job.author in build.trusted:
            return {"build": True}
        try:
            role = await self._forges[job.forge].role_of(job.key, job.author)
            if role in _MAY_BUILD or await self._in_a_trusted_team(job):
                return {"build": True}
        except ForgeRefusedError as error:
            LOG.warning("%s: who may build is not known: %s", job.id, error)
            why = f"Who {job.author} is here is not known: {error.what}"
            return {"build": False, "ask": True, "why": why}
        has = "no role" if role == "none" else f"the role {role}"
        why = (
            f"{job.author} has {has}; building needs triage or above, or somebody with the role"
            f" write or above who says {ALLOW} for this commit."
        )
        return {"build": False, "ask": True, "why": why}

    async def _in_a_trusted_team(self, job: CheckJob) -> bool:
        forge = self._forges[job.forge]
        for name in self._settings.build.trusted:
            # A user name has no slash in it, on no forge.
            if "/" in name and await forge.is_member(job.key, name, job.author):
                return True
        return False

    async def comment(self, job: CheckJob, result: Values) -> Values:
        """Write, edit or take back the comment; `stale` if a newer head, or another base branch,
        is there by now.

        No comment is made while no image changes; one from an earlier push is edited to say so.
        On a bot's pull request there is none, unless the settings say so: the status is enough.
        """
        forge = self._forges[job.forge]
        now = await forge.pull_request(job.key)
        # What was merged meanwhile is still of this head: its effect is measured to the end.
        newest = (now.head_sha, now.base_ref) == (job.head_sha, job.base_ref)
        if not newest or not (now.open or now.merged):
            return {"stale": True}
        if job.narrowed:
            return await self._answer_narrowed(job, check_from_json(result))
        own = self._settings.forges.get(job.forge)
        if now.author_is_bot and not (own is not None and own.comment_on_bots):
            return {"stale": False, "comment": None}
        found = check_from_json(result)
        if found.verdict == "neutral" and not comment_needed(found):
            # Not evaluated: an earlier comment may still be true, so it is left.
            return {"stale": False, "comment": None}
        page = self._links.page(job)
        found = with_log_addresses(found, lambda number: self._links.log(job, number))
        if comment_needed(found):
            body = _marked(render_comment(found, page_url=page, chat=True))
        elif await forge.find_comment(job.key, COMMENT_MARKER) is not None:
            body = _marked(render_nothing_any_more(found, page_url=page, chat=True))
        else:
            return {"stale": False, "comment": None}
        comment = await forge.put_comment(job.key, COMMENT_MARKER, body)
        return {"stale": False, "comment": {"id": comment.id, "url": comment.url}}

    async def _answer_narrowed(self, job: CheckJob, found: CheckResult) -> Values:
        """Write the report in a comment of its own: the usual comment is about all images."""
        found = with_log_addresses(found, lambda number: self._links.log(job, number))
        # Its own marker is longer than the one that the renderer counts.
        limit = COMMENT_LIMIT - len(job.answers)
        page, about = self._links.page(job), narrowed_to(job.workloads, job.arches, found)
        body = render_comment(found, page_url=page, chat=True, about=about, limit=limit)
        body = body.replace(COMMENT_MARKER, job.answers, 1)
        comment = await self._forges[job.forge].put_comment(job.key, job.answers, body)
        return {"stale": False, "comment": {"id": comment.id, "url": comment.url}}

    async def say(self, job: CheckJob, text: str) -> Values:
        """Write a sentence as the answer of a narrowed check, which has no status."""
        line = " ".join(["/minimize check", *job.workloads, *(f"--arch {a}" for a in job.arches)])
        body = compose([(line, sentence(text))], marker=job.answers, user="", url="")
        await self._forges[job.forge].put_comment(job.key, job.answers, body)
        return {}

    async def mirror(self, job: CheckJob) -> tuple[GitMirror, Any]:
        """The object cache with the present credential, and the function that fetches into it."""
        source = await self._forges[job.forge].source(job.key, job.base_ref)
        mirror = open_mirror(
            self._git_cache,
            source.url,
            source.credential,
            fetch_timeout=self._settings.limits.fetch_seconds,
        )
        return mirror, lambda: mirror.fetch(job.head_sha, job.base_sha, refs=source.refs)


def with_log_addresses(result: CheckResult, address: Callable[[int], str | None]) -> CheckResult:
    """`result` with the logs where `address` says that the build of this number has its own.

    Where a log lies on this machine is nothing for a comment. One that somebody else keeps, for a
    build elsewhere, has its own address.
    """

    def own(number: int, log: str | None) -> str | None:
        elsewhere = log is None or log.startswith(("https://", "http://"))
        return log if elsewhere else address(number)

    builds = (replace(b, log=own(n, b.log)) for n, b in enumerate(result.builds))
    return replace(result, builds=tuple(builds))


def nothing_to_check(job: CheckJob, merge_base: str) -> Values:
    """The result, as JSON, of a change that touches no package."""
    return check_to_json(
        CheckResult(
            base=job.base_sha,
            head=job.head_sha,
            merge_base=merge_base,
            specs=(),
            verdict="success",
        )
    )


def concluded(found: Values, *, note: str = "", problem: str = "") -> Values:
    """The final result from a prediction that no rebuild follows, with the reason.

    `note`: nobody was to build it; `problem`: the rebuild did not work, which makes a success
    neutral.
    """
    result = check_from_json(found["result"])
    result = replace(result, stage="final")
    if note:
        result = replace(result, notes=(*result.notes, f"Predicted, not rebuilt: {note}"))
    if problem:
        result = replace(
            result,
            problems=(*result.problems, f"The prediction stands, the rebuild failed: {problem}"),
            verdict="failure" if result.verdict == "failure" else "neutral",
            interrupted=True,
        )
    return {**found, **result_values(result), "time": found["time"]}


def _accepted_values(job: CheckJob, result: CheckResult) -> Values:
    return result_values(accept(result, job.acceptance) if job.acceptance else result)


def result_values(result: CheckResult) -> Values:
    """The values of a result: its JSON, verdict, and the status's title and summary."""
    title, summary = status_line(result)
    return {
        "result": check_to_json(result),
        "verdict": result.verdict,
        "title": title,
        "summary": summary,
        "time": time.time(),
    }


def _marked(body: str) -> str:
    return body if COMMENT_MARKER in body else f"{body}\n\n{COMMENT_MARKER}\n"


def _touches_packaging(git: GitMirror, merge_base: str, head: str) -> bool:
    """Return whether a changed file is a spec, `.minimize.yaml`, or beside a spec of either
    side."""
    changed = git.changed_files(merge_base, head)
    paths = [p for file in changed for p in (file.path, file.old_path) if p]
    if any(path.endswith(".spec") or path == REPOSITORY_FILE for path in paths):
        return True
    specs = (e.path for side in (merge_base, head) for e in git.tree(side))
    return not _folders(paths).isdisjoint(_folders(p for p in specs if p.endswith(".spec")))


def _folders(paths: Iterable[str]) -> set[str]:
    return {str(PurePosixPath(path).parent) for path in paths}


def narrowed_to(workloads: Sequence[str], arches: Sequence[str], found: CheckResult) -> Phrase:
    """`Checked alone, as asked: the workload nginx, on s390x.`, with requested images not affected.

    `found` is the result, which has no image of a workload or architecture that the change does
    not reach.
    """
    images = [image.key for image in found.images]
    wanted: list[Phrase] = []
    if workloads:
        noun = "the workload " if len(workloads) == 1 else "the workloads "
        wanted.append((*plain(noun), *listing(code(workload) for workload in workloads)))
    if arches:
        every = "" if workloads else "every image "
        wanted.append((*plain(f"{every}on "), *listing(map(plain, arches))))
    phrase = (*strong("Checked alone, as asked:"), *plain(" "), *joined(wanted, ", "), *plain("."))
    if found.verdict == "success" and found.specs:
        # Where something went wrong, that an image is missing says nothing about the change.
        untouched = [w for w in workloads if w not in {key.workload for key in images}]
        away = [arch for arch in arches if arch not in {key.arch for key in images}]
        if untouched:
            of = listing(code(workload) for workload in untouched)
            phrase = (*phrase, *plain(" The change touches no image of "), *of, *plain("."))
        elif away:
            on = listing(map(plain, away))
            phrase = (*phrase, *plain(" The change touches no such image on "), *on, *plain("."))
    return (*phrase, *plain(" The status of the commit is that of the whole check."))
