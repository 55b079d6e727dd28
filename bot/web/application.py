"""The routes, and what all responses share: errors, headers, health."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.distro.sharing import SHARED, SharedDocuments, documents_to_json
from bot.engine.engine import Engine
from bot.engine.links import LinkKeys
from bot.forge.protocol import Forge
from bot.store.deliveries import GroupWriter
from bot.store.history.history import History
from bot.store.store import Store
from bot.web.assets import show_asset
from bot.web.health import Health
from bot.web.metrics import CONTENT_TYPE, Metrics
from bot.web.middlewares import BuildLogs, caching, errors, private_pages
from bot.web.openapi import describe
from bot.web.pages import Pages, make_templates
from bot.web.pictures import Pictures
from bot.web.responses.archive import Archive, cache_warming
from bot.web.webhooks import Webhooks

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self';"
    " object-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # aiohttp's default names its version and Python's.
    "Server": "minimize",
}


def make_application(
    *,
    forges: Mapping[str, Sequence[Forge]],
    writer: GroupWriter,
    store: Store,
    history: History,
    logs: Path,
    metrics: Metrics,
    health: Health,
    engine: Engine | None,
    webhook_bytes: int,
    link_keys: LinkKeys | None = None,
    secure: bool = True,
    public_url: str = "",
    shared_documents: SharedDocuments | None = None,
) -> web.Application:
    """Make the application.

    `forges` are by type; `logs` is the cache with the builds' logs. Without an engine no queue is
    counted. `link_keys` open checks of private repositories; `secure` if clients use TLS.
    `public_url` is the origin of embedded pictures; by default the origin of the request.
    `shared_documents` is the folder of documents that anybody may read, null if nobody may.
    """
    templates, archive = make_templates(), Archive(store, history)
    description = describe()
    application = web.Application(
        client_max_size=webhook_bytes,
        middlewares=[
            _headers,
            caching,
            errors(templates),
            private_pages(link_keys, secure=secure),
        ],
    )

    application.cleanup_ctx.append(cache_warming(archive))

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        readiness = await health.readiness()
        status = "not ready" if readiness.problems else "ok"
        parts = {name: problem or "ok" for name, problem in readiness.parts.items()}
        return web.json_response(
            {"status": status, "problems": list(readiness.problems), "parts": parts},
            status=503 if readiness.problems else 200,
        )

    async def openapi(_request: web.Request) -> web.Response:
        return web.json_response(description)

    async def documents(_request: web.Request) -> web.Response:
        if shared_documents is None:
            raise web.HTTPNotFound(text="This server does not share its documents.")
        shared = await asyncio.to_thread(
            documents_to_json, shared_documents.folder, shared_documents.base_images
        )
        return web.json_response(shared)

    async def numbers(_request: web.Request) -> web.Response:
        await asyncio.to_thread(metrics.show_store, store)
        if engine is not None:
            metrics.show_engine(await engine.figures())
            backlog = await asyncio.to_thread(engine.publisher.outbox.backlog)
            metrics.show_outbox(backlog, engine.forges)
        text = await asyncio.to_thread(metrics.text)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    webhooks = Webhooks(forges, writer, metrics, webhook_bytes, health.data)
    application.add_routes(
        [
            web.post("/webhook/{type}", webhooks.receive),
            web.get("/health/live", live),
            web.get("/health/ready", ready),
            web.get("/metrics", numbers),
            web.get("/api/openapi.json", openapi),
            web.get(SHARED, documents),
            *Pages(archive, templates, public_url).routes(),
            *Pictures(archive).routes(),
            web.get("/checks/{id}/logs/{number}", BuildLogs(store, logs).show),
            web.get("/static/{name}", show_asset),
        ]
    )
    return application


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
