"""Fetching from a large repository: 8,000 commits, 3,000 specs, over HTTP as from a forge.

Run with `deploy/test --benchmarks`; it prints seconds and megabytes.
"""

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from bot.check.change import open_change
from bot.demo.forge.server import LocalForge
from bot.git.mirror import GitCredential, open_mirror

COMMITS, SPECS = 8000, 3000
TAGS = "\n".join(f"%package sub{n}\nSummary: part {n}\nRequires: lib{n}" for n in range(40))


def spec(number: int, release: int) -> str:
    head = f"Name: package{number}\nVersion: 1.{number}\nRelease: {release}%{{?dist}}\n"
    return f"{head}Summary: Package number {number}\nLicense: MIT\n{TAGS}\n"


def fill(repository: Path) -> None:
    """The history, by fast-import: the first commit has all specs, each later one changes one."""
    lines = ["feature done"]

    def commit(number: int, files: list[tuple[str, str]]) -> None:
        lines.append(f"commit refs/heads/main\ncommitter A <a@b> {1500000000 + number} +0000")
        lines.append("data 1\nx")
        for path, text in files:
            lines.append(f"M 100644 inline {path}\ndata {len(text)}\n{text}")

    commit(0, [(f"rpms/package{n}/package{n}.spec", spec(n, 1)) for n in range(SPECS)])
    for number in range(1, COMMITS):
        n = number * 7 % SPECS
        commit(number, [(f"rpms/package{n}/package{n}.spec", spec(n, number))])
    stream = "\n".join([*lines, "done\n"])
    command = ["git", f"--git-dir={repository}", "fast-import", "--quiet", "--force"]
    subprocess.run(command, input=stream.encode(), check=True)
    subprocess.run(["git", f"--git-dir={repository}", "repack", "-adq"], check=True)


def megabytes(path: Path) -> float:
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / 1e6


@pytest.mark.benchmark
async def test_a_change_in_a_large_repository_costs_seconds_and_tens_of_megabytes(
    tmp_path: Path,
) -> None:
    async with LocalForge(tmp_path / "forge") as forge:
        repository = forge.add_repository("rpms/all")
        await asyncio.to_thread(fill, repository.git.path)
        whole = megabytes(repository.git.path)
        # The change began 300 commits before the tip.
        start = repository.git.resolve("main~300")
        assert start is not None
        path = "rpms/package42/package42.spec"
        text = spec(42, 1) + "Requires: perl\n"
        head = repository.git.commit("topic", {path: text}, "Change", start=start)
        base = repository.git.branch("main")
        assert base is not None
        credential = GitCredential("x-access-token", forge.token("bot"))
        url = f"{forge.url}/rpms/all.git"

        def check(number: int) -> tuple[float, float]:
            began = time.monotonic()
            mirror = open_mirror(tmp_path / "cache", url, credential)
            assert mirror.fetch(head, base) == start
            with open_change(mirror, base, head, scratch=tmp_path) as change:
                assert [s.path for s in change.specs] == [path]
                assert (change.head_tree / path).read_text() == text
            return time.monotonic() - began, megabytes(tmp_path / "cache")

        first, size = await asyncio.to_thread(check, 1)
        again, size_after = await asyncio.to_thread(check, 2)
        print(
            f"\n{COMMITS} commits, {SPECS} specs, {whole:.1f} MB at the forge: "
            f"first check {first:.2f} s and {size:.1f} MB, "
            f"again {again:.2f} s and {size_after:.1f} MB"
        )
        assert first < 30
        assert size < 60
        assert again < 5
