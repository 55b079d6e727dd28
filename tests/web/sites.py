"""The pages served over a history, with checks whose texts and logs are hostile, too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.distro.sharing import SharedDocuments, built_in_documents
from bot.engine.links import LinkKeys
from bot.model.advice import Change
from bot.model.opportunity import Opportunity, OpportunityImage
from bot.model.result_json import check_to_json
from bot.store.deliveries import GroupWriter
from bot.store.history.history import History, open_history
from bot.store.opportunities import Opportunities, Place
from bot.store.records import CheckRecord
from bot.store.store import Store
from bot.web.application import make_application
from bot.web.health import Health
from bot.web.metrics import Metrics
from tests.report.conftest import rebuilt
from tests.web.seeded import HOSTILE, ODD, seed

NGINX = "/images/reference/minimal/nginx/x86_64"
STRANGE = f"/images/reference/minimal/{quote(ODD, safe='')}/s390x"
EDIT = Change("weaken", "nginx", "nginx", HOSTILE, True, f"Recommends: {HOSTILE}", 2_000_000)
OPPORTUNITY = Opportunity("reference", EDIT, "found", "", "")
LOG = f"made <it> {HOSTILE}\x1b[31m\n"
SCREENSHOTS = Path(__file__).parents[2] / "var" / "screenshots"
PAGES = {
    "overview": "/",
    "images": "/images",
    "image": f"{NGINX}?package=zlib",
    "unsolvable": STRANGE,
    "compare": f"{NGINX}/compare?with=s390x",
    "architectures": f"{NGINX}/architectures",
    "objectives": "/objectives",
    "objective": "/objectives/nginx-stays-small",
    "packages": "/packages",
    "package": "/packages/glibc",
    "hostile-package": f"/packages/{quote(HOSTILE, safe='')}",
    "surface": "/surface",
    "grid": "/grid",
    "search": "/search?q=nginx",
    "opportunities": "/opportunities",
    "opportunity": f"/opportunities/{OPPORTUNITY.id}",
    "checks": "/checks",
    "check": "/checks/over",
    "running-check": "/checks/open",
    "error": "/nowhere",
}


def application(
    store: Store, history: History, logs: Path, *, link_keys: LinkKeys | None = None
) -> web.Application:
    """The bot's application, without forges and engine."""
    return make_application(
        forges={}, writer=GroupWriter(store), store=store, history=history, logs=logs,
        metrics=Metrics(), health=Health(store, logs), engine=None, webhook_bytes=1000,
        link_keys=link_keys, shared_documents=SharedDocuments(built_in_documents()),
    )  # fmt: skip


def prepare(folder: Path, *, days: int = 30) -> Path:
    """Write `seed`'s history with its checks into an empty folder; return the folder."""
    history = open_history(folder / "data")
    seed(history, days=days)
    add_checks(history.store, folder)
    add_opportunity(history.store)
    history.close()
    history.store.close()
    return folder


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[TestServer]:
    """The pages of a prepared folder, on a free port."""
    history = open_history(folder / "data")
    async with TestServer(application(history.store, history, folder)) as server:
        yield server
    history.close()
    history.store.close()


def add_opportunity(store: Store) -> None:
    """An edit of an image, whose texts are hostile."""
    image = OpportunityImage("nginx", "minimal", ("s390x", "x86_64"), EDIT.saves)
    Opportunities(store).record(Place("reference", "nginx", "minimal"), "x", [(EDIT, image)])


def add_checks(store: Store, folder: Path) -> None:
    """A check that is over, with logs, and one that still runs; their texts are hostile."""
    log = folder / "builds" / "k" / "build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(LOG)
    found = rebuilt()
    builds = tuple(replace(b, log=str(log), message=HOSTILE) for b in found.builds)
    result = check_to_json(replace(found, builds=builds, problems=(HOSTILE,)))
    about = {
        "forge": "github", "repository": "rpms/nginx", "number": 7, "head_sha": "a" * 40,
        "title": f"Require perl {HOSTILE}", "author": HOSTILE, "url": "https://forge.example/7",
        "base_ref": HOSTILE, "summary": HOSTILE, "created": "2026-11-01T10:00:00.000000Z",
    }  # fmt: skip
    store.add_check(
        CheckRecord(
            id="over", stage="final", verdict="failure", open=False, result=result,
            predicted="2026-11-01T10:00:03.000000Z", finished="2026-11-01T10:01:00.000000Z",
            **about,
        )
    )  # fmt: skip
    store.add_check(CheckRecord(id="open", **{**about, "head_sha": "b" * 40}))
