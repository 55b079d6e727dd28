"""The changed files that request packages of images, and the files read with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot import limits
from bot.errors import ChangeError
from bot.git.repository import WORKING_TREE, ChangedFile, GitRepository
from bot.requests.kinds import RequestKind, kind_of, may_ask, read_with
from bot.temporary import temporary_directory

# Paths for one git command.
_AT_ONCE = 1000


@dataclass(frozen=True, order=True, slots=True)
class ChangedRequest:
    """A file that requests packages of an image; a path is null on a side that has none."""

    kind: RequestKind
    base_path: str | None
    head_path: str | None

    @property
    def path(self) -> str:
        """The path of the file in results: head's, or base's if head deletes it."""
        return self.head_path or self.base_path or ""


@dataclass(frozen=True, slots=True)
class RequestFiles:
    """The changed files that request packages of images, sorted by kind and path.

    `base` and `head` have the bytes of the files read on each side, by path; `problem` says why
    they could not be read.
    """

    changed: tuple[ChangedRequest, ...] = ()
    base: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    head: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    problem: str = ""


def changed_request_files(
    git: GitRepository, merge_base: str, head: str, files: Iterable[ChangedFile]
) -> RequestFiles:
    """The files among the changed ones that request packages of images, and the files beside
    them."""
    files = tuple(files)
    paths = {p for file in files for p in (file.path, file.old_path) if p and may_ask(p)}
    if not paths:
        return RequestFiles()
    try:
        sides = [_contents(git, commit, paths) for commit in (merge_base, head)]
        changed = tuple(sorted(_changed(files, *sides)))
        if not changed:
            return RequestFiles()
        base, after = (_with_those_beside(git, c, changed) for c in (merge_base, head))
        return RequestFiles(changed, base, after)
    except ChangeError as error:
        return RequestFiles(problem=f"The requests of images were not evaluated: {error.what}")


def request_texts(git: GitRepository, commit: str) -> dict[str, str]:
    """The texts, by path, of a commit's files that request packages, and of files beside them.

    Without documents, which the bot has in its configuration, and lock files. Empty if the files
    exceed the limits of number or size.
    """
    paths = [path for path in _paths(git, commit) if may_ask(path)]
    if not paths or len(paths) > limits.REQUEST_CANDIDATES:
        return {}
    try:
        contents = _contents(git, commit, paths)
        kinds = {path: kind_of(path, [contents]) for path in contents}
        wanted_paths = {
            beside
            for path, kind in kinds.items()
            if kind is not None and kind.name not in ("document", "rpms.lock")
            for beside in read_with(kind.name, path, paths)
        }
    except ChangeError:
        return {}
    texts = ((path, contents[path]) for path in sorted(wanted_paths & contents.keys()))
    return {path: content.decode("utf-8", "replace") for path, content in texts}


def _changed(
    files: Iterable[ChangedFile], base: Mapping[str, bytes], head: Mapping[str, bytes]
) -> Iterable[ChangedRequest]:
    for file in files:
        old, new = file.old_path or file.path, file.path
        before, after = old if old in base else None, new if new in head else None
        kind = kind_of(new, [head]) or kind_of(old, [base])
        if kind is not None:
            yield ChangedRequest(kind.name, before, after)


def _with_those_beside(
    git: GitRepository, commit: str, changed: Iterable[ChangedRequest]
) -> dict[str, bytes]:
    paths = _paths(git, commit)
    beside = {path for file in changed for path in read_with(file.kind, file.path, paths)}
    return _contents(git, commit, beside)


def _paths(git: GitRepository, commit: str) -> list[str]:
    if commit == WORKING_TREE:
        tracked = git.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return [p.decode(errors="surrogateescape") for p in tracked.split(b"\0") if p]
    return [entry.path for entry in git.tree(commit) if not entry.is_link]


def _contents(git: GitRepository, commit: str, paths: Collection[str]) -> dict[str, bytes]:
    """The bytes of those of `paths` that are files of a commit. Raises ChangeError above the size
    limit."""
    contents: dict[str, bytes] = {}
    size = 0
    ordered = sorted(paths)
    for start in range(0, len(ordered), _AT_ONCE):
        batch = ordered[start : start + _AT_ONCE]
        with temporary_directory("change") as folder:
            git.materialize(commit, folder, batch, max_bytes=limits.REQUEST_FILES - size)
            for path in batch:
                if (content := _content(folder / path)) is not None:
                    contents[path] = content
                    size += len(content)
    return contents


def _content(path: Path) -> bytes | None:
    return None if path.is_symlink() or not path.is_file() else path.read_bytes()
