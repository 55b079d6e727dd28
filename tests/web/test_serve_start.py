"""The start of the server and of workers: problems that the first build would have are logged."""

from __future__ import annotations

import pytest

from bot.sandbox.values import SandboxError
from bot.settings.values import Settings
from bot.web import serve

SECRET = {"env": "SECRET"}
FORGE = {"type": "github", "token": SECRET, "webhook_secrets": [SECRET]}


@pytest.mark.parametrize(("builds", "lines"), [(1, 1), (0, 0)])
def test_no_user_ids_for_builds_are_logged_at_the_start(
    builds: int, lines: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> str:
        raise SandboxError("NoNewPrivileges is set.", "Take it out.")

    monkeypatch.setattr(serve, "check_user_ids", refuse)
    settings = Settings.model_validate({"forges": {"gh": FORGE}, "engine": {"builds": builds}})
    serve._warn_of_builds(settings)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == lines
    assert all("NoNewPrivileges is set. Take it out." in line for line in said)
