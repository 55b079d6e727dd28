"""The options of `minimize check` for continuous integration: what they read and write."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import click

from bot.cli.output import note, write_command
from bot.errors import MinimizeError
from bot.git.command import GitError
from bot.git.repository import GitRepository
from bot.model.result import CheckResult

if TYPE_CHECKING:
    from bot.ci.systems import CiRun
    from bot.git.history import Commit

_FILE = click.Path(path_type=Path, dir_okay=False)
# GitHub accepts 1 MiB of a step's summary; this limit is in UTF-16 units, with room for other
# steps.
_SUMMARY_LIMIT = 300_000
# The artifact's name in GitLab's documentation.
_CODE_QUALITY = Path("gl-code-quality-report.json")


def ci_options(command: Callable[..., int]) -> Callable[..., int]:
    """`--ci`, `--sarif`, `--junit` and `--code-quality`."""
    for option in (
        click.option(
            "--code-quality",
            type=_FILE,
            metavar="FILE",
            help="Write GitLab's code quality report; with --ci gitlab by itself, to"
            f" {_CODE_QUALITY}.",
        ),
        click.option("--junit", type=_FILE, metavar="FILE", help="Write a JUnit file."),
        click.option("--sarif", type=_FILE, metavar="FILE", help="Write a SARIF 2.1.0 file."),
        click.option(
            "--ci",
            is_flag=False,
            flag_value="auto",
            default=None,
            type=click.Choice(("auto", "github", "forgejo", "gitlab", "jenkins", "zuul", "packit")),
            help="Take base and head from this CI system's variables (auto: whichever it is), and"
            " write what it shows: a summary, annotations, a comment where a token allows it.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class CiChange:
    """The change of a CI run: the clone to read it in, its commits, and its target branch.

    `fetch` is where others get the commits: the URL, and their ids; empty where only the run has
    them.
    """

    run: CiRun
    repository: GitRepository
    base: str
    head: str
    branch: str | None
    fetch: tuple[str, ...] = ()


def ci_change(
    repository: GitRepository, system: str, base: str | None, head: str | None
) -> CiChange:
    """Return the change that the CI system runs for; commits that the clone lacks are fetched.

    `base` and `head` are given revisions, which take precedence.
    """
    from bot.ci.systems import Clone, find_run
    from bot.git.history import Commit, commits_with_history, fetching

    clone = Clone(repository.branch_name(), repository.remote_url("origin"))
    run = find_run(system, os.environ, clone)
    first = Commit(base) if base is not None else run.base
    second = Commit(head) if head is not None else run.head
    try:
        base_id, head_id = commits_with_history(repository, first, second)
    except GitError as error:
        if base is not None or run.fallback in (None, first):
            raise
        assert run.fallback is not None
        note(f"{error.what}. {run.fallback.revision} is taken as the base instead.")
        base_id, head_id = commits_with_history(repository, run.fallback, second)
    branch = None if base is not None else run.branch
    fetch = fetched_from(clone.origin, (first, second), (base_id, head_id))
    return CiChange(run, fetching(repository), base_id, head_id, branch, fetch)


def fetched_from(
    origin: str | None, commits: tuple[Commit, Commit], ids: tuple[str, str]
) -> tuple[str, ...]:
    """Return the URL of a clone's origin without its user name and password, and the commits' ids.

    Empty unless both commits are there, and the URL is one of HTTP.
    """
    url = urlsplit(origin or "")
    there = all(commit.remote == "origin" for commit in commits)
    if not there or url.scheme not in ("https", "http"):
        return ()
    return urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2])), *ids


def write_files(
    result: CheckResult,
    change: CiChange | None,
    *,
    sarif: Path | None,
    junit: Path | None,
    code_quality: Path | None,
) -> None:
    """Write the requested files, and those that the CI system expects."""
    from bot.ci import reports

    if code_quality is None and change is not None and change.run.system == "gitlab":
        code_quality = _CODE_QUALITY
    for path, text_of in (
        (sarif, reports.sarif),
        (junit, reports.junit),
        (code_quality, reports.code_quality),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text_of(result), encoding="utf-8")


def show_result(result: CheckResult, run: CiRun) -> None:
    """Write the summary, the annotations and the comment of a run.

    A comment that cannot be written is a note on standard error, no failure: tokens of forks'
    runs may only read.
    """
    from bot.ci import reports
    from bot.report.render import render_comment

    if run.summary is not None:
        reports.append_summary(run.summary, render_comment(result, limit=_SUMMARY_LIMIT))
    if run.attachments is not None:
        run.attachments.mkdir(parents=True, exist_ok=True)
        report = run.attachments / "minimize.md"
        report.write_text(render_comment(result, limit=_SUMMARY_LIMIT), encoding="utf-8")
    if run.system in ("github", "forgejo"):
        # A runner reads both streams, and standard output may be JSON's.
        for line in reports.workflow_commands(result):
            write_command(line)
    if run.change is not None and run.change.token is not None:
        from bot.ci.reports import put_ci_comment

        try:
            asyncio.run(put_ci_comment(run.change, result))
        except MinimizeError as error:
            note(f"The comment on the change was not written: {error.what}")
