"""`minimize config` and `minimize import`: checking, writing and importing documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Places, common, formats, on_documents
from bot.cli.output import console, echo, print_json
from bot.errors import SurroundingsError, UsageError

if TYPE_CHECKING:
    from bot.distro.documents import Configuration
    from bot.distro.load import DocumentProblem
    from bot.distro.online import RepositoryAnswer


@click.group()
def config() -> None:
    """Configuration documents."""


@config.command("check")
@click.option(
    "--online",
    is_flag=True,
    help="Ask each repository too, on each architecture, and for the packages of the documents.",
)
@click.option("--repository", "repositories", multiple=True, metavar="R", help="With --online.")
@click.option("--arch", "arches", multiple=True, metavar="A", help="With --online.")
@formats("text", "json")
@on_documents
def config_check(
    online: bool,
    repositories: tuple[str, ...],
    arches: tuple[str, ...],
    form: str,
    places: Places,
) -> int:
    """Loads every document and says what is wrong, where."""
    from bot.distro.load import check_configuration

    if not online and (repositories or arches):
        raise UsageError(
            "--repository and --arch choose what --online asks, and do nothing without it.",
            "Without --online all documents are checked.",
        )
    folder = places.documents_folder()
    report = check_configuration(folder)
    asks_online = online and not report.errors
    answers: tuple[RepositoryAnswer, ...] = ()
    if not report.errors:
        configuration = places.configuration(named=True)  # refuses an unknown --on
        answers = _ask(configuration, repositories, arches) if online else ()
    if asks_online:
        report = replace(report, errors=tuple(_unknown_requests(folder, answers, places)))
    if form == "json":
        from bot.report.jsonform import configuration_to_json, repositories_to_json

        extra = {"repositories": repositories_to_json(answers)} if online else {}
        print_json({**configuration_to_json(report), **extra})
    else:
        from bot.report.text import print_configuration, print_repositories

        if asks_online:
            print_repositories(answers, console())
        print_configuration(report, console())
    causes = {answer.cause for answer in answers}
    return 2 if report.errors or "configuration" in causes else int("surroundings" in causes)


def _unknown_requests(
    folder: Path, answers: tuple[RepositoryAnswer, ...], places: Places
) -> Iterator[DocumentProblem]:
    """Yield the requests of documents that no repository has, if all of them answered."""
    from bot.closure.names import UnknownRequest, unknown_requests
    from bot.distro.check import check_text
    from bot.distro.load import DocumentProblem, documents_in, load_configuration
    from bot.distro.validation import dotted

    configuration = load_configuration(folder)
    silent = {(a.document, a.arch) for a in answers if not a.reachable}
    reachable = sorted({(a.document, a.arch) for a in answers} - silent)
    arches_by_request: dict[UnknownRequest, list[str]] = {}
    for document, arch in reachable:
        pool = places.pools().get(configuration.repositories[document], arch)
        for unknown in unknown_requests(configuration, pool):
            arches_by_request.setdefault(unknown, []).append(arch)
    contents = documents_in(folder)
    for unknown, arches in sorted(arches_by_request.items()):
        name = f"{unknown.document}.yaml"
        line = check_text(contents[name], unknown.document, folder).line_of(unknown.place)
        suggestion = f"; did you mean {' or '.join(unknown.near)}?" if unknown.near else ""
        yield DocumentProblem(
            str(folder / name),
            line,
            dotted(unknown.place),
            f"{unknown.repository} has no `{unknown.request}` for {', '.join(arches)}{suggestion}",
        )


@config.command("init")
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@common
def config_init(directory: Path | None, places: Places) -> int:
    """Write the documents that come with minimize into DIRECTORY (default: config), to be changed.

    The server's settings, bot.yaml, are among them as an example. A file that is there stays, and
    nothing is written then.
    """
    from bot.distro.sharing import built_in_documents
    from bot.report.sizes import plural

    if directory is not None and "config" in places.explicit:
        raise UsageError("DIRECTORY and --config both name the folder to write.", "Leave one out.")
    target = places.config if directory is None else directory
    documents = sorted(built_in_documents().glob("*.yaml"))
    existing = [path.name for path in documents if (target / path.name).exists()]
    if existing:
        rest = f" and {len(existing) - 1} more" if existing[1:] else ""
        raise UsageError(
            f"{target} has {existing[0]} already{rest}.",
            "Nothing was written. Name a new folder: minimize config init DIRECTORY",
        )
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in documents:
            (target / path.name).write_bytes(path.read_bytes())
    except OSError as error:
        raise SurroundingsError(
            f"The documents cannot be written to {target}: {error.strerror}.",
            "Name a folder that this user can write: minimize config init DIRECTORY",
        ) from error
    option = "" if target == Path("config") else f" --config {target}"
    echo(
        f"Wrote {plural(len(documents), 'document')} to {target}. Change what is not yours, then:\n"
        f"  minimize config check{option}\n"
        f"  minimize closure nginx --repository centos-stream-9{option}",
        err=True,
    )
    return 0


def _ask(
    configuration: Configuration, repositories: tuple[str, ...], arches: tuple[str, ...]
) -> tuple[RepositoryAnswer, ...]:
    """Return the answers of all or some repositories; UsageError for unknown names."""
    from bot.distro.images import image_keys
    from bot.distro.online import ask_repositories

    image_keys(configuration, repositories=repositories, arches=arches)  # for unknown names
    documents = [configuration.repositories[id_] for id_ in repositories]
    return ask_repositories(documents or configuration.repositories.values(), arches=arches)


@click.group("import")
def import_() -> None:
    """Documents from elsewhere."""


@import_.command("content-resolver")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@formats("text", "json")
@common
def content_resolver(directory: Path, form: str, places: Places) -> int:
    """Checks a content-resolver-input tree, copies it into --config, says what is not used."""
    from bot.distro.load import import_content_resolver
    from bot.report.sizes import plural

    imported = import_content_resolver(directory, places.config)
    if form == "json":
        from bot.report.jsonform import configuration_to_json

        value = configuration_to_json(imported.report)
        print_json({**value, "copied": list(imported.copied), "images": imported.images})
    else:
        from bot.report.text import print_configuration

        print_configuration(imported.report, console())
    if imported.report.errors:
        echo("Nothing was copied.", err=True)
        return 2
    echo(
        f"Copied to {places.config}: {plural(len(imported.copied), 'document')}. `minimize track`"
        f" evaluates {plural(imported.images, 'image')} now.",
        err=True,
    )
    return 0
