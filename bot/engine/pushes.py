"""Pushes to the branches that distributions are built from: commits without a pull request.

The effect of such a commit is not measured: no check was requested, and there is nowhere to show
it. The changed packages are stored, so that a step can be attributed to it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.engine.merged import MergedChanges, built_from
from bot.errors import SurroundingsError
from bot.forge.events import PushEvent
from bot.forge.protocol import Forge
from bot.git.mirror import GitMirror, open_mirror
from bot.settings.values import Settings
from bot.store.history.values import BranchFile, MergedChange
from bot.store.store import now

FILE_NAME = ".minimize.yaml"
# Of a push with more commits than this only the last one is stored, for all of them.
MOST_COMMITS = 50
_MOST_BYTES = 200_000
_NAME = re.compile(r"^Name:[ \t]*([A-Za-z0-9._+-]+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PushedCommit:
    """A commit that changes packages: `sources` are their names."""

    sha: str
    title: str
    author: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pushed:
    commits: tuple[PushedCommit, ...]
    content: str | None
    rewritten: bool


class Pushes:
    """Handler of pushes; handling one again changes nothing."""

    def __init__(self, settings: Settings, merged_changes: MergedChanges) -> None:
        self._settings = settings
        self._merged_changes = merged_changes
        self._git_cache: Path = settings.cache / "git"

    async def take(self, forge: Forge, event: PushEvent, received: str) -> tuple[bool, str]:
        """Handle a push; return whether it had an effect, and a sentence on it."""
        where = f"{event.branch} of {event.repository}"
        place = (event.forge, event.repository, event.branch)
        if not built_from(self._settings, *place, event.default_branch):
            return False, f"{where} moved: no repository document stands for it."
        documents = self._settings.documents_for(*place)
        if not event.after.strip("0"):
            await asyncio.to_thread(self._merged_changes.keep_file, _file(event, documents, None))
            return True, f"{where} was deleted."
        source = await forge.branch_source(event.repository, event.branch)
        limit = self._settings.limits.fetch_seconds
        mirror = open_mirror(self._git_cache, source.url, source.credential, fetch_timeout=limit)
        try:
            async with asyncio.timeout(limit):
                pushed = await asyncio.to_thread(
                    look, mirror, event.before, event.after, source.refs
                )
        except TimeoutError as error:
            raise SurroundingsError(
                f"What was pushed to {where} could not be fetched within {limit:.0f} s."
            ) from error
        await asyncio.to_thread(
            self._merged_changes.keep_file, _file(event, documents, pushed.content)
        )
        if pushed.rewritten:
            return True, f"{where} was made or rewritten: its commits are not news."
        recorded = 0
        for commit in pushed.commits:
            if await forge.pull_of(event.repository, event.branch, commit.sha) is None:
                change = _change(event, commit, documents, received)
                await asyncio.to_thread(self._merged_changes.pushed, change)
                recorded += 1
        return (
            True,
            f"{where} moved to {event.after[:12]}: {recorded} commits without a pull request.",
        )


def look(mirror: GitMirror, before: str, after: str, refs: tuple[str, ...]) -> _Pushed:
    """The commits of a push, and the branch's `.minimize.yaml` after it.

    A branch that is new, or whose history was rewritten, brings no commits.
    """
    new = not before.strip("0")
    base = mirror.fetch(after, after if new else before, refs=refs)
    content = mirror.read(after, FILE_NAME)
    text = None
    if content is not None and len(content) <= _MOST_BYTES:
        text = content.decode("utf-8", "replace")
    if new or base != before:
        return _Pushed((), text, rewritten=True)
    listed = mirror.git("rev-list", "--first-parent", "--reverse", f"{before}..{after}")
    shas = listed.decode().split()
    if len(shas) > MOST_COMMITS:
        pairs = [(before, after)]
    else:
        pairs = list(zip([before, *shas], shas, strict=False))
    commits = (_commit(mirror, parent, sha) for parent, sha in pairs)
    return _Pushed(tuple(c for c in commits if c.sources), text, rewritten=False)


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
            # A patch beside a spec that names it changes its package as well.
            if path in changed or any(name in text for name in neighbours or ()):
                names.append(_name(text, path))
    gone = sorted(path for path in changed - set(specs) if path.endswith(".spec"))
    log = mirror.git("log", "-1", "--format=%s%n%an", sha).decode("utf-8", "replace")
    title, author = log.split("\n")[:2]
    return PushedCommit(sha, title, author, tuple(dict.fromkeys((*names, *_stems(gone)))))


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _name(text: str, path: str) -> str:
    """The spec's Name where it is written plainly, else the file's: nothing is evaluated here."""
    found = _NAME.search(text)
    return found[1] if found else PurePosixPath(path).stem


def _stems(paths: Iterable[str]) -> list[str]:
    return [PurePosixPath(path).stem for path in paths]


def _file(event: PushEvent, documents: tuple[str, ...], content: str | None) -> BranchFile:
    return BranchFile(
        event.forge,
        event.repository,
        event.branch,
        event.after,
        event.private,
        documents,
        content,
        now(),
    )


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
