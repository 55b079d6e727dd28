"""A bot of a few lines for the demo's own tests: comments what it is told to, on time.

Run as a program: `fake_bot.py serve --settings FILE ...`, with FAKE_BOT=JSON in the environment:
`comments` (texts), `conclusion`, `result`; `hang`, to say nothing more; or `exit`, to end with that
code at the webhook.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from gidgethub.aiohttp import GitHubAPI
from gidgethub.apps import get_installation_access_token
from gidgethub.sansio import Event

PLAY: dict[str, Any] = json.loads(os.environ["FAKE_BOT"])


async def answer(request: web.Request) -> web.Response:
    settings = request.app["settings"]
    home = request.app["home"]
    secret = (home / settings["webhook_secrets"][0]["file"]).read_text()
    event = Event.from_http(
        {name.lower(): value for name, value in request.headers.items()},
        await request.read(),
        secret=secret,
    )
    if event.event == "pull_request":
        if "exit" in PLAY:
            print("the fake bot gives up", flush=True)
            os._exit(PLAY["exit"])
        request.app["task"] = asyncio.create_task(play(request.app, event.data))
    return web.Response(status=PLAY.get("status", 202))


async def play(app: web.Application, payload: dict[str, Any]) -> None:
    settings, home = app["settings"], app["home"]
    pull = payload["pull_request"]
    repository = payload["repository"]["url"]
    async with aiohttp.ClientSession() as session:
        gh = GitHubAPI(session, "fake", base_url=settings["api_url"])
        token = await get_installation_access_token(
            gh,
            installation_id=str(payload["installation"]["id"]),
            app_id=str(settings["app"]["id"]),
            private_key=(home / settings["app"]["private_key"]["file"]).read_text(),
        )
        gh.oauth_token = token["token"]
        run = await gh.post(
            f"{repository}/check-runs",
            data={
                "name": "minimize",
                "head_sha": pull["head"]["sha"],
                "external_id": "7",
                "status": "in_progress",
            },
        )
        if PLAY.get("hang"):
            return
        comment = None
        for text in PLAY["comments"]:
            if comment is None:
                comment = await gh.post(pull["comments_url"], data={"body": text})
            else:
                await gh.patch(comment["url"], data={"body": text})
        output = {"title": "done", "summary": "done"}
        conclusion = PLAY.get("conclusion", "success")
        await gh.patch(run["url"], data={"conclusion": conclusion, "output": output})


async def ready(_request: web.Request) -> web.Response:
    return web.json_response({})


async def check(_request: web.Request) -> web.Response:
    return web.json_response({"id": "7", "result": PLAY["result"]})


def main() -> None:
    path = Path(sys.argv[sys.argv.index("--settings") + 1])
    settings = yaml.safe_load(path.read_text())
    app = web.Application()
    app["settings"] = settings["forges"]["github"]
    app["home"] = path.parent
    app.router.add_post("/webhook/github", answer)
    app.router.add_get("/health/ready", ready)
    app.router.add_get("/api/checks/7", check)
    web.run_app(
        app, host="127.0.0.1", port=settings["listen"]["port"], print=None, shutdown_timeout=0.5
    )


if __name__ == "__main__":
    main()
