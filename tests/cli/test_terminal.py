"""What others named reaches no terminal's controls, and no page's direction of text."""

from __future__ import annotations

import pytest

from bot.cli import main
from bot.report.render import _html_template
from bot.web.pages import make_templates

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
