"""Who may say what: every role, command, own or another's pull request."""

import pytest

from bot.chat.commands import COMMANDS, may, refusal
from bot.forge.values import ROLES

# CONTRACT's table, written out: the lowest role on another's pull request, and on one's own.
LOWEST = {
    "check": ("triage", "none"),
    "why": ("none", "none"),
    "what-if": ("none", "none"),
    "advise": ("none", "none"),
    "decline": ("triage", "triage"),
    "accept": ("write", "write"),
    "allow": ("write", "write"),
    "objectives": ("none", "none"),
    "cancel": ("triage", "none"),
    "help": ("none", "none"),
}


@pytest.mark.parametrize("own", [False, True], ids=["anothers", "own"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", COMMANDS)
def test_who_may_say_it(name: str, role: str, own: bool) -> None:
    lowest = LOWEST[name][own]
    expected = ROLES.index(role) >= ROLES.index(lowest)
    assert may(COMMANDS[name], role, is_author=own) is expected


def test_a_refusal_names_the_role_that_is_missing() -> None:
    assert refusal(COMMANDS["accept"], "ann", "triage") == (
        "ann has the role triage in this repository: accept needs the role write or above."
    )
    assert refusal(COMMANDS["check"], "bob", "none") == (
        "bob has no role in this repository: check needs the role triage or above,"
        " or to be the author of this pull request."
    )
