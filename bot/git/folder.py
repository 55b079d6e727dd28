"""A folder without commits, read as a change that adds all its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.errors import UsageError
from bot.git.command import git_environment, run_git
from bot.git.repository import GitRepository, OwnerError, open_repository
from bot.temporary import temporary_directory

_AUTHOR = "minimize <minimize@localhost>"
_DATE = "0 +0000"


@dataclass(frozen=True, slots=True)
class OpenedFolder:
    """A repository to read, and a sentence on the assumption made to read it, or null."""

    repository: GitRepository
    assumption: str | None = None


@contextmanager
def open_folder(path: Path) -> Iterator[OpenedFolder]:
    """Open the git repository that contains `path`, or a folder of spec files without a commit.

    For the latter the base is an empty commit on the branch main, stored in a temporary directory;
    nothing is written into the folder. Raises UsageError if there is neither a repository nor a
    spec file.
    """
    try:
        repository = open_repository(path)
    except UsageError as error:
        if isinstance(error, OwnerError) or not any(path.glob("*.spec")):
            raise
        top, reason = path.resolve(), f"{path.resolve()} is no git repository"
    else:
        if repository.bare or _has_commit(repository):
            yield OpenedFolder(repository)
            return
        top, reason = repository.path, f"The git repository {repository.path} has no commit"
    with temporary_directory("change") as directory:
        yield OpenedFolder(
            _with_empty_commit(top, directory),
            f"{reason}: each of its spec files counts as new, compared with what is published.",
        )


def _has_commit(repository: GitRepository) -> bool:
    code, _ = repository.git_code("rev-parse", "--verify", "--quiet", "HEAD", accept=(0, 1))
    return code == 0


def _with_empty_commit(top: Path, directory: Path) -> GitRepository:
    """A repository with an empty commit; its working tree is `top`, its objects are elsewhere."""
    environment = git_environment({}, isolated=False, protocols="none") | {
        "GIT_DIR": str(directory),
        "GIT_WORK_TREE": str(top),
    }
    repository = GitRepository(top, environment=environment)
    run_git(top, ["init", "--quiet", "--initial-branch=main"], environment=environment)
    tree = repository.git("mktree").strip()
    commit = b"tree %s\nauthor %s %s\ncommitter %s %s\n\nNothing.\n" % (
        tree,
        *((_AUTHOR.encode(), _DATE.encode()) * 2),
    )
    name = repository.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=commit)
    repository.git("update-ref", "refs/heads/main", name.decode().strip())
    return repository
