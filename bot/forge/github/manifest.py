"""Creating the GitHub App from its manifest: the page with the button, and GitHub's answer.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest: the
browser posts the manifest to GitHub, GitHub comes back to `redirect_url` with `code` and `state`,
and within an hour the code is exchanged, once, for the App's number, private key and secret.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import quote

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import SurroundingsError
from bot.forge.github.client import API_VERSION
from bot.forge.rest import USER_AGENT
from bot.outbound.authorities import tls_context
from bot.outbound.proxies import proxy_url

_EXAMPLE = "https://minimize.example.org"
_MOST_BYTES = 100_000
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Create the GitHub App</title>
<form action="{target}" method="post">
<input type="hidden" name="manifest" value="{value}">
<p>This goes to {target} with these permissions and events:</p>
<pre>{manifest}</pre>
<button>Create the GitHub App</button>
</form></html>
"""
_DONE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Created</title>
<p>The GitHub App is there. Go on in the terminal; this page may be closed.</p></html>
"""


class NewApp(BaseModel):
    """A new App, from GitHub's answer; `repr` hides its secrets."""

    model_config = ConfigDict(frozen=True)

    id: int
    slug: str = Field(max_length=100)
    html_url: str = Field(max_length=500)
    pem: str = Field(repr=False, max_length=10_000)
    webhook_secret: str = Field(repr=False, min_length=16, max_length=500)


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration of an App: the bot's public URL, GitHub's, and the App's owner.
    `organisation` is empty for the user who is signed in.

    `path` is the page's secret path, printed to the terminal; `state` is sent to GitHub and must
    come back.
    """

    public_url: str
    github_url: str = "https://github.com"
    api_url: str = "https://api.github.com"
    organisation: str = ""
    path: str = field(default_factory=lambda: f"/setup/{secrets.token_urlsafe(16)}")
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def page_url(self) -> str:
        """The address of the page with the button."""
        return f"{self.public_url}{self.path}"

    def manifest(self) -> str:
        """The App's manifest as JSON, with the page's address for the redirect."""
        text = files("bot.forge.github").joinpath("app_manifest.json").read_text("utf-8")
        values = json.loads(text.replace(_EXAMPLE, self.public_url))
        return json.dumps({**values, "redirect_url": f"{self.page_url}/created"}, indent=2)

    def page(self) -> str:
        """The HTML page whose button creates the App."""
        place = "settings/apps/new"
        if self.organisation:
            place = f"organizations/{quote(self.organisation, safe='')}/{place}"
        manifest = escape(self.manifest())
        target = escape(f"{self.github_url}/{place}?state={self.state}")
        return _PAGE.format(target=target, value=manifest, manifest=manifest)


async def register_app(
    registration: Registration, host: str, port: int, announce: Callable[[str], None]
) -> NewApp:
    """Serve the page at `host` and `port` until GitHub redirects back, and return the App.

    `announce` is called with the page's address once it is served. Raises SurroundingsError if the
    port cannot be listened at, or GitHub rejects the code.
    """
    redirect: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def page(request: web.Request) -> web.Response:
        del request
        return web.Response(text=registration.page(), content_type="text/html")

    async def created(request: web.Request) -> web.Response:
        state, code = request.query.get("state", ""), request.query.get("code", "")
        if not secrets.compare_digest(state, registration.state) or not code:
            raise web.HTTPBadRequest(
                text="This request does not come from the page of this set-up."
            )
        if not redirect.done():
            redirect.set_result(code)
        return web.Response(text=_DONE, content_type="text/html")

    application = web.Application(client_max_size=_MOST_BYTES)
    application.router.add_get(registration.path, page)
    application.router.add_get(f"{registration.path}/created", created)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SurroundingsError(
                f"Nothing can listen at {host}, port {port}: {error.strerror}.",
                "Stop the server that listens there, or choose another port.",
            ) from error
        announce(registration.page_url)
        code = await redirect
        connector = aiohttp.TCPConnector(ssl=tls_context())
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as session:
            return await exchange_code(session, registration.api_url, code)
    finally:
        await runner.cleanup()


async def exchange_code(session: aiohttp.ClientSession, api_url: str, code: str) -> NewApp:
    """The App that GitHub made for a code; SurroundingsError if it returns none."""
    url = f"{api_url}/app-manifests/{quote(code, safe='')}/conversions"
    headers = {
        "Accept": "application/vnd.github+json",
        "User-Agent": USER_AGENT,
        "X-GitHub-Api-Version": API_VERSION,
    }
    try:
        async with session.post(url, headers=headers, proxy=proxy_url(url)) as response:
            body = await response.read()
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SurroundingsError(
            f"{api_url} does not answer: {error or 'it took too long'}.",
            "The code is valid for an hour: run this again, and press the button again.",
        ) from error
    if status != HTTPStatus.CREATED:
        raise SurroundingsError(
            f"GitHub does not exchange the code: it answers {status}.",
            "A code is valid once, for an hour. Run this again, and press the button again.",
        )
    try:
        return NewApp.model_validate_json(body)
    except ValidationError as error:
        # The body has secrets, so only the places of errors are reported.
        places = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise SurroundingsError(f"GitHub's answer about the App is invalid: {places}.") from None
