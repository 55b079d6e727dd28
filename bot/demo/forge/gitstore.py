"""Bare git repositories on disk, read and written with the git command.

Commits are made without a working tree, with given dates: the same files, author and date give the
same commit id on any machine, and so the same key of a cached build.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from bot.errors import SurroundingsError
from bot.temporary import temporary_directory

ZERO = "0" * 40
_STATES = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "T": "changed"}


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; `parents` are commit ids, `at` is the committer's time."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    email: str
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that differs between two commits; `patch` is None for binary files."""

    path: str
    previous: str | None
    blob: str
    state: str
    additions: int
    deletions: int
    patch: str | None


class GitError(SurroundingsError):
    """A git command failed, or git is not installed."""


@dataclass(frozen=True, slots=True)
class BareRepository:
    """A bare repository at `path`, a directory whose name ends with `.git`."""

    path: Path

    @classmethod
    def create(cls, path: Path, default_branch: str = "main") -> BareRepository:
        """Create an empty repository that serves partial clones and any commit by its id."""
        path.parent.mkdir(parents=True, exist_ok=True)
        run_git("init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(path))
        repository = cls(path)
        for key in ("allowFilter", "allowAnySHA1InWant"):
            repository.git("config", f"uploadpack.{key}", "true")
        repository.git("config", "http.receivepack", "true")
        repository.git("config", "gc.auto", "0")
        return repository

    def git(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> bytes:
        """Run git on this repository and return its output; GitError if it fails."""
        return run_git(f"--git-dir={self.path}", *arguments, stdin=stdin, env=env)

    def resolve(self, revision: str) -> str | None:
        """The commit id of a branch, tag or abbreviated id, or None."""
        if revision.startswith("-"):
            return None
        try:
            output = self.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except GitError:
            return None
        return output.decode().strip()

    def branch(self, name: str) -> str | None:
        """The commit id at the tip of a branch, or None."""
        return self.resolve(f"refs/heads/{name}")

    def branches(self) -> dict[str, str]:
        """The commit id of each branch, by its name."""
        text = self.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
        return dict(line.split(" ") for line in text.decode().splitlines())

    def set_ref(self, name: str, sha: str) -> None:
        self.git("update-ref", name, sha)

    def commit(
        self,
        branch: str,
        files: Mapping[str, bytes | str | None],
        message: str,
        *,
        author: str = "Packager <packager@example.org>",
        at: datetime | None = None,
        start: str | None = None,
    ) -> str:
        """Commit files (path to content; None removes it) on a branch and return the commit's id.

        A new branch starts at the revision `start`, or empty.
        """
        match = re.fullmatch(r"([^<]+) <([^>]*)>", author)
        if match is None:
            raise ValueError(f"not an author: {author!r}")
        stamp = f"{int((at or datetime.now(UTC)).timestamp())} +0000"
        identity = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", match[1]), ("EMAIL", match[2]), ("DATE", stamp))
        }
        parent = self.branch(branch) or (self.resolve(start) if start else None)
        with temporary_directory("index") as scratch:
            index = {"GIT_INDEX_FILE": f"{scratch}/index"}
            if parent:
                self.git("read-tree", parent, env=index)
            blobs = self._blobs(files, scratch)
            lines = [
                f"100644 {blobs[path]}\t{path}" if path in blobs else f"0 {ZERO}\t{path}"
                for path in files
            ]
            self.git(
                "update-index",
                "-z",
                "--index-info",
                stdin="\0".join([*lines, ""]).encode(),
                env=index,
            )
            tree = self.git("write-tree", env=index).decode().strip()
        parents = ["-p", parent] if parent else []
        output = self.git("commit-tree", *parents, tree, stdin=message.encode(), env=identity)
        sha = output.decode().strip()
        self.set_ref(f"refs/heads/{branch}", sha)
        return sha

    def _blobs(self, files: Mapping[str, bytes | str | None], scratch: Path) -> dict[str, str]:
        """Write the files' contents to the repository by one command; return their ids by path."""
        contents = {path: content for path, content in files.items() if content is not None}
        for number, content in enumerate(contents.values()):
            data = content.encode() if isinstance(content, str) else content
            (scratch / str(number)).write_bytes(data)
        names = "".join(f"{scratch / str(number)}\n" for number in range(len(contents)))
        output = self.git(
            "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=names.encode()
        )
        return dict(zip(contents, output.decode().split(), strict=True))

    def merge_base(self, first: str, second: str) -> str | None:
        try:
            return self.git("merge-base", first, second).decode().strip()
        except GitError:
            return None

    def commits(self, excluded: str | None, included: str) -> tuple[Commit, ...]:
        """The commits reachable from `included` but not from `excluded`, oldest first."""
        layout = "%x1e%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%ct%x1f%B"
        revisions = [included, *([f"^{excluded}"] if excluded else [])]
        text = self.git("log", "--reverse", f"--format={layout}", *revisions, "--").decode()
        return tuple(_commit(entry) for entry in text.split("\x1e")[1:])

    def one_commit(self, sha: str) -> Commit:
        layout = "%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%ct%x1f%B"
        return _commit(self.git("log", "-1", f"--format={layout}", sha, "--").decode())

    def changes(self, before: str, after: str) -> tuple[FileChange, ...]:
        """The files that differ between two commits, by path."""
        options = ("--find-renames", "--no-ext-diff", "--no-color", before, after, "--")
        raw = self.git("diff", "--raw", "-z", "--abbrev=40", *options).decode(errors="replace")
        text = self.git("diff", *options).decode(errors="replace")
        # In the order of --raw. Lines of a patch begin with a sign or a space.
        patches = iter(re.split(r"^(?=diff --git )", text, flags=re.MULTILINE)[1:])
        fields = raw.split("\0")
        changes = []
        position = 0
        while position < len(fields) and fields[position].startswith(":"):
            _, _, _, blob, letter = fields[position][1:].split(" ")
            previous, path = fields[position + 1], fields[position + 1]
            position += 2
            if letter[0] in "RC":
                path = fields[position]
                position += 1
            # A file that becomes a link is a removed file and an added link.
            patch = _hunks("".join(islice(patches, 2 if letter[0] == "T" else 1)))
            added = removed = 0
            for line in patch.splitlines() if patch else ():
                added += line.startswith("+")
                removed += line.startswith("-")
            changes.append(
                FileChange(
                    path, previous if previous != path else None, blob,
                    _STATES.get(letter[0], "modified"), added, removed, patch,
                )
            )  # fmt: skip
        return tuple(sorted(changes, key=lambda change: change.path))

    def diff(self, before: str, after: str) -> bytes:
        return self.git("diff", "--no-ext-diff", "--no-color", before, after, "--")

    def file(self, sha: str, path: str) -> bytes | None:
        """The content of a file at a commit; None if there is none."""
        try:
            return self.git("cat-file", "blob", f"{sha}:{path}")
        except GitError:
            return None

    def fetch_from(self, repository: BareRepository, source: str, target: str) -> None:
        """Copy a ref of another repository (a fork) into this one."""
        self.git("fetch", "--quiet", str(repository.path), f"+{source}:{target}")


def _hunks(text: str) -> str | None:
    """The patch of a file from its first hunk; None if there is none."""
    start = text.find("\n@@")
    return text[start + 1 :].rstrip("\n") if start >= 0 else None


def run_git(
    *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> bytes:
    """Run git without the user's settings; GitError has its message."""
    try:
        process = subprocess.run(
            ["git", *arguments], input=stdin if stdin is not None else b"",
            capture_output=True, check=False, env=git_environment(env),
        )  # fmt: skip
    except FileNotFoundError:
        raise GitError("git is not installed.", "Install it: apt-get install git") from None
    if process.returncode:
        complaint = process.stderr.decode(errors="replace").strip()
        raise GitError(f"git {_command_text(arguments)} failed: {complaint or process.returncode}")
    return process.stdout


def git_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which git reads only the repository's settings."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        **(variables or {}),
    }


def _command_text(arguments: Sequence[str]) -> str:
    return " ".join(a for a in arguments if not a.startswith("--git-dir="))[:200]


def _commit(entry: str) -> Commit:
    sha, tree, parents, author, email, stamp, message = entry.split("\x1f", 6)
    return Commit(
        sha, tree, tuple(parents.split()), author, email,
        datetime.fromtimestamp(int(stamp), UTC), message.rstrip("\n"),
    )  # fmt: skip
