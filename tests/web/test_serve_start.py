"""The start of the server and of workers: problems that the first check would have are logged."""

from __future__ import annotations

import pytest

from bot.sandbox.values import SandboxError
from bot.settings.values import Settings
from bot.web import serve

SECRET = {"env": "SECRET"}
FORGE = {"type": "github", "token": SECRET, "webhook_secrets": [SECRET]}


@pytest.mark.parametrize(
    ("fails", "engine", "said"),
    [
        ("root", {}, ["builds cannot install packages here: It is off. Turn it on."]),
        ("root", {"builds": 0}, []),
        ("build", {}, ["spec files cannot be evaluated or built here: It is off. Turn it on."]),
        ("build", {"builds": 0, "predictions": 0}, []),
    ],
)
def test_a_sandbox_that_does_not_work_is_logged_at_the_start(
    fails: str,
    engine: dict[str, int],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def tried(user: str = "build") -> None:
        if user == fails:
            raise SandboxError("It is off.", "Turn it on.")

    monkeypatch.setattr(serve, "require_sandbox", tried)
    settings = Settings.model_validate({"forges": {"gh": FORGE}, "engine": engine})
    serve._warn_of_sandbox(settings)
    assert [record.getMessage() for record in caplog.records] == said
