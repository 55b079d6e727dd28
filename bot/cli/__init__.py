"""The `minimize` command. A command's module is imported only when the command is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from bot.cli.output import inert_streams
from bot.errors import MinimizeError

# Command: its module and its name there. Cold start counts: `minimize closure` must not pay for
# the server.
_COMMANDS = {
    "closure": ("bot.cli.closures", "closure"),
    "why": ("bot.cli.closures", "why"),
    "what-if": ("bot.cli.closures", "what_if"),
    "advise": ("bot.cli.advise", "advise"),
    "impact": ("bot.cli.closures", "impact"),
    "image": ("bot.cli.image", "image"),
    "advisories": ("bot.cli.image", "advisories"),
    "check": ("bot.cli.check", "check"),
    "track": ("bot.cli.history", "track"),
    "objectives": ("bot.cli.history", "objectives"),
    "import": ("bot.cli.documents", "import_"),
    "config": ("bot.cli.documents", "config"),
    "doctor": ("bot.cli.doctor", "doctor"),
    "setup": ("bot.cli.setup", "setup"),
    "serve": ("bot.cli.server", "serve"),
    "worker": ("bot.cli.server", "worker"),
    "requeue": ("bot.cli.server", "requeue"),
    "runs": ("bot.cli.server", "runs"),
    "backup": ("bot.cli.server", "backup"),
    "restore": ("bot.cli.server", "restore"),
    "webhook": ("bot.cli.server", "webhook"),
    "demo": ("bot.cli.server", "demo"),
}


class _LazyGroup(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(
                f"{error.format_message()} Options come after their command:"
                f" {ctx.command_path} COMMAND {error.option_name}",
                ctx,
            ) from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        return list(_COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], _COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from error

    def get_command(  # click calls it so
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="minimize")
def cli() -> None:
    """Tell what a change to an RPM package adds to minimal container images, and why."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: runs the command and exits with CONTRACT's codes."""
    with inert_streams(os.environ):
        code = _run(arguments)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, standalone_mode=False)
    except click.exceptions.Abort as error:
        code = 130
        if isinstance(error.__context__, EOFError):
            click.echo("\nerror: The input ended before this question was answered.", err=True)
            click.echo("       Answer in a terminal, or give a line for each question.", err=True)
            code = 2
    except click.NoSuchOption as error:
        if error.option_name == "--on":
            click.UsageError("--on: this command reads no documents.", error.ctx).show()
        else:
            error.show()
        code = 2
    except click.ClickException as error:
        error.show()
        code = 2
    except MinimizeError as error:
        from bot.cli.output import echo

        echo(f"error: {error.what}", err=True)
        if error.hint:
            echo(f"       {error.hint}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        # The reader of a pipe ended (`minimize closure | head`): no error of this program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    return int(code or 0)
