"""Merged pull requests of tracked branches, with the effect that their check measured.

Everything here is idempotent: records are found by the pull request, and the newest result of the
head's check is read each time. A repeated delivery, a crash between two steps, or a check that ends
after the merge lead to the same record.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bot.check.request_files import request_texts
from bot.engine.merged_effects import accepted_growth, measured_change, sources_of
from bot.engine.outcome import in_thread
from bot.errors import SurroundingsError
from bot.forge.events import PushEvent
from bot.forge.protocol import Forge
from bot.forge.values import ForgeFile, PullRequest, Source
from bot.git.mirror import GitMirror, open_mirror
from bot.model.opportunity import named_opportunities
from bot.model.result import REPOSITORY_FILE
from bot.settings.values import Settings
from bot.store.commands import Commands, Decision
from bot.store.history.history import History
from bot.store.history.values import BranchFile, MergedChange
from bot.store.proposals import Proposals
from bot.store.records import CheckRecord
from bot.store.store import Store, now


class MergedChanges:
    """Recorder of merged changes in history; safe for several threads."""

    def __init__(self, store: Store, history: History, settings: Settings) -> None:
        self._store = store
        self._history = history
        self._settings = settings
        self._commands = Commands(store)
        self._proposals = Proposals(store)
        # Held from reading a check's result to storing it, so that an older one never replaces a
        # newer.
        self._lock = threading.Lock()

    def merged(self, pull: PullRequest, files: Iterable[ForgeFile]) -> bool:
        """Store a merged pull request; return False if it is not stored.

        `files` are the files it changed, used if it was never checked. It is stored if it changed a
        package or an image's request, and a repository is built from its branch.
        """
        branch = (pull.key.forge, pull.key.repository, pull.base_ref)
        if not built_from(self._settings, *branch, pull.default_branch):
            return False
        with self._lock:
            check = self._newest_check(pull)
            change = self._change(pull, check, tuple(files))
            self._proposals.merged(change, named_opportunities(pull.title, pull.text))
            if not (change.sources or change.effects):
                return False
            self._record(change, check)
            return True

    def pushed(self, change: MergedChange, opportunities: Iterable[str] = ()) -> None:
        """Store a commit without a pull request; its message names `opportunities`."""
        with self._lock:
            self._history.recorder.record_merged(change)
            self._proposals.merged(change, tuple(opportunities))

    def store_file(self, file: BranchFile) -> None:
        """Store a branch's current `.minimize.yaml`."""
        self._history.recorder.record_file(file)

    def store_checked_file(self, record: CheckRecord, content: str | None) -> None:
        """Store the `.minimize.yaml` that a check found at the tip of its base branch."""
        branch = (record.forge, record.repository, record.base_ref)
        documents = self._settings.documents_for(*branch)
        self.store_file(
            BranchFile(*branch, record.base_sha, record.private, documents, content, now())
        )

    def ended(self, record: CheckRecord) -> None:
        """Store a check's effects, if its pull request has been merged with that head."""
        if record.narrowed or not record.result:
            return
        with self._lock:
            change = self._history.merged_pull(record.forge, record.repository, record.number)
            if change is None or change.head_sha != record.head_sha:
                return
            measured = measured_change(change, record)
            self._record(measured, record)
            self._proposals.merged(measured)

    def _record(self, change: MergedChange, check: CheckRecord | None) -> None:
        self._history.recorder.record_merged(change)
        decision = self._decision(change)
        if check is not None and decision is not None:
            for acceptance in accepted_growth(change, check, decision):
                self._history.recorder.record_acceptance(acceptance)

    def _decision(self, change: MergedChange) -> Decision | None:
        assert change.number is not None
        return self._commands.decision(
            "accept", change.forge, change.repository, change.number, change.head_sha
        )

    def _newest_check(self, pull: PullRequest) -> CheckRecord | None:
        """The newest final result of the head's check, else the newest predicted one."""
        records = self._store.checks_of(*pull.key.parts)
        checks = (
            self._store.check(record.id)
            for record in reversed(records)
            if record.head_sha == pull.head_sha and not record.narrowed
        )
        records = [record for record in checks if record is not None and record.result]
        final = (r for r in records if r.result and r.result["stage"] == "final")
        return next(final, next(iter(records), None))

    def _change(
        self, pull: PullRequest, check: CheckRecord | None, files: tuple[ForgeFile, ...]
    ) -> MergedChange:
        branch = (pull.key.forge, pull.key.repository, pull.base_ref)
        change = MergedChange(
            *pull.key.parts,
            title=pull.title,
            author=pull.author,
            url=pull.url,
            head_sha=pull.head_sha,
            merged=pull.merged,
            check_id=None,
            sources=dict.fromkeys(sources_of(file.path for file in files)),
            commit_sha=pull.merge_sha,
            branch=pull.base_ref,
            documents=self._settings.documents_for(*branch),
            private=pull.private,
        )
        return change if check is None else measured_change(change, check)


def built_from(settings: Settings, forge: str, repository: str, branch: str, default: str) -> bool:
    """Return whether the packages of some repository document are built from a branch.

    Without rules in the settings every document counts for each repository's `default` branch, or,
    if that is not known (""), for every branch.
    """
    if not settings.repositories:
        return default in ("", branch)
    return bool(settings.documents_for(forge, repository, branch, default=default))


# A push with more commits is stored as one change, under its last commit.
MOST_COMMITS = 50
_MOST_BYTES = 200_000
_NAME = re.compile(r"^Name:[ \t]*([A-Za-z0-9._+-]+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PushedCommit:
    """A commit that changes packages; `sources` are their names, `opportunities` the ids of
    opportunities that its message names."""

    sha: str
    title: str
    author: str
    sources: tuple[str, ...]
    opportunities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Push:
    commits: tuple[PushedCommit, ...]
    content: str | None
    rewritten: bool
    requests: Mapping[str, str] = field(default_factory=dict)


class Pushes:
    """Handler of pushes; handling a push twice changes nothing."""

    def __init__(self, settings: Settings, merged_changes: MergedChanges) -> None:
        self._settings = settings
        self._merged_changes = merged_changes

    async def take(self, forge: Forge, event: PushEvent, received: str) -> tuple[bool, str]:
        """Handle a push; return whether it had an effect, and a sentence on it."""
        where = f"{event.branch} of {event.repository}"
        place = (event.forge, event.repository, event.branch)
        if not built_from(self._settings, *place, event.default_branch):
            return False, f"{where} moved: no repository is built from it."
        documents = self._settings.documents_for(*place)
        if not event.after.strip("0"):
            await asyncio.to_thread(
                self._merged_changes.store_file, _file(event, documents, None, {})
            )
            return True, f"{where} was deleted."
        source = await forge.branch_source(event.repository, event.branch)
        mirror, limit = mirror_of(source, self._settings), self._settings.limits.fetch_seconds
        try:
            push = await in_thread(
                limit, lambda: look(mirror, event.before, event.after, source.refs)
            )
        except TimeoutError as error:
            raise SurroundingsError(
                f"What was pushed to {where} could not be fetched within {limit:.0f} s."
            ) from error
        file = _file(event, documents, push.content, push.requests)
        await asyncio.to_thread(self._merged_changes.store_file, file)
        if push.rewritten:
            return True, f"{where} was created or rewritten: no commits are recorded."
        recorded = 0
        for commit in push.commits:
            if await forge.pull_of(event.repository, event.branch, commit.sha) is None:
                change = _change(event, commit, documents, received)
                await asyncio.to_thread(self._merged_changes.pushed, change, commit.opportunities)
                recorded += 1
        return (
            True,
            f"{where} moved to {event.after[:12]}: {recorded} commits without a pull request.",
        )


def mirror_of(source: Source, settings: Settings) -> GitMirror:
    """The mirror of a repository's git objects, with the forge's credential for fetching."""
    return open_mirror(
        settings.cache / "git",
        source.url,
        source.credential,
        fetch_timeout=settings.limits.fetch_seconds,
    )


def look(mirror: GitMirror, before: str, after: str, refs: tuple[str, ...]) -> _Push:
    """The commits of a push, and the branch's `.minimize.yaml` and request files after it.

    A branch that is new, or whose history was rewritten, has no new commits.
    """
    new = not before.strip("0")
    base = mirror.fetch(after, after if new else before, refs=refs)
    content = mirror.read(after, REPOSITORY_FILE)
    text = None
    if content is not None and len(content) <= _MOST_BYTES:
        text = content.decode("utf-8", "replace")
    requests = request_texts(mirror, after)
    if new or base != before:
        return _Push((), text, rewritten=True, requests=requests)
    output = mirror.git("rev-list", "--first-parent", "--reverse", f"{before}..{after}")
    shas = output.decode().split()
    if len(shas) > MOST_COMMITS:
        pairs = [(before, after)]
    else:
        pairs = list(zip([before, *shas], shas, strict=False))
    commits = (_commit(mirror, parent, sha) for parent, sha in pairs)
    packaged = tuple(commit for commit in commits if commit.sources)
    return _Push(packaged, text, rewritten=False, requests=requests)


def _commit(mirror: GitMirror, parent: str, sha: str) -> PushedCommit:
    files = mirror.changed_files(parent, sha)
    changed = {path for file in files for path in (file.path, file.old_path) if path}
    beside: dict[str, set[str]] = {}
    for path in changed:
        beside.setdefault(_folder(path), set()).add(PurePosixPath(path).name)
    names: list[str] = []
    specs = [e.path for e in mirror.tree(sha) if e.path.endswith(".spec") and not e.is_link]
    for path in specs:
        neighbours = beside.get(_folder(path))
        if path in changed or neighbours:
            text = (mirror.read(sha, path) or b"")[:_MOST_BYTES].decode("utf-8", "replace")
            # A changed file beside a spec (a patch) counts if the spec names it.
            if path in changed or any(name in text for name in neighbours or ()):
                names.append(_name(text, path))
    deleted = sorted(changed - set(specs))
    log = mirror.git("log", "-1", "--format=%s%n%an%n%b", sha).decode("utf-8", "replace")
    title, author, text = log.split("\n", 2)
    sources = tuple(dict.fromkeys((*names, *sources_of(deleted))))
    opportunities = named_opportunities(title, text[:_MOST_BYTES])
    return PushedCommit(sha, title, author, sources, opportunities)


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _name(text: str, path: str) -> str:
    """The spec's Name if it has no macros, else the file's name: nothing is evaluated here."""
    match = _NAME.search(text)
    return match[1] if match else PurePosixPath(path).stem


def _file(
    event: PushEvent, documents: tuple[str, ...], content: str | None, requests: Mapping[str, str]
) -> BranchFile:
    branch = (event.forge, event.repository, event.branch)
    return BranchFile(*branch, event.after, event.private, documents, content, now(), requests)


def _change(
    event: PushEvent, commit: PushedCommit, documents: tuple[str, ...], received: str
) -> MergedChange:
    return MergedChange(
        forge=event.forge,
        repository=event.repository,
        number=None,
        title=commit.title,
        author=commit.author,
        url=f"{event.commits_url}/{commit.sha}" if event.commits_url else "",
        head_sha=commit.sha,
        merged=received,
        check_id=None,
        sources=dict.fromkeys(commit.sources),
        commit_sha=commit.sha,
        branch=event.branch,
        documents=documents,
        private=event.private,
    )
