"""A server and one more worker in processes of their own, on a forge that is real to them."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from bot.demo.forge.server import LocalForge
from bot.demo.run.setup import free_port
from tests.forges import ABILITIES, BOT, NOWHERE, SECRET, add_hook, api_url

SCRIPT = Path(__file__).parent / "racing_bot.py"


def forge_settings(local: LocalForge, kind: str, home: Path, hook: str = NOWHERE) -> dict:
    (home / "secret").write_text(SECRET)
    common = {"type": kind, "webhook_secrets": [{"file": "secret"}]}
    if kind == "github":
        app = local.add_app("minimize", hook_url=hook, secret=SECRET)
        if hook == NOWHERE:
            app.events = ("pull_request", "issue_comment")
        local.install(app, "rpms")
        (home / "app.pem").write_text(app.private_key)
        own = {"id": app.id, "private_key": {"file": "app.pem"}}
        return {**common, "api_url": local.api_url, "app": own}
    repository = local.state.repository("rpms/nginx")
    assert repository is not None
    local.set_role(repository, BOT, ABILITIES[kind].role)
    (home / "token").write_text(local.token(BOT))
    add_hook(local, kind, hook)
    return {**common, "api_url": api_url(local, kind), "token": {"file": "token"}}


def write_settings(
    home: Path, local: LocalForge, kind: str, *, hears: bool = False, mode: str = "enforce"
) -> str:
    """The settings of both processes; return where webhooks go, by themselves if one `hears`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/webhook/{kind}"
    settings = {
        "listen": {"port": port},
        "public_url": f"http://127.0.0.1:{port}",
        "forges": {kind: forge_settings(local, kind, home, url if hears else NOWHERE)},
        "repositories": [{"match": "*", "documents": ["demo"], "mode": mode}],
    }
    for role in ("server", "worker"):
        own = {**settings, "engine": {"predictions": 3, "builds": 2, "executor_id": role}}
        (home / f"{role}.yaml").write_text(yaml.safe_dump(own))
    (home / "config").mkdir()
    return url


@contextlib.contextmanager
def processes(home: Path) -> Iterator[list[subprocess.Popen]]:
    """The server and one more worker, until the test is over."""
    made = []
    with (home / "log").open("wb") as log:
        for role in ("server", "worker"):
            command = [sys.executable, str(SCRIPT), role, str(home / f"{role}.yaml")]
            made.append(subprocess.Popen(command, stdout=log, stderr=log))
            deadline = time.monotonic() + 120
            while not (home / f"{role}-ready").exists():
                assert made[-1].poll() is None, (home / "log").read_text()
                assert time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.05)
    try:
        yield made
    finally:
        for process in made:
            process.send_signal(signal.SIGKILL)
            process.wait()
