"""`minimize check`: the bot's answer, without a forge."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.ci import ci_change, ci_options, show_result, write_files
from bot.cli.options import Places, formats, on_documents
from bot.cli.output import console, print_json, print_text
from bot.errors import UsageError
from bot.model.architecture import RPM_ARCHITECTURES
from bot.model.result import CheckResult, Reproduction

if TYPE_CHECKING:
    from bot.check.change import Change
    from bot.check.run import Prediction


@click.command()
@click.option(
    "--git",
    "repository",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="The git repository; default: the current folder.",
)
@click.option("--base", metavar="REV", help="Default: the default branch.")
@click.option("--head", metavar="REV", help="Default: the working tree.")
@click.option("--workload", "workloads", multiple=True, metavar="W", help="May be repeated.")
@click.option("--arch", "arches", multiple=True, metavar="A", help="May be repeated.")
@click.option(
    "--repository",
    "repositories",
    multiple=True,
    metavar="R",
    help="Repository documents to check on; default: .minimize.yaml's, else all.",
)
@click.option("--no-build", is_flag=True, help="Predict only.")
@click.option(
    "--external-repository",
    "elsewhere",
    multiple=True,
    metavar="[ARCH=]URL",
    help="Take the change's packages from this rpm-md repository (a URL or a folder) in the place"
    " of a build, as the builder `external` does; compared with what is published. May be repeated"
    " for other architectures. Without it that builder predicts only: there is no forge whose check"
    " could be waited for.",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="REPO:REV",
    help="Check together with the change of this revision to the default branch of the git"
    " repository REPO. May be repeated.",
)
@ci_options
@formats("text", "json", "markdown")
@on_documents
def check(
    repository: Path,
    base: str | None,
    head: str | None,
    workloads: tuple[str, ...],
    arches: tuple[str, ...],
    repositories: tuple[str, ...],
    no_build: bool,
    elsewhere: tuple[str, ...],
    others: tuple[str, ...],
    ci: str | None,
    sarif: Path | None,
    junit: Path | None,
    code_quality: Path | None,
    form: str,
    places: Places,
) -> int:
    """Compare images before and after a change to a spec file, without a forge."""
    from bot.check.change import open_change
    from bot.check.plan import CheckOptions
    from bot.check.requested import has_repositories
    from bot.check.run import predict_check
    from bot.git.folder import open_folder
    from bot.requests.file_images import BaseImage
    from bot.sandbox.cgroup import run_without_control_groups
    from bot.temporary import sweep_temporary_directories

    sweep_temporary_directories()
    run_without_control_groups()  # without rules: one's own change
    external = repositories_by_arch(elsewhere)
    if external and no_build:
        raise UsageError("--no-build and --external-repository contradict each other.")
    if external and others:
        raise UsageError(
            "--external-repository has the packages of one change, and --with adds another.",
            "Leave one of them out.",
        )
    pools = places.pools()
    if places.on is not None:
        repositories = repositories or (places.on,)
    options = CheckOptions(
        workloads=workloads,
        arches=arches,
        repositories=repositories,
        own_repositories=not places.server,  # a server opens none, and this is its check
        base_images=tuple(BaseImage(**row) for row in places.base_images),
    )
    with open_folder(repository) as opened:
        clone = opened.repository
        ci_run = ci_change(clone, ci, base, head) if ci is not None else None
        if ci_run is not None:
            clone, base, head = ci_run.repository, ci_run.base, ci_run.head
        branch = ci_run.branch if ci_run is not None else None
        with ExitStack() as stack:
            change = stack.enter_context(open_change(clone, base, head, branch=branch))
            joint_changes = [(name, stack.enter_context(_open_other(name))) for name in others]
            configuration = places.configuration(
                named=bool(repositories) or _names_documents(change),
                own=not places.server and has_repositories(change),
            )
            prediction = predict_check(change, options, configuration, pools, joint_changes)
            result = _final_result(change, prediction, external, no_build=no_build)
            if opened.assumption is not None:
                result = replace(result, notes=(*result.notes, opened.assumption))
    words = (
        ("--repository", () if places.on is not None else repositories),
        ("--workload", workloads),
        ("--arch", arches),
        ("--external-repository", elsewhere),
        ("--with", others),
    )
    narrowing = (word for option, values in words for value in values for word in (option, value))
    fetch = ci_run.fetch if ci_run is not None else ()
    way = Reproduction(fetch, (*places.arguments, *narrowing))
    result = replace(result, reproduction=way)
    write_files(result, ci_run, sarif=sarif, junit=junit, code_quality=code_quality)
    if ci_run is not None:
        show_result(result, ci_run.run)
    _print(result, form)
    return exit_code(result)


def _names_documents(change: Change) -> bool:
    """Return whether the base's `.minimize.yaml` names repository documents for the branch.

    True also for an invalid file: the check reports the errors.
    """
    from bot.check.repository_file import RepositoryFileError, read_repository_file

    try:
        file = read_repository_file(change.repository_file)
    except RepositoryFileError:
        return True
    return bool(file.repositories_of(change.branch or ""))


def _final_result(
    change: Change, prediction: Prediction, external: Mapping[str, str], *, no_build: bool
) -> CheckResult:
    """Return the final answer: after a build if there is to be one, else the prediction.

    `external` are the repositories of packages built elsewhere, by architecture.
    """
    from bot.build.builders import builder_named
    from bot.build.fetch import SourcePolicy
    from bot.check.built import build_check, native_arch

    builder_name = prediction.file.builder or "rpmbuild"
    if no_build or not prediction.worth_building:
        builder_name = "none"
    if external and prediction.worth_building:
        return check_elsewhere(change, prediction, external).result
    if builder_name == "none":
        return replace(prediction.result, stage="final")
    if builder_name == "external":
        notes = (*prediction.result.notes, NOT_WAITED_FOR)
        return replace(prediction.result, stage="final", notes=notes)
    # One's own machine and change: sources may be on a private host.
    policy = SourcePolicy(public_only=False, local_files=True)
    builder = builder_named(builder_name, prediction.cache, policy=policy)
    return build_check(change, prediction, builder, native_arch())


def _open_other(text: str) -> AbstractContextManager[Change]:
    """Return the change that `--with REPO:REV` names, against its repository's default branch.

    Raises UsageError where there is no such repository or revision.
    """
    from bot.check.change import open_change
    from bot.git.repository import open_repository

    folder, colon, revision = text.rpartition(":")
    if not (colon and folder and revision):
        raise UsageError(
            f"--with {text}: that is no REPO:REV.",
            "Name a folder and a revision in it, as in --with ../perl:fix.",
        )
    if not Path(folder).is_dir():
        raise UsageError(
            f"--with {text}: there is no folder {folder}.",
            "Name the folder of a clone, and after the colon a revision in it.",
        )
    return open_change(open_repository(Path(folder)), head=revision)


def _print(result: CheckResult, form: str) -> None:
    if form == "json":
        from bot.model.result_json import check_to_json

        print_json(check_to_json(result))
    elif form == "markdown":
        from bot.report.render import render_comment

        print_text(f"{render_comment(result)}\n")
    else:
        from bot.report.text import print_check

        # Whoever reads it has just run the command.
        print_check(replace(result, reproduction=None), console())


def exit_code(result: CheckResult) -> int:
    """Return CONTRACT's codes: 3 the change is at fault, 1 another failure, else 0."""
    if result.verdict == "failure":
        return 3
    return 1 if result.interrupted else 0


NOT_WAITED_FOR = (
    "Predicted, not rebuilt: the builder is `external`, and without a forge there is no check to"
    " wait for. --external-repository takes the packages from where they are."
)


def repositories_by_arch(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the URLs with a trailing slash by architecture; under "" the one for all others.

    Each is `[ARCH=]URL`, or a directory's path instead of the URL. UsageError for anything else.
    """
    urls: dict[str, str] = {}
    for text in texts:
        arch, _, rest = text.partition("=")
        if arch not in RPM_ARCHITECTURES:
            arch, rest = "", text
        if arch in urls:
            scope = f"of {arch}" if arch else "of all architectures"
            raise UsageError(f"--external-repository names two repositories {scope}.")
        urls[arch] = _url(rest)
    return urls


def _url(text: str) -> str:
    from bot.distro.transfer import local_path

    if text.startswith(("https://", "http://")):
        return f"{text.rstrip('/')}/"
    path = local_path(text) or Path(text)
    if not path.is_dir():
        raise UsageError(
            f"--external-repository {text}: there is no such folder, and it is no URL.",
            "Name the folder or URL that has `repodata`.",
        )
    return f"{path.resolve().as_uri()}/"


def check_elsewhere(
    change: Change, prediction: Prediction, repositories: Mapping[str, str]
) -> Prediction:
    """Return the answer for the packages of these repositories, at any address.

    It is for one's own machine. Raises what `external_check` raises.
    """
    from bot.build.external import ExternalBuilds
    from bot.check.external import external_check, plan_given

    plan = plan_given(prediction, repositories)
    builds = ExternalBuilds(prediction.cache, tuple(repositories.values()))
    return external_check(change, prediction, plan, builds)
