"""The commits of a change in a clone that may lack some: CI systems fetch one commit without
history. A complete clone is only read.

Missing commits are fetched into refs/minimize/ of the clone, with its own remotes, credentials and
proxies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.errors import UsageError
from bot.git.command import GitError, git_environment, run_git
from bot.git.repository import FETCH_OPTIONS, SHA, GitRepository

# Depths in commits to which a shallow clone is deepened, in turn; None is all history.
_DEPTHS = (50, 400, 4000, None)
_FETCH_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit in the clone, and where to fetch it from if it is missing.

    `revision` is an id or a ref. `remote` is the name or URL of a remote, null if the commit must
    be in the clone; `ref` is its ref on the remote, for servers that do not serve commits by id.
    """

    revision: str
    remote: str | None = None
    ref: str | None = None


def fetching(repository: GitRepository) -> GitRepository:
    """The same repository, but git fetches objects missing in a partial clone from its remote."""
    return replace(repository, environment=_environment())


def commits_with_history(repository: GitRepository, base: Commit, head: Commit) -> tuple[str, str]:
    """The ids of base and head, after fetching missing commits and history between them.

    UsageError for a commit that is found nowhere; GitError if a remote fails.
    """
    ids = _resolve(repository, base), _resolve(repository, head)
    if _has_history_between(repository, *ids):
        return _required_ids(repository, ids, (base, head))
    for depth in _DEPTHS:
        for commit, name in ((base, "base"), (head, "head")):
            _fetch(repository, commit, f"refs/minimize/{name}", depth)
        ids = (
            _resolve(repository, base, "refs/minimize/base"),
            _resolve(repository, head, "refs/minimize/head"),
        )
        if _has_history_between(repository, *ids) or not repository.is_shallow():
            break
    return _required_ids(repository, ids, (base, head))


def _required_ids(
    repository: GitRepository, ids: tuple[str | None, str | None], commits: Sequence[Commit]
) -> tuple[str, str]:
    for commit, sha in zip(commits, ids, strict=True):
        if sha is None:
            raise UsageError(
                f"The commit {commit.revision} is not in the clone {repository.path}.",
                "Fetch it first (a checkout with the whole history), or give --base and --head.",
            )
    base, head = ids
    assert base is not None
    assert head is not None
    return base, head


def _resolve(repository: GitRepository, commit: Commit, fetched: str = "") -> str | None:
    """The id of a commit in the clone, or null; for a ref of a remote that of the ref `fetched`."""
    moving = commit.remote is not None and not SHA.match(commit.revision)
    for revision in (fetched,) if moving else (commit.revision,):
        try:
            return repository.resolve(revision)
        except UsageError:
            continue
    return None


def _has_history_between(repository: GitRepository, base: str | None, head: str | None) -> bool:
    """Return whether both are there, with all history between them, which a shallow clone may
    lack."""
    if base is None or head is None:
        return False
    return repository.whole_merge_base(base, head) is not None


def _fetch(repository: GitRepository, commit: Commit, into: str, depth: int | None) -> None:
    """Fetch a commit by its id, or by its ref if the remote does not serve it by id."""
    if commit.remote is None:
        return
    reach: list[str] = []
    if repository.is_shallow():
        # A depth would make a complete clone shallow.
        reach = ["--unshallow"] if depth is None else [f"--depth={depth}"]
    by_id = [commit.revision] if SHA.match(commit.revision) else []
    names = [*by_id, *([commit.ref] if commit.ref else [])]
    for name in names:
        try:
            run_git(
                repository.path,
                ["fetch", *FETCH_OPTIONS, *reach, commit.remote, f"+{name}:{into}"],
                environment=_environment(),
                timeout=_FETCH_SECONDS,
            )
        except GitError:
            if name == names[-1]:
                raise
        else:
            return


def _environment() -> dict[str, str]:
    return git_environment({}, isolated=False, protocols="file:http:https:ssh")
