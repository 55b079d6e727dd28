"""`minimize config check`: what is wrong in the configuration documents, and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import Places, common, console, formats, print_json

if TYPE_CHECKING:
    from bot.distro.online import RepositoryAnswer


@click.group()
def config() -> None:
    """Configuration documents."""


@config.command("check")
@click.option("--online", is_flag=True, help="Ask each repository too, on each architecture.")
@click.option("--repository", "repositories", multiple=True, metavar="R", help="With --online.")
@click.option("--arch", "arches", multiple=True, metavar="A", help="With --online.")
@formats("text", "json")
@common
def config_check(
    online: bool,
    repositories: tuple[str, ...],
    arches: tuple[str, ...],
    form: str,
    places: Places,
) -> int:
    """Loads every document and says what is wrong, where."""
    from bot.distro.load import check_configuration

    folder = places.documents_folder()
    report = check_configuration(folder)
    asks_online = online and not report.errors
    answers = _ask(folder, repositories, arches) if asks_online else ()
    if form == "json":
        from bot.report.jsonform import configuration_to_json, repositories_to_json

        more = {"repositories": repositories_to_json(answers)} if online else {}
        print_json({**configuration_to_json(report), **more})
    else:
        from bot.report.text import print_configuration, print_repositories

        if asks_online:
            print_repositories(answers, console())
        print_configuration(report, console())
    causes = {answer.cause for answer in answers}
    return 2 if report.errors or "configuration" in causes else int("surroundings" in causes)


def _ask(
    folder: Path, repositories: tuple[str, ...], arches: tuple[str, ...]
) -> tuple[RepositoryAnswer, ...]:
    """The answers of all repositories, or of those of some documents; UsageError for unknown
    names."""
    from bot.distro.images import image_keys
    from bot.distro.load import load_configuration
    from bot.distro.online import ask_repositories

    configuration = load_configuration(folder)
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
        click.echo("Nothing was copied.", err=True)
        return 2
    click.echo(
        f"Copied to {places.config}: {plural(len(imported.copied), 'document')}. `minimize track`"
        f" evaluates {plural(imported.images, 'image')} now.",
        err=True,
    )
    return 0
