"""The whole way, once: a signed webhook in, the predicted comment, the rebuilt edit.

The real bot as a process, the reference distribution, real builds (from the cache if they are
there: then it takes seconds, otherwise two minutes).
"""

import asyncio
import io
import json
import os
import re
import shlex
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from rich.console import Console

from bot.demo.distribution.reference import default_cache
from bot.demo.run import demo
from bot.demo.run.demo import DemoOptions, run_demo
from bot.demo.run.watch import added_names, only_built
from tests.forges import ABILITIES, KINDS, edits_comments


def compared(result: dict) -> dict:
    """A check's result without the bot's own fields, without how to repeat it, and without what a
    build differs in that is in the cache already."""
    builds = [(b["side"], b["spec"], b["arch"], b["message"]) for b in result["builds"]]
    own = ("reproduction", "run", "steps", "builds")
    return {**{name: result[name] for name in result.keys() - {*own}}, "builds": builds}


async def repeated(stage, places, comment: str) -> dict:
    """The result of the comment's line for one's own machine, in a clone of the main branch."""
    line = re.search(r"on your machine.*?`(git fetch .*?)`", comment)[1]
    folder = places.home / "clone"
    # Of the main branch alone: the line fetches the rest.
    clone = ["git", "clone", "-q", "--single-branch", f"{stage.forge.url}/rpms/nginx.git", folder]
    shell = f"cd {shlex.quote(str(folder))} && {line} --format json"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MINIMIZE_CACHE": str(places.cache)}
    for words in (clone, ["sh", "-c", shell]):
        process = await asyncio.create_subprocess_exec(
            *words, env=environment, stdout=PIPE, stderr=PIPE
        )
        out, err = await process.communicate()
    assert process.returncode == 3, err.decode()
    return json.loads(out)


@pytest.mark.reference
@pytest.mark.long
@pytest.mark.timeout(1200)  # real builds, on a machine that may be busy with others
@pytest.mark.parametrize("forge", KINDS)
def test_the_rebuilt_comment_has_the_library_that_no_line_names(reference, monkeypatch, forge):
    seen_and_result = []

    def judge(seen, result):
        seen_and_result.append((seen, result))
        return judged(seen, result)

    judged = demo.problems_of
    monkeypatch.setattr(demo, "problems_of", judge)

    async def play_on(stage, pull, places, updates, seen, result, console):
        own = await repeated(stage, places, seen.texts[-1][1])
        assert compared(own) == compared(result)
        return await played_on(stage, pull, places, updates, seen, result, console)

    played_on = demo.play_on
    if forge in ("github", "gitlab"):  # the others' line is the same
        monkeypatch.setattr(demo, "play_on", play_on)
    out = io.StringIO()
    code = run_demo(
        DemoOptions(forge=forge, cache=default_cache()),
        Console(file=out, width=120, highlight=False),
    )
    assert code == 0, out.getvalue()
    ((seen, result),) = seen_and_result
    (_, predicted), (_, rebuilt) = seen.texts[0], seen.texts[-1]
    assert "libxslt" in rebuilt
    assert len(seen.comments) == 1
    # Where a comment is not edited, there is one at the end alone.
    assert ("libxslt" not in predicted) is edits_comments(forge)
    assert "perl" in predicted
    assert seen.conclusion in ("success", "failure")
    assert {build["outcome"] for build in result["builds"]} <= {"built", "cached"}
    for arch in ("x86_64", "aarch64", "ppc64le", "s390x"):
        assert {"perl", "libxslt1.1", "libxml2"} <= added_names(result, arch, "nginx").keys()
    found = only_built(result, "x86_64", "nginx", predicted)
    assert {"libxslt1.1", "libxml2"} <= found.keys()
    # Which packages a comment lists is in a folded part.
    assert ("perl" not in found) is ABILITIES[forge].folds
    # After the merge the step is the pull request's, package by package, and the page is there.
    shown = out.getvalue()
    moved = shown.partition("shows what moved")[2]
    for name in ("perl", "libxslt1.1", "libxml2", "nginx"):
        rows = [x for x in moved.splitlines() if x.startswith(f"{name} ") and " on " not in x]
        assert len(rows) == 1 and "pull request rpms/nginx#1" in rows[0], moved
    assert "/images/reference/minimal/nginx/x86_64" in shown
    table = shown.partition("Objectives of nginx on x86_64")[2].partition("merged the pull")[0]
    assert "20 packages" in table and "35 packages" in table and "broken by it" in table
    evidence = {image["arch"]: image["evidence"] for image in result["images"] if image["changed"]}
    assert evidence["x86_64"] == "rebuilt"
    assert evidence["aarch64"] == "transferred"
