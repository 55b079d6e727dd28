"""Large webhooks: `python -m tests.faults.webhook_bodies [--posts N] [--bytes N]`.

Prints for each kind of signature the answers, and by how much the server's memory (VmHWM) grew over
what it was before the posts.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path

import aiohttp

from bot.demo.run.setup import free_port
from bot.forge.github.webhooks import signed_headers

MEBIBYTE = 1024 * 1024


def memory(process: int, name: str) -> int:
    """Bytes of a process, by a name of /proc/PID/status."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


async def answers(url: str) -> None:
    """Wait until a page of a server that was started is there; TimeoutError after two minutes."""
    async with asyncio.timeout(120), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.2)


@asynccontextmanager
async def served(home: Path, most: int) -> AsyncIterator[tuple[str, int]]:
    """A server of its own process: its address and its process."""
    port = free_port()
    (home / "config").mkdir()
    (home / "bot.yaml").write_text(
        f"listen: {{port: {port}}}\nforges:\n  github:\n    type: github\n"
        "    api_url: http://127.0.0.1:9\n    token: {env: T}\n    webhook_secrets: [{env: S}]\n"
        f"limits: {{webhook_bytes: {most}}}\n"
    )
    arguments = ("-m", "bot", "serve", "--settings", str(home / "bot.yaml"))
    server = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env={**os.environ, "T": "t", "S": "s"}
    )
    url = f"http://127.0.0.1:{port}"
    await answers(f"{url}/health/live")
    try:
        yield url, server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        await server.wait()


async def post(session: aiohttp.ClientSession, url: str, body: bytes, kind: str) -> str:
    """The answer's status, or that the server closed while the body was still being sent."""
    headers = signed_headers("push", body, "s" if kind == "right" else "other")
    if kind == "none":
        del headers["X-Hub-Signature-256"]
    try:
        async with session.post(
            f"{url}/webhook/github", data=BytesIO(body), headers=headers
        ) as answer:
            return str(answer.status)
    except aiohttp.ClientError as error:
        return type(error).__name__


async def measure(posts: int, size: int) -> None:
    """Print a line for each kind of signature."""
    commit = {"id": "c" * 40, "message": "m" * 1000, "added": ["f" * 100] * 10}
    data = {"ref": "refs/heads/main", "before": "a" * 40, "after": "b" * 40,
            "repository": {"id": 1, "full_name": "o/r"}}  # fmt: skip
    count = (size - 400) // (len(json.dumps(commit)) + 2)
    body = json.dumps({**data, "commits": [commit] * count}).encode()
    print(f"{posts} posts at once of {len(body)} bytes each")
    for kind in ("none", "wrong", "right"):
        with tempfile.TemporaryDirectory() as home:
            async with served(Path(home), 25_000_000) as (url, process):
                await asyncio.sleep(3)
                before = memory(process, "VmRSS")
                Path(f"/proc/{process}/clear_refs").write_text("5")
                async with aiohttp.ClientSession() as session:
                    given = [post(session, url, body, kind) for _ in range(posts)]
                    answers = collections.Counter(await asyncio.gather(*given))
                    async with session.get(f"{url}/health/live") as answer:
                        assert answer.status == 200
                grown = memory(process, "VmHWM") - before
                print(
                    f"signature {kind}: {dict(answers)}, server {before / MEBIBYTE:.0f} MiB before,"
                    f" grew by {grown / MEBIBYTE:.1f} MiB",
                    flush=True,
                )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure with the numbers of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=30)
    parser.add_argument("--bytes", type=int, default=24_000_000)
    given = parser.parse_args(arguments)
    asyncio.run(measure(given.posts, given.bytes))


if __name__ == "__main__":
    main()
