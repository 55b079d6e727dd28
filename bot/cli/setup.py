"""`minimize setup`: an operator's first settings, asked for, written and tried."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from bot.cli.options import Places, placed
from bot.errors import MinimizeError, UsageError
from bot.report.phrase import printable, visible

if TYPE_CHECKING:
    from bot.settings.values import Settings
    from bot.settings.writing import Answers, ForgeAnswers

_LONGEST = 1000  # characters of an answer of a forge or a machine


@dataclass(frozen=True, slots=True)
class _Trial:
    """A tested part and its result; a `remedy` if it failed."""

    name: str
    passed: bool
    detail: str
    remedy: str = ""


@click.command()
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="[FILE]"
)
@partial(placed, on=True)
def setup(file: Path | None, places: Places) -> int:
    """Ask for an operator's first settings, write them to FILE, and try them.

    FILE is by default /etc/minimize/bot.yaml for root, else bot.yaml. Secrets go into files beside
    it, never into it. A GitHub App is made on the way; a GitLab token is tried. Exit code 1 where
    something that was tried does not work yet.
    """
    from bot.outbound.authorities import trust_also
    from bot.settings.values import load_settings
    from bot.settings.writing import write_settings

    root = os.geteuid() == 0
    path = file or Path("/etc/minimize/bot.yaml" if root else "bot.yaml")
    if path.exists():
        click.confirm(f"{path} exists. Overwrite it?", abort=True)
    answers = _answers(path, places, root=root)
    for path_written in write_settings(path, answers):
        click.echo(f"Wrote {path_written}")
    settings = load_settings(path)
    trust_also(settings.ca_file)
    trials = (
        *_forge_trials(settings, answers.forge),
        *_isolation_trials(settings),
        _delivery_trial(answers),
    )
    for trial in trials:
        mark = (
            click.style("ok     ", fg="green") if trial.passed else click.style("missing", fg="red")
        )
        click.echo(f"{mark}  {trial.name}: {visible(trial.detail, _LONGEST)}")
        if trial.remedy:
            click.echo(f"         {visible(trial.remedy, _LONGEST)}")
    click.echo(f"Start it with: minimize serve --settings {path}")
    return 0 if all(trial.passed for trial in trials) else 1


class _Terminal:
    """The operator at this terminal."""

    def prompt(
        self,
        text: str,
        *,
        default: str | None = None,
        choices: Sequence[str] = (),
        secret: bool = False,
    ) -> str:
        kind = click.Choice(choices) if choices else str
        answer: str = click.prompt(text, default=default, type=kind, hide_input=secret)
        return answer

    def show(self, text: str) -> None:
        click.echo(printable(text))


def _answers(path: Path, places: Places, *, root: bool) -> Answers:
    from bot.distro.load import load_configuration
    from bot.forge.protocol import forge_module
    from bot.outbound.authorities import own_authorities
    from bot.settings.forges import FORGE_TYPES
    from bot.settings.writing import Answers, ServerAddress

    operator = _Terminal()
    public_url = _url(
        operator.prompt("The address by which browsers and the forge reach this server")
    )
    host = operator.prompt("Listen at", default="127.0.0.1")
    port = click.prompt("Port", default=8080, type=click.IntRange(1, 65535))
    server = ServerAddress(public_url, host, port)
    system = Path("/var/lib/minimize"), Path("/var/cache/minimize")
    data, cache = system if root else (places.data, places.cache)
    data = Path(operator.prompt("Folder of data (keep it)", default=str(data)))
    cache = Path(operator.prompt("Folder of caches (safe to delete)", default=str(cache)))
    own = path.resolve().parent / "documents"
    documents = own if own.is_dir() else places.documents_folder()
    documents = Path(operator.prompt("Folder of documents", default=str(documents)))
    document_ids = sorted(load_configuration(documents).repositories)
    types = list(FORGE_TYPES)
    kind = operator.prompt("Forge", default=types[0], choices=types)
    questions = forge_module(kind, "webhooks")
    api_url = _url(operator.prompt("Its API", default=FORGE_TYPES[kind].api_url))
    forge = questions.ask_forge(operator, kind, api_url, server)
    match = operator.prompt("Repositories, as a pattern", default="*")
    document = operator.prompt("Their packages are for", choices=document_ids)
    return Answers(
        server,
        data.resolve(),
        cache.resolve(),
        documents.resolve(),
        forge,
        match,
        document,
        own_authorities(),
    )


def _forge_trials(settings: Settings, forge: ForgeAnswers) -> tuple[_Trial, ...]:
    """Return the trial of the credential: whose it is, or the forge's error."""
    from bot.forge.protocol import open_forges

    async def login() -> str:
        connection = open_forges(settings)[forge.type]
        try:
            return await connection.login()
        finally:
            await connection.close()

    try:
        owner = asyncio.run(login())
    except MinimizeError as error:
        return (_Trial(forge.type, False, error.what, error.hint),)
    return (_Trial(forge.type, True, f"the credential belongs to {owner}"),)


def _isolation_trials(settings: Settings) -> tuple[_Trial, ...]:
    from bot.sandbox.isolation import inspect_isolation

    isolation = inspect_isolation(
        settings.cache, memory_limit_required=settings.sandbox.memory_limit_required
    )
    return tuple(
        _Trial(part.name, part.given, part.detail, part.remedy) for part in isolation.parts
    )


def _delivery_trial(answers: Answers) -> _Trial:
    """Send a signed ping to the server if it runs already."""
    from bot.forge.protocol import forge_module
    from bot.forge.sender import post_delivery

    kind, server = answers.forge.type, answers.server
    event: str = forge_module(kind, "webhooks").TEST_EVENT
    url = f"http://{server.host}:{server.port}/webhook/{kind}"
    hint = f"After the start: minimize webhook send --url {url} --forge {kind} ..."
    try:
        reply = post_delivery(
            url, answers.forge.webhook_secret, event, b"{}", forge=kind, timeout=5
        )
    except MinimizeError:
        return _Trial("delivery", True, "no server runs here yet", hint)
    return _Trial("delivery", reply.accepted, f"the server answers {reply.status}", hint)


def _url(text: str) -> str:
    """Return an address without a trailing slash; UsageError for anything else."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{text} is no address.", "Give one such as https://minimize.example.org")
    return text.rstrip("/")
