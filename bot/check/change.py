"""A change: the merge base, the head, and the spec files it touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bot.check.request_files import RequestFiles, changed_request_files
from bot.git.repository import WORKING_TREE, ChangedFile, GitRepository
from bot.model.result import REPOSITORY_FILE
from bot.spec.tree import source_folders, upward_files
from bot.temporary import temporary_directory

# Up to so many specs are read to see where their `..` lead; each is a request to the forge.
_FEW_SPECS = 20


@dataclass(frozen=True, order=True, slots=True)
class ChangedSpec:
    """One spec file on both sides; a path is null where that side has none.

    `itself` is true if the spec file differs. Else only files beside it do; they count if the spec
    names one of `beside` (base names of the changed files) as a Source or Patch. `refused` says why
    head's spec file is not evaluated (`is a symbolic link`), or is empty.
    """

    base_path: str | None
    head_path: str | None
    itself: bool
    beside: tuple[str, ...] = ()
    refused: str = ""

    @property
    def path(self) -> str:
        """The path of the spec in results: head's, or base's if head deletes it."""
        return self.head_path or self.base_path or ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change; `base_tree` and `head_tree` are folders with the files of both sides' specs.

    `base` is the tip of the base branch; the sides compared are `merge_base` and `head`, a commit
    id or the text `working tree`. `branch` is the base branch's plain name, or null.
    `repository_file` is the content of `.minimize.yaml` at the base, `head_file` at head;
    `file_changed` says whether the change touches it. `problems` are sentences; `requests` are the
    changed files that request packages of images.
    """

    base: str
    head: str
    merge_base: str
    branch: str | None
    specs: tuple[ChangedSpec, ...]
    base_tree: Path
    head_tree: Path
    git: GitRepository = field(compare=False, repr=False)
    repository_file: bytes | None = None
    head_file: bytes | None = None
    file_changed: bool = False
    problems: tuple[str, ...] = ()
    requests: RequestFiles = field(default_factory=RequestFiles)


@contextmanager
def open_change(
    git: GitRepository,
    base: str | None = None,
    head: str | None = None,
    *,
    branch: str | None = None,
    scratch: Path | None = None,
) -> Iterator[Change]:
    """Open the change from the merge base of two revisions to `head`, with its files on disk.

    `base` defaults to the default branch, `head` to the working tree. The files are written below
    `scratch`. Raises UsageError for unknown revisions, and what git raises.
    """
    base_revision = base or git.default_branch()
    base_commit = git.resolve(base_revision)
    head_commit = WORKING_TREE if head is None else git.resolve(head)
    merge_base = git.merge_base(base_commit, head_commit)
    files = git.changed_files(merge_base, head_commit)
    specs, problems = _changed_specs(git, merge_base, head_commit, files)
    requests = changed_request_files(git, merge_base, head_commit, files)
    with temporary_directory("change", scratch) as folder:
        base_tree, head_tree = folder / "base", folder / "head"
        _write(git, merge_base, base_tree, (s.base_path for s in specs))
        _write(git, head_commit, head_tree, (s.head_path for s in specs))
        yield Change(
            base=base_commit,
            head="working tree" if head_commit == WORKING_TREE else head_commit,
            merge_base=merge_base,
            branch=branch or _plain_branch(base_revision),
            specs=specs,
            base_tree=base_tree,
            head_tree=head_tree,
            repository_file=git.read(base_commit, REPOSITORY_FILE),
            head_file=git.read(head_commit, REPOSITORY_FILE),
            file_changed=any(REPOSITORY_FILE in (f.path, f.old_path) for f in files),
            problems=problems,
            requests=requests,
            git=git,
        )


def touches_packaging(git: GitRepository, merge_base: str, head: str) -> bool:
    """Return whether a check of the change could find something: it changes a spec file,
    `.minimize.yaml`, a file that requests packages of an image, or a file that a spec of either
    side may read (one in the spec's folder, or one that the spec names below or above it)."""
    files = git.changed_files(merge_base, head)
    paths = {path for file in files for path in (file.path, file.old_path) if path}
    if any(path.endswith(".spec") or path == REPOSITORY_FILE for path in paths):
        return True
    if changed_request_files(git, merge_base, head, files).changed:
        return True
    folders = {_folder(path) for path in paths}
    for side in (merge_base, head):
        specs = [entry.path for entry in git.tree(side) if entry.path.endswith(".spec")]
        if any(_folder(path) in folders for path in specs):
            return True
        few = len(specs) <= _FEW_SPECS
        if any(_named_elsewhere(git, side, spec, paths, above=few) for spec in specs):
            return True
    return False


def touched_specs(git: GitRepository, merge_base: str, head: str) -> int:
    """The number of spec files, on either side, that changed or have a changed file in their
    folder."""
    files = git.changed_files(merge_base, head)
    paths = {path for file in files for path in (file.path, file.old_path) if path}
    folders = {_folder(path) for path in paths}
    specs = {e.path for side in (merge_base, head) for e in git.tree(side)}
    return sum(p.endswith(".spec") and (p in paths or _folder(p) in folders) for p in specs)


def _named_elsewhere(
    git: GitRepository, commit: str, spec: str, paths: Iterable[str], *, above: bool = True
) -> set[str]:
    """Those of `paths` below a spec's folder that its text names; with `above`, also those to which
    its text leads by `..`."""
    own = {"" if folder == "." else f"{folder}/" for folder in source_folders(spec)}
    below = {
        path
        for path in paths
        if path.startswith(tuple(own)) and not own & {f"{_folder(path)}/".removeprefix("/")}
    }
    above = above and "/" in spec
    if not below and not above:
        return set()
    text = (git.read(commit, spec) or b"").decode(errors="replace")
    upward = upward_files(spec, text) if above else ()
    named = {path for path in below if PurePosixPath(path).name in text}
    return named | {p for p in paths if p in upward or p.startswith(tuple(f"{u}/" for u in upward))}


def _plain_branch(revision: str) -> str | None:
    for prefix in ("refs/remotes/", "refs/heads/"):
        if revision.startswith(prefix):
            name = revision.removeprefix(prefix)
            return name.partition("/")[2] if prefix == "refs/remotes/" else name
    return revision


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent


def _changed_specs(
    git: GitRepository, merge_base: str, head: str, files: tuple[ChangedFile, ...]
) -> tuple[tuple[ChangedSpec, ...], tuple[str, ...]]:
    before, refused_before = _specs(git, merge_base)
    after, refused_after = _specs(git, head)
    changed = {path for file in files for path in (file.path, file.old_path) if path}
    refused = refused_before | refused_after
    problems = [
        f"{_printable(path)} {refused[path]}: it was not evaluated."
        # Others were refused before this change too.
        for path in sorted(refused.keys() & changed)
    ]
    changed_specs: dict[str, ChangedSpec] = {}
    for file in files:
        old, new = file.old_path or file.path, file.path
        base_path = old if old in before and file.status != "A" else None
        head_path = new if new in after and file.status != "D" else None
        if base_path or head_path:
            why = refused_after.get(new, "") if head_path is None else ""
            changed_specs[new] = ChangedSpec(base_path, head_path, itself=True, refused=why)
    beside: dict[str, list[str]] = {}
    for file in files:
        for path in (file.path, *((file.old_path,) if file.old_path else ())):
            if path != REPOSITORY_FILE:  # no source of a spec
                beside.setdefault(_folder(path), []).append(PurePosixPath(path).name)
    renamed = {s.base_path for s in changed_specs.values()}
    few = len(before | after) <= _FEW_SPECS
    for path in sorted(before | after):
        names = [n for f in source_folders(path) for n in beside.get("" if f == "." else f, ())]
        for side, specs in ((merge_base, before), (head, after)):
            if path in specs:
                named = _named_elsewhere(git, side, path, changed, above=few)
                names += [PurePosixPath(file).name for file in named]
        if names and path not in changed_specs and path not in renamed:
            changed_specs[path] = ChangedSpec(
                path if path in before else None,
                path if path in after else None,
                itself=False,
                beside=tuple(sorted(set(names))),
            )
    return tuple(sorted(changed_specs.values(), key=lambda s: s.path)), tuple(problems)


def _specs(git: GitRepository, commit: str) -> tuple[set[str], dict[str, str]]:
    """Paths of one side's specs that can be evaluated; and by path, why others are refused."""
    if commit == WORKING_TREE:
        tracked = git.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        paths = {p.decode(errors="surrogateescape") for p in tracked.split(b"\0") if p}
        specs = {p for p in paths if p.endswith(".spec")}
        links = {p for p in specs if (git.path / p).is_symlink()}
        specs = {p for p in specs - links if (git.path / p).is_file()}
    else:
        entries = [e for e in git.tree(commit) if e.path.endswith(".spec")]
        links = {e.path for e in entries if e.is_link}
        specs = {e.path for e in entries} - links
    # The name could not be shown in comments, pages and JSON.
    misnamed = {path for path in specs if _printable(path) != path}
    refused = dict.fromkeys(links, "is a symbolic link")
    return specs - misnamed, refused | dict.fromkeys(misnamed, "has a name that is not UTF-8")


def _printable(path: str) -> str:
    """A path as text for people; bytes that are not UTF-8 are replaced."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _write(git: GitRepository, commit: str, tree: Path, paths: Iterable[str | None]) -> None:
    """Write the files that the specs at `paths` may read: their folders, and files that they name
    above them."""
    specs = sorted({path for path in paths if path is not None})
    folders = {folder for path in specs for folder in source_folders(path)}
    if not folders:
        tree.mkdir(parents=True)
    elif "." in folders:
        git.materialize(commit, tree)
    else:
        texts = {path: (git.read(commit, path) or b"").decode(errors="replace") for path in specs}
        above = {named for path in specs for named in upward_files(path, texts[path])}
        # Only files that a `..` leads to: a directory may be the whole source of a project.
        if commit == WORKING_TREE:
            above = {path for path in above if (git.path / path).is_file()}
        elif above:
            above &= {entry.path for entry in git.tree(commit, sorted(above))}
        git.materialize(commit, tree, sorted(folders | above))
