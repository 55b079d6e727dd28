"""`minimize import content-resolver`: documents of Content Resolver become ours."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.options import Places, common, console, formats, print_json


@click.group("import")
def import_() -> None:
    """Documents from elsewhere."""


@import_.command("content-resolver")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@formats("text", "json")
@common
def content_resolver(directory: Path, form: str, places: Places) -> int:
    """Checks a content-resolver-input tree, copies it into --config, says what is not used."""
    from bot.objectives.importing import import_content_resolver
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
