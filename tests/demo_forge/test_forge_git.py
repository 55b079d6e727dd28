"""Git clones, fetches and pushes over HTTP from the local forge."""

import asyncio
import os
from pathlib import Path

from bot.demo.forge import gitstore
from bot.demo.forge.gitstore import BareRepository, git_environment, run_git

SPEC_PATH = "nginx.spec"
AUTHOR = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A"), ("EMAIL", "a@example.org"))
}


async def git(*arguments: str, cwd: Path | None = None) -> tuple[int, str]:
    """Runs git beside the forge's own event loop."""
    process = await asyncio.create_subprocess_exec(
        "git", *arguments, cwd=cwd, env={**os.environ, **git_environment(AUTHOR)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def with_token(url: str, token: str) -> str:
    return url.replace("http://", f"http://x-access-token:{token}@")


async def test_a_pull_request_is_fetched_by_its_ref_and_by_its_commit(world, tmp_path):
    url = f"{world.forge.url}/rpms/nginx.git"
    code, said = await git("clone", "--quiet", url, str(tmp_path / "clone"))
    assert code == 0, said
    for wanted in ("refs/pull/1/head", world.pull.head_sha):
        code, said = await git("fetch", "--quiet", "origin", wanted, cwd=tmp_path / "clone")
        assert code == 0, said
        _, fetched = await git("rev-parse", "FETCH_HEAD", cwd=tmp_path / "clone")
        assert fetched.strip() == world.pull.head_sha


async def test_a_partial_clone_leaves_the_files_on_the_forge(world, tmp_path):
    url = f"{world.forge.url}/rpms/nginx.git"
    target = tmp_path / "partial"
    code, said = await git("clone", "--quiet", "--bare", "--filter=blob:none", url, str(target))
    assert code == 0, said
    _, objects = await git("rev-list", "--objects", "--all", "--missing=print", cwd=target)
    assert any(line.startswith("?") for line in objects.splitlines())
    code, text = await git("show", f"main:{SPEC_PATH}", cwd=target)
    assert code == 0
    assert text.startswith("Name: nginx")


async def test_a_private_repository_needs_a_token(world, tmp_path):
    secret = world.forge.add_repository("rpms/secret", private=True)
    secret.git.commit("main", {"a": "a\n"}, "Start")
    url = f"{world.forge.url}/rpms/secret.git"
    code, _ = await git("ls-remote", url)
    assert code != 0
    code, _ = await git("ls-remote", with_token(url, world.forge.token("mallory")))
    assert code != 0
    token = world.forge.state.installation_token(world.installation).text
    code, said = await git("ls-remote", with_token(url, token))
    assert code == 0
    assert "refs/heads/main" in said


async def test_a_push_over_http_moves_the_pull_request_and_tells_the_app(world, tmp_path):
    url = f"{world.forge.url}/rpms/nginx.git"
    clone = tmp_path / "clone"
    await git("clone", "--quiet", "--branch=xslt", url, str(clone))
    (clone / SPEC_PATH).write_text("Name: other\n")
    await git("commit", "--quiet", "--all", "-m", "More", cwd=clone)
    code, _ = await git("push", "--quiet", "origin", "xslt", cwd=clone)
    assert code != 0
    code, said = await git(
        "push", "--quiet", with_token(url, world.forge.token("maria")), "xslt", cwd=clone
    )
    assert code == 0, said
    await world.forge.settled()
    _, tip = await git("rev-parse", "HEAD", cwd=clone)
    assert world.pull.head_sha == tip.strip()
    record = [(one.event, one.action) for one in world.forge.deliveries]
    assert record[-2:] == [("push", None), ("pull_request", "synchronize")]


async def test_a_fork_s_pull_request_is_in_the_base_repository(world):
    fork = world.forge.add_repository("bob/nginx", parent=world.repository, owner_kind="User")
    fork.git.commit("mine", {"new.patch": "x\n"}, "Patch", start="main")
    pull = await world.forge.open_pull(
        world.repository, "mine", user="bob", title="Patch", head_repository=fork
    )
    assert world.repository.git.resolve("refs/pull/2/head") == pull.head_sha
    shape = world.forge.github.shapes.pull(pull)
    assert shape["head"]["label"] == "bob:mine"
    assert shape["head"]["repo"]["fork"] is True


def test_the_same_commit_has_the_same_id_everywhere(tmp_path):
    from datetime import UTC, datetime

    from bot.demo.forge.gitstore import BareRepository

    made = {
        BareRepository.create(tmp_path / f"{name}.git").commit(
            "main", {"a/b": b"\0\xff", "c": "c\n"}, "Start", at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        for name in ("one", "two")
    }
    assert len(made) == 1


def test_the_files_of_a_change_have_the_patches_that_git_shows_of_each(tmp_path, monkeypatch):
    made = BareRepository.create(tmp_path / "r.git")
    start = {
        "a name.txt": "".join(f"{n}\n" for n in range(20)),
        "dropped": "x\n",
        "link": "target\n",
        "text": "1\ndiff --git a/text b/text\n3\n",
        "zoë": "1\n",
    }
    before = made.commit("main", start, "Start")
    changed = {"a name.txt": None, "moved": start["a name.txt"] + "20\n", "dropped": None}
    changed |= {"text": "1\ndiff --git a/b b/b\n3\n", "zoë": "2", "data": b"\0", "empty": ""}
    after = made.commit("main", changed, "Change")
    blob = made.git("hash-object", "-w", "--stdin", stdin=b"target").decode().strip()
    index = {"GIT_INDEX_FILE": str(tmp_path / "index")}
    made.git("read-tree", after, env=index)
    made.git("update-index", "--cacheinfo", f"120000,{blob},link", env=index)
    tree = made.git("write-tree", env=index).decode().strip()
    after = made.git("commit-tree", tree, "-m", "Link", env=AUTHOR).decode().strip()
    called = []
    monkeypatch.setattr(gitstore, "run_git", lambda *a, **k: called.append(a) or run_git(*a, **k))
    found = {change.path: change for change in made.changes(before, after)}
    assert len(called) == 2
    assert set(found) == {"moved", "dropped", "link", "text", "zoë", "data", "empty"}
    assert (found["moved"].previous, found["moved"].additions) == ("a name.txt", 1)
    assert found["data"].patch is None and found["empty"].patch is None
    for path, change in found.items():
        paths = {path, change.previous or path}
        text = run_git(
            f"--git-dir={made.path}", "diff", "--find-renames", before, after, "--", *paths
        ).decode()
        _, hunks, rest = text.partition("\n@@")
        assert (change.patch or "") == hunks[1:] + rest.rstrip("\n"), path


def test_a_commit_of_many_files_takes_as_many_calls_of_git_as_one_of_one(tmp_path, monkeypatch):
    made = BareRepository.create(tmp_path / "r.git")
    called = []
    monkeypatch.setattr(gitstore, "run_git", lambda *a, **k: called.append(a) or run_git(*a, **k))
    made.commit("one", {"a": "a\r\n"}, "Start")
    one = len(called)
    made.commit("many", {f"f{n}": f"{n % 5}" for n in range(50)}, "Start")
    assert len(called) == 2 * one
    assert made.file("one", "a") == b"a\r\n" and made.file("many", "f49") == b"4"
