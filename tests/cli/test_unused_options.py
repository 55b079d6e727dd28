"""An option that a command has no use for is refused with a sentence, never ignored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bot.cli import cli, main

WITH_DOCUMENTS = {
    "advise", "advisories", "check", "closure", "config check", "image", "impact", "objectives",
    "setup", "track", "what-if", "why",
}  # fmt: skip


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        else:
            yield f"{before}{name}", command


def test_commands_that_read_documents_alone_have_on() -> None:
    having = {
        name for name, command in commands(cli) if any("--on" in p.opts for p in command.params)
    }
    assert having == WITH_DOCUMENTS


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that ends with usage's exit code says."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out = capsys.readouterr()
    assert out.out == ""
    return out.err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("demo --on fedora-45", "--on: this command reads no documents."),
        ("config init --on fedora-45", "--on: this command reads no documents."),
        ("config check --arch x86_64", "--repository and --arch choose what --online asks"),
        ("config check --repository fedora-45", "--repository and --arch choose what"),
        ("config check --on fedora-4", "Did you mean `fedora-45`"),
        ("config check --on fedora-45 --online --repository eln", "No repository is called `eln`"),
        ("config init a --config b", "DIRECTORY and --config both name the folder"),
        ("track --config http://127.0.0.1:1/x", "takes a folder, not a URL"),
        ("track --on fedora-45 --settings {settings}", "--settings names the documents"),
        ("setup --config http://127.0.0.1:1/x", "takes a folder, not a URL"),
        ("closure --on eln --config http://127.0.0.1:1/x", "--config names others"),
        ("advise --seconds nan --on eln", "--seconds is a number of seconds"),
        ("advise --edits 0 --precedent --on eln", "--precedent is of edits"),
        ("runs r-1 --limit 3 --data .", "--limit is of the list"),
        ("image --lock {settings} --output oci:x --on eln", "A lock file already determines"),
    ],
)
def test_an_option_without_a_use_is_refused(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    line: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("T", "token")
    settings = tmp_path / "bot.yaml"
    settings.write_text(
        "forges: {gh: {type: github, token: {env: T}, webhook_secrets: [{env: T}]}}"
    )
    words = [word.format(settings=settings) for word in line.split()]
    assert sentence in refused(capsys, *words, "--cache", str(tmp_path / "cache"))
    assert {path.name for path in tmp_path.iterdir()} <= {"bot.yaml", "cache"}
