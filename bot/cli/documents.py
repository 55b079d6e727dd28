"""`minimize config check`: what is wrong in the configuration documents, and where."""

from __future__ import annotations

import click

from bot.cli.options import Places, common, console, formats, print_json


@click.group()
def config() -> None:
    """Configuration documents."""


@config.command("check")
@formats("text", "json")
@common
def config_check(form: str, places: Places) -> int:
    """Loads every document and says what is wrong, where."""
    from bot.distro import check_configuration

    places.require_config()
    report = check_configuration(places.config)
    if form == "json":
        from bot.report import configuration_to_json

        print_json(configuration_to_json(report))
    else:
        from bot.report import print_configuration

        print_configuration(report, console())
    return 2 if report.errors else 0
