"""Questions to an operator about a Pagure: its token, and a project's webhook key."""

from __future__ import annotations

from bot.settings.writing import ForgeAnswers, Operator, ServerAddress

TEST_EVENT = "Test.notification"


def ask_forge(operator: Operator, kind: str, api_url: str, server: ServerAddress) -> ForgeAnswers:
    """The answers about the Pagure at `api_url`, which makes the keys itself, one a project."""
    token = operator.prompt("Token (ACLs commit_flag and pull_request_comment)", secret=True)
    operator.show(
        "In the project's settings, under Web-hooks, have Pagure make the private web-hook key and"
        f" add the URL {server.public_url}/webhook/{kind}."
    )
    key = operator.prompt("The project's private web-hook key", secret=True)
    return ForgeAnswers(kind, api_url, token, key)
