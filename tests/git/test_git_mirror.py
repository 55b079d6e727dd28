"""The object cache: what is fetched, what is not, and what no command line shows."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bot import limits
from bot.errors import ChangeError
from bot.git.command import GitError
from bot.git.mirror import GitCredential, open_mirror
from bot.git.repository import ChangedFile
from tests.git.running import git


def grow(where: Path, branch: str, count: int) -> None:
    """Adds `count` commits to a branch quickly, each with its own file `n`."""
    parent = git(where, "rev-parse", branch)
    stream = f"feature done\nreset refs/heads/{branch}\nfrom {parent}\n\n"
    for n in range(count):
        stream += (
            f"commit refs/heads/{branch}\ncommitter A <a@example.org> {1700000000 + n} +0000\n"
            f"data 1\nx\nM 100644 inline n\ndata {len(str(n))}\n{n}\n\n"
        )
    subprocess.run(
        ["git", "fast-import", "--quiet", "--force"],
        cwd=where,
        input=(stream + "done\n").encode(),
        check=True,
    )


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    where = tmp_path / "upstream"
    where.mkdir()
    git(where, "init", "-q", "-b", "main")
    git(where, "config", "uploadpack.allowFilter", "true")
    (where / "nginx.spec").write_text("Name: nginx\n")
    (where / "huge").write_bytes(os.urandom(300_000))
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", "one")
    git(where, "switch", "-q", "-c", "topic")
    (where / "nginx.spec").write_text("Name: nginx\nRequires: perl\n")
    git(where, "commit", "-q", "-a", "-m", "two")
    git(where, "switch", "-q", "main")
    return where


def size_of(path: Path) -> int:
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def test_only_the_asked_contents_are_fetched(upstream: Path, tmp_path: Path) -> None:
    fork, head = git(upstream, "rev-parse", "main", "topic").split()
    mirror = open_mirror(tmp_path / "cache", f"file://{upstream}")
    assert mirror.fetch(head, fork) == fork
    assert mirror.changed_files(fork, head) == (ChangedFile("nginx.spec", "M"),)
    mirror.materialize(head, tmp_path / "out", ["nginx.spec"])
    assert (tmp_path / "out/nginx.spec").read_text() == "Name: nginx\nRequires: perl\n"
    assert mirror.read(fork, "nginx.spec") == b"Name: nginx\n"
    assert size_of(mirror.path) < 200_000
    mirror.materialize(head, tmp_path / "all")
    assert (tmp_path / "all/huge").stat().st_size == 300_000


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="util-linux limits what git writes")
def test_a_fetch_that_brings_too_much_is_the_changes_fault_and_leaves_nothing(
    upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork, head = git(upstream, "rev-parse", "main", "topic").split()
    monkeypatch.setattr(limits, "FETCHED_PACK", 200_000)
    mirror = open_mirror(tmp_path / "cache", f"file://{upstream}")
    mirror.fetch(head, fork)
    with pytest.raises(ChangeError, match="a file of more than 0 MB"):
        mirror.materialize(head, tmp_path / "all")
    assert size_of(mirror.path) < 200_000
    assert not list((mirror.path / "objects/pack").glob("tmp_*"))
    monkeypatch.undo()
    mirror.materialize(head, tmp_path / "whole")
    assert (tmp_path / "whole/huge").stat().st_size == 300_000


def test_the_merge_base_is_true_although_history_is_cut(upstream: Path, tmp_path: Path) -> None:
    fork = git(upstream, "rev-parse", "main")
    grow(upstream, "main", 120)
    grow(upstream, "topic", 70)
    base, head = git(upstream, "rev-parse", "main", "topic").split()
    mirror = open_mirror(tmp_path / "cache", f"file://{upstream}")
    assert mirror.fetch(head, base) == fork
    # The same again needs no server at all.
    upstream.rename(tmp_path / "gone")
    assert mirror.fetch(head, base) == fork


def test_a_later_push_comes_into_the_same_cache(upstream: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    base, head = git(upstream, "rev-parse", "main", "topic").split()
    open_mirror(cache, f"file://{upstream}").fetch(head, base)
    grow(upstream, "topic", 3)
    later = git(upstream, "rev-parse", "topic")
    mirror = open_mirror(cache, f"file://{upstream}")
    assert mirror.fetch(later, base) == base
    assert mirror.read(later, "n") == b"2"
    assert len(list(cache.iterdir())) == 1


def test_commits_without_common_history_are_the_changes_fault(
    upstream: Path, tmp_path: Path
) -> None:
    git(upstream, "switch", "-q", "--orphan", "alien")
    (upstream / "a").write_text("a")
    git(upstream, "add", "a")
    git(upstream, "commit", "-q", "-m", "alien")
    base, head = git(upstream, "rev-parse", "main", "alien").split()
    with pytest.raises(ChangeError, match="no common ancestor"):
        open_mirror(tmp_path / "cache", f"file://{upstream}").fetch(head, base)


def test_a_commit_that_is_not_there_is_an_error_of_the_surroundings(
    upstream: Path, tmp_path: Path
) -> None:
    base = git(upstream, "rev-parse", "main")
    with pytest.raises(GitError):
        open_mirror(tmp_path / "cache", f"file://{upstream}").fetch("1" * 40, base)
    with pytest.raises(ChangeError, match="no commit id"):
        open_mirror(tmp_path / "cache", f"file://{upstream}").fetch("--upload-pack=x", base)


@pytest.mark.parametrize("url", ["ext::sh -c x", "ssh://h/x", "https://u:p@h/x", "/etc"])
def test_other_protocols_and_secrets_in_urls_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(GitError, match="no URL to fetch from"):
        open_mirror(tmp_path / "cache", url)


def test_the_credential_is_in_no_argument_and_no_file(tmp_path: Path) -> None:
    mirror = open_mirror(tmp_path, "https://git.example/o/r.git", GitCredential("x", "s3cret"))
    assert "s3cret" not in repr(mirror)
    for file in mirror.path.rglob("*"):
        if file.is_file():
            assert b"s3cret" not in file.read_bytes()
            assert b"git.example" not in file.read_bytes()
    keys = [v for k, v in mirror.environment.items() if k.startswith("GIT_CONFIG_KEY")]
    assert "http.https://git.example/.extraHeader" in keys


def test_what_a_killed_git_left_hinders_no_later_fetch(upstream: Path, tmp_path: Path) -> None:
    base, head = git(upstream, "rev-parse", "main", "topic").split()
    mirror = open_mirror(tmp_path / "cache", f"file://{upstream}")
    mirror.fetch(base, base)
    grow(upstream, "topic", 60)
    later = git(upstream, "rev-parse", "topic")
    locked = ("shallow", "packed-refs", "HEAD", "config", f"refs/minimize/{later}")
    left = [mirror.path / f"{name}.lock" for name in locked]
    left += [mirror.path / "objects/pack/tmp_pack_old", mirror.path / "objects/pack/tmp_pack_new"]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    os.utime(left[-2], (0, 0))
    assert mirror.fetch(later, head) == head
    # A pack of now may be one that a reader is about to get.
    assert [file.name for file in left if file.exists()] == ["tmp_pack_new"]


@pytest.mark.parametrize(
    ("url", "followed"),
    [
        ("https://git.example/o/r.git", "https"),
        ("http://git.example/o/r.git", "https:http"),
        ("file:///srv/r.git", "file"),
    ],
)
def test_no_redirect_leads_from_https_to_http(tmp_path: Path, url: str, followed: str) -> None:
    assert open_mirror(tmp_path, url).environment["GIT_ALLOW_PROTOCOL"] == followed


IDENTITIES = {
    "no space before the address": b"A<a@example.org> 1700000000 +0000",
    "no name": b"<a@example.org> 1700000000 +0000",
    "no address": b"A 1700000000 +0000",
    "a broken address": b"A <a@example.org 1700000000 +0000",
    "a bracket in the name": b"A> <a@example.org> 1700000000 +0000",
    "no date": b"A <a@example.org> then +0000",
    "a date too far": b"A <a@example.org> 99999999999999999999 +0000",
    "a padded date": b"A <a@example.org> 01700000000 +0000",
    "a broken time zone": b"A <a@example.org> 1700000000 +51800",
}


@pytest.mark.parametrize("identity", IDENTITIES)
def test_an_old_commit_whose_author_is_written_wrong_is_fetched(
    upstream: Path, tmp_path: Path, identity: str
) -> None:
    base, tree = git(upstream, "rev-parse", "main", "main^{tree}").split()
    who = IDENTITIES[identity]
    text = f"tree {tree}\nparent {base}\n".encode() + b"author " + who + b"\ncommitter " + who
    process = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=upstream,
        input=text + b"\n\nold\n",
        capture_output=True,
        check=True,
    )
    head = process.stdout.decode().strip()
    git(upstream, "update-ref", "refs/heads/old", head)
    assert open_mirror(tmp_path / "cache", f"file://{upstream}").fetch(head, base) == base


def raw_commit(where: Path, entries: list[tuple[str, str]]) -> str:
    """A commit whose tree has these entries (mode and name), as no git would make it."""

    def keep(kind: str, content: bytes) -> str:
        command = ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
        process = subprocess.run(command, cwd=where, input=content, capture_output=True, check=True)
        return process.stdout.decode().strip()

    blob = bytes.fromhex(keep("blob", b"nginx.spec"))
    tree = keep("tree", b"".join(f"{m} {name}\0".encode() + blob for m, name in entries))
    who = b"A <a@example.org> 1700000000 +0000"
    lines = (b"tree " + tree.encode(), b"author " + who, b"committer " + who, b"", b"x\n")
    commit = keep("commit", b"\n".join(lines))
    git(where, "update-ref", "refs/heads/raw", commit)
    return commit


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([("100644", "a"), ("100644", "a")], "twice"),
        ([("120000", "a"), ("100644", "a")], "twice"),
        ([("100644", "a"), ("100644", "a/b")], "twice"),
        ([("100644", "../a")], "not allowed"),
        ([("100644", ".git")], "not allowed"),
        ([("100644", ".GIT/config")], "not allowed"),
        ([("100644", "..")], "not allowed"),
        ([("100644", "a" * 300)], "shorter name"),
    ],
)
def test_a_tree_that_no_git_makes_is_the_changes_fault(
    upstream: Path, tmp_path: Path, entries: list[tuple[str, str]], said: str
) -> None:
    commit = raw_commit(upstream, entries)
    mirror = open_mirror(tmp_path / "cache", f"file://{upstream}")
    mirror.fetch(commit, commit)
    with pytest.raises(ChangeError, match=said):
        mirror.materialize(commit, tmp_path / "out")
    assert not (tmp_path / "a").exists()
