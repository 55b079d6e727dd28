"""A git repository to read: revisions, changed files, and trees written out without a checkout."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from bot import limits
from bot.errors import ChangeError, UsageError
from bot.git.command import GitError, git_environment, run_git
from bot.git.files import LINK, checked_path, read_below, write_below

WORKING_TREE: Final = "working tree"
"""Used in place of a commit for the files as they are on disk."""

SHA = re.compile(r"^[0-9a-f]{40}([0-9a-f]{24})?$")
FETCH_OPTIONS = ("--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet")
_BLOB = re.compile(rb"[0-9a-f]{40,64} blob (\d{1,15})\n", re.ASCII)
_FOREIGN = re.compile(r"detected dubious ownership in repository at '(.*?)'")
_REGULAR = ("100644", "100755")
_Status = Literal["A", "M", "D", "R", "T"]
_STATUSES: Mapping[str, _Status] = {"A": "A", "D": "D", "R": "R", "T": "T"}


class OwnerError(UsageError):
    """A repository that git does not read, as it belongs to another user."""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A changed file; `status` is git's letter; `old_path` is set for a renamed one."""

    path: str
    status: _Status
    old_path: str | None = None


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a commit's tree; `mode` as git writes it (`120000` is a symbolic link)."""

    path: str
    mode: str
    oid: str

    @property
    def is_link(self) -> bool:
        """Return whether it is a symbolic link (never followed)."""
        return self.mode == LINK


@dataclass(frozen=True, slots=True)
class Materialized:
    """The numbers of files and bytes written, and the omitted paths (links that point outside)."""

    files: int
    size: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class GitRepository:
    """A repository on disk. `path` is its top directory (or the bare repository itself)."""

    path: Path
    bare: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def git(self, *arguments: str, stdin: bytes = b"", accept: Collection[int] = (0,)) -> bytes:
        """The standard output of a git command in this repository; GitError if it fails."""
        return self.git_code(*arguments, stdin=stdin, accept=accept)[1]

    def git_code(
        self, *arguments: str, stdin: bytes = b"", accept: Collection[int] = (0,)
    ) -> tuple[int, bytes]:
        """As `git`; returns the exit code and the output."""
        return run_git(
            self.path, arguments, environment=self.environment, stdin=stdin, accept=tuple(accept)
        )

    def resolve(self, revision: str) -> str:
        """The commit id of `revision`; UsageError if it names none."""
        if revision.startswith("-") or "\0" in revision or not revision:
            raise UsageError(f"`{revision}` is not a revision.")
        code, out = self.git_code(
            "rev-parse", "--verify", "--quiet", revision + "^{commit}", accept=(0, 1, 128)
        )
        text = out.decode().strip().splitlines()[-1:] or [""]
        if code != 0 or not SHA.match(text[0]):
            raise UsageError(
                f"The repository {self.path} has no revision `{revision}`.",
                "Give a branch, a tag or a commit id, as `git log` shows.",
            )
        return text[0]

    def default_branch(self) -> str:
        """The branch that changes are based on: the remote's default, else main or master."""
        code, out = self.git_code(
            "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", accept=(0, 1, 128)
        )
        candidates = [out.decode().strip()] if code == 0 else []
        for prefix in ("refs/remotes/upstream/", "refs/remotes/origin/", "refs/heads/"):
            candidates += [prefix + name for name in ("main", "master", "rawhide")]
        known = set(self.git("for-each-ref", "--format=%(refname)").decode().splitlines())
        for candidate in candidates:
            if candidate in known:
                return candidate
        raise UsageError(
            f"The repository {self.path} has no branch main or master to compare with.",
            "Give the base revision with --base.",
        )

    def merge_base(self, base: str, head: str) -> str:
        """The best common ancestor of two revisions; that of the working tree is HEAD's."""
        first = self.resolve(base)
        second = self.resolve("HEAD" if head == WORKING_TREE else head)
        code, out = self.git_code("merge-base", first, second, accept=(0, 1))
        if code != 0:
            raise UsageError(
                f"{base} and {head} have no common ancestor.",
                "Compare branches with a common history.",
            )
        return out.decode().split()[0]

    def whole_merge_base(self, base: str, head: str) -> str | None:
        """The merge base of two commit ids, if no history between them is cut off; else null.

        In a shallow clone a common ancestor may be found that is not the best one.
        """
        path = os.fsdecode(self.git("rev-parse", "--git-path", "shallow")).rstrip("\n")
        shallow = self.path / path
        cut = set(shallow.read_text("ascii").split()) if shallow.exists() else set()
        if cut:
            between = self.git("rev-list", f"{base}...{head}").decode().split()
            if not cut.isdisjoint(between):
                return None
        code, out = self.git_code("merge-base", base, head, accept=(0, 1))
        return out.decode().split()[0] if code == 0 else None

    def is_shallow(self) -> bool:
        """Return whether the clone is shallow."""
        return self.git("rev-parse", "--is-shallow-repository").strip() == b"true"

    def branch_name(self) -> str | None:
        """The name of the checked-out branch; null if HEAD is detached."""
        code, out = self.git_code("symbolic-ref", "--quiet", "--short", "HEAD", accept=(0, 1))
        return out.decode().strip() if code == 0 else None

    def remote_url(self, name: str) -> str | None:
        """The URL of a remote in the repository's configuration, or null."""
        code, out = self.git_code("config", "--get", f"remote.{name}.url", accept=(0, 1))
        return os.fsdecode(out).rstrip("\n") if code == 0 else None

    def changed_files(self, base: str, head: str) -> tuple[ChangedFile, ...]:
        """The files that differ between two commits, or a commit and the working tree, by path.

        In the working tree, untracked files count unless they are ignored.
        """
        options = ["-z", "--name-status", "-M", "--no-ext-diff", "--no-textconv"]
        options.append("--ignore-submodules=all")
        if head != WORKING_TREE:
            out = self.git("diff", *options, self.resolve(base), self.resolve(head), "--")
            return tuple(sorted(_parse_status(out), key=lambda c: c.path))
        changed = {c.path: c for c in _parse_status(self.git("diff", *options, self.resolve(base)))}
        for path in self._untracked():
            before = changed.get(path)
            # Removed from the index only: the file is on disk, so it is changed, not deleted.
            changed[path] = ChangedFile(path, "M" if before and before.status == "D" else "A")
        return tuple(changed[path] for path in sorted(changed))

    def tree(self, commit: str, paths: Iterable[str] | None = None) -> tuple[TreeEntry, ...]:
        """The files and links of a commit, limited to `paths` if given; submodules are left out."""
        wanted = [] if paths is None else [p for p in paths if p not in ("", ".")]
        if paths is not None and not wanted and not list(paths):
            return ()
        out = self.git("ls-tree", "-r", "-z", "--full-tree", self.resolve(commit), "--", *wanted)
        entries = []
        for record in filter(None, out.split(b"\0")):
            meta, _, name = record.partition(b"\t")
            match meta.decode("ascii", "replace").split():
                case [mode, kind, oid]:
                    pass
                case _:
                    raise GitError(f"git lists an entry of {commit} that cannot be read.")
            if kind == "blob":
                entries.append(TreeEntry(checked_path(os.fsdecode(name)), mode, oid))
        return tuple(entries)

    def read(self, commit: str, path: str) -> bytes | None:
        """The bytes of a file; None if there is none, or it is a symbolic link."""
        if commit == WORKING_TREE:
            return read_below(self.path, checked_path(path))
        entries = self.tree(commit, [checked_path(path)])
        if len(entries) != 1 or entries[0].path != path or entries[0].mode not in _REGULAR:
            return None
        self._fetch_missing_blobs(commit, entries)
        return self.git("cat-file", "blob", entries[0].oid)

    def materialize(
        self,
        commit: str,
        directory: Path,
        paths: Iterable[str] | None = None,
        *,
        max_bytes: int = limits.CHECKOUT,
    ) -> Materialized:
        """Write the files of a commit, or of the working tree, into the empty `directory`.

        `paths` limits it to files and directories of these names. Contents are those of the blobs:
        no filters, no line-ending conversion, no `export-ignore`. Links are written if they cannot
        lead out of `directory`. ChangeError if there are more than `max_bytes` or CHECKOUT_FILES
        files.
        """
        directory.mkdir(parents=True, exist_ok=True)
        wanted = None if paths is None else [checked_path(p) for p in paths if p not in ("", ".")]
        if commit == WORKING_TREE:
            source = self._working_files(wanted)
        else:
            entries = self.tree(commit, wanted or None)
            self._fetch_missing_blobs(commit, entries)
            source = self._blobs(entries, max_bytes)
        files = size = 0
        left_out: list[str] = []
        for path, mode, content in source:
            files += 1
            size += len(content)
            if size > max_bytes or files > limits.CHECKOUT_FILES:
                raise ChangeError(
                    f"{'The' if commit == WORKING_TREE else 'Commit'} {commit} has more than"
                    f" {limits.CHECKOUT_FILES} files or {max_bytes} bytes.",
                    "Nothing was evaluated: this is the limit for a checkout.",
                )
            if not write_below(directory, path, mode, content):
                left_out.append(path)
        return Materialized(files, size, tuple(left_out))

    def _fetch_missing_blobs(self, commit: str, entries: Collection[TreeEntry]) -> None:
        """Fetch missing blobs of a commit's entries; does nothing in a complete repository."""

    def _blobs(
        self, entries: Collection[TreeEntry], max_bytes: int
    ) -> Iterator[tuple[str, str, bytes]]:
        """The contents of tree entries, read in batches of about 64 MB to limit memory."""
        oids = "".join(f"{oid}\n" for oid in dict.fromkeys(e.oid for e in entries))
        sizes: dict[str, int] = {}
        for line in self.git("cat-file", "--batch-check", stdin=oids.encode()).splitlines():
            fields = line.decode().split()
            if len(fields) != 3:
                raise GitError(f"The repository {self.path} lacks the object {fields[0]}.")
            sizes[fields[0]] = int(fields[2])
        if sum(sizes[e.oid] for e in entries) > max_bytes:
            raise ChangeError(
                f"The files to write out are more than {max_bytes} bytes.",
                "Nothing was evaluated: this is the limit for a checkout.",
            )
        batch: list[TreeEntry] = []
        batch_size = 0
        for entry in entries:
            batch.append(entry)
            batch_size += sizes[entry.oid]
            if batch_size > limits.CHECKOUT_TOGETHER:
                yield from self._read_batch(batch)
                batch, batch_size = [], 0
        yield from self._read_batch(batch)

    def _read_batch(self, entries: list[TreeEntry]) -> Iterator[tuple[str, str, bytes]]:
        if not entries:
            return
        out = self.git("cat-file", "--batch", stdin="".join(f"{e.oid}\n" for e in entries).encode())
        at = 0
        for entry in entries:
            head = _BLOB.match(out, at)
            if head is None or len(out) <= (end := head.end() + int(head[1])):
                raise GitError(f"git returned incomplete contents of {entry.path!r}.")
            yield entry.path, entry.mode, out[head.end() : end]
            at = end + 1

    def _untracked(self) -> list[str]:
        out = self.git("ls-files", "-z", "--others", "--exclude-standard")
        return sorted(os.fsdecode(p) for p in out.split(b"\0") if p and not p.endswith(b"/"))

    def _working_files(self, wanted: Collection[str] | None) -> Iterator[tuple[str, str, bytes]]:
        """The tracked, and the untracked but not ignored files on disk, with git's modes."""
        tracked = self.git("ls-files", "-z", "--cached").split(b"\0")
        names = {os.fsdecode(p) for p in tracked if p} | set(self._untracked())
        for path in sorted(names):
            if wanted is not None and not any(
                path == w or path.startswith(w + "/") for w in wanted
            ):
                continue
            full = self.path / checked_path(path)
            try:
                status = full.lstat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            if stat.S_ISLNK(status.st_mode):
                yield path, LINK, os.fsencode(full.readlink())
            elif stat.S_ISREG(status.st_mode):
                content = read_below(self.path, path)
                if content is not None:
                    yield path, _REGULAR[bool(status.st_mode & 0o100)], content


def open_repository(path: Path | str) -> GitRepository:
    """The repository that contains `path`; UsageError if there is none, OwnerError if not trusted
    by git.

    The user's git configuration applies (excludes, trusted directories), but no hooks.
    """
    where = Path(path)
    environment = git_environment({}, isolated=False, protocols="none")
    if not where.is_dir():
        raise UsageError(f"{where} is not a directory.", "Give the directory of a git repository.")
    try:
        _, out = run_git(
            where,
            ["rev-parse", "--is-bare-repository", "--absolute-git-dir"],
            environment=environment,
        )
        bare_text, git_dir = out.decode().splitlines()[:2]
        bare = bare_text == "true"
        if not bare:
            _, out = run_git(where, ["rev-parse", "--show-toplevel"], environment=environment)
    except GitError as error:
        if "not installed" in error.what:
            raise
        if foreign := _FOREIGN.search(error.what):
            raise OwnerError(
                f"The git repository {foreign[1]} belongs to another user: git does not read it.",
                f"If you trust it: git config --global --add safe.directory {foreign[1]}",
            ) from error
        raise UsageError(
            f"{where} is no git repository that can be read: {error.what}",
            "Give the directory of a git repository (--git).",
        ) from error
    top = git_dir if bare else os.fsdecode(out).rstrip("\n")
    return GitRepository(Path(top), bare, environment)


def _parse_status(out: bytes) -> Iterator[ChangedFile]:
    """The files of `git diff -z --name-status`: a letter (and score), then one path, two for a
    rename."""
    fields = [os.fsdecode(field) for field in out.split(b"\0")[:-1]]
    at = 0
    while at < len(fields):
        kind = fields[at][:1]
        count = 2 if kind and kind in "RC" else 1
        paths = fields[at + 1 : at + 1 + count]
        if len(paths) < count:
            raise GitError("git lists a changed file without its path.")
        if kind in _STATUSES:
            yield ChangedFile(paths[-1], _STATUSES[kind], paths[0] if kind == "R" else None)
        else:
            yield ChangedFile(paths[-1], "A" if kind == "C" else "M")
        at += 1 + count
