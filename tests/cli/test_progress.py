"""What a command prints: its steps after the first second, and no controls of a terminal."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Callable

import pytest
from rich.console import Console

from bot.cli import main, output
from bot.cli.output import Steps, show_steps
from bot.report.render import _html_template
from bot.web.pages import make_templates

LOG = logging.getLogger("bot.something")


class Terminal(io.StringIO):
    """A terminal that is written to."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """A terminal in the place of standard error, from the call on: each phase has its own."""

    def opened() -> Terminal:
        made = Terminal()
        monkeypatch.setattr(sys, "stderr", made)
        monkeypatch.setenv("TERM", "xterm")
        return made

    return opened


def test_verbose_steps_are_lines_with_seconds(terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    with show_steps(verbose=True):
        LOG.debug("Fetching %s", "x")
        LOG.warning("mind [this]")
    first, second = screen.getvalue().splitlines()
    assert first.endswith(" s  Fetching x")
    assert second == "mind [this]"
    assert not logging.getLogger("bot").handlers


def test_the_line_shows_the_last_step_once_the_first_second_is_over(
    terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = terminal()
    shown = threading.Event()
    real = Steps._show

    def show(steps: Steps) -> None:
        real(steps)
        shown.set()

    monkeypatch.setattr(output, "_SILENT_SECONDS", 0.0)
    monkeypatch.setattr(Steps, "_show", show)
    with show_steps(verbose=False) as steps:
        assert shown.wait(30)
        LOG.debug("Solving [red]%d[/red] images", 3)
        steps.end()
        LOG.debug("After its end")
    assert "Solving [red]3[/red] images …" in Console(file=io.StringIO()).render_str(
        screen.getvalue(), markup=False
    ).plain.replace("\x1b[2K", "")
    assert "After its end" not in screen.getvalue()


def test_a_short_command_shows_nothing(
    terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_SILENT_SECONDS", 600.0)
    screen = terminal()
    with show_steps(verbose=False):
        LOG.debug("Fetching x")
    assert screen.getvalue() == ""


def test_a_forked_process_shows_nothing(terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    with show_steps(verbose=True) as steps:
        steps._process = os.getpid() + 1
        LOG.debug("Fetching x")
    assert screen.getvalue() == ""


def test_a_line_longer_than_the_terminal_keeps_its_beginning_and_its_end() -> None:
    address = "http://mirror.example/" + "folder/" * 20 + "primary.xml.gz"
    line = output._line(f"Fetching {address}", 80)
    assert len(line) <= 78
    assert line.startswith("Fetching http://mirror.example/") and line.endswith("primary.xml.gz …")
    assert output._line("Reading [x]", 80) == "Reading \\[x] …"


HOSTILE = "\x1b[2J\x1b]8;;https://evil.example\x07approved\u202e\x9b31m\u2066"
CONTROLS = set("\x1b\x07\x9b\u202e\u2066")


@pytest.mark.parametrize(
    "arguments",
    [
        ["closure", "--config", f"/nothere/{HOSTILE}"],
        ["check", "--git", f"/nothere/{HOSTILE}"],
        ["check", "--with", HOSTILE],
    ],
)
def test_an_error_prints_no_control_characters(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    out, err = capsys.readouterr()
    assert "approved" in err
    assert not CONTROLS & {*out, *err}


def test_a_page_has_no_control_characters_wherever_a_value_stands() -> None:
    for environment in (make_templates(), _html_template().environment):
        template = environment.from_string('<a title="{{ text }}">{{ text }}</a>')
        page = template.render(text=HOSTILE)
        assert "approved" in page
        assert not CONTROLS & {*page}
