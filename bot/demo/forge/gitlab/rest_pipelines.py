"""Pipelines of merge requests. https://docs.gitlab.com/api/merge_requests/#list-merge-request-pipelines"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from bot.demo.forge.gitlab.rest import MERGE, merge_of, page_of, parameters, project_of
from bot.demo.forge.gitlab.shapes import Json, stamp
from bot.demo.forge.state import Repository, now

routes = web.RouteTableDef()


@dataclass(slots=True)
class Pipeline:
    """A pipeline of somebody's CI for one commit."""

    id: int
    repository: Repository
    sha: str
    ref: str
    status: str
    url: str
    name: str | None = None
    at: datetime = field(default_factory=now)


PIPELINES: web.AppKey[list[Pipeline]] = web.AppKey("gitlab-pipelines", list)


@routes.get(MERGE + "/pipelines")
async def pipelines(request: web.Request) -> web.Response:
    """Newest first: those of the commits that the merge request has or had as its head."""
    parameters(request)
    found, _ = project_of(request)
    pull = merge_of(request, found)
    projects = (pull.repository, pull.head_repository)
    refs = (pull.head_branch, f"refs/merge-requests/{pull.number}/head")
    made = [
        p
        for p in request.app[PIPELINES]
        if any(p.repository is one for one in projects) and p.ref in refs
    ]
    return page_of(request, made[::-1], _shape)


def _shape(pipeline: Pipeline) -> Json:
    return {
        "id": pipeline.id,
        "iid": 1,
        "project_id": pipeline.repository.id,
        "sha": pipeline.sha,
        "ref": pipeline.ref,
        "status": pipeline.status,
        "source": "external",
        "name": pipeline.name,
        "created_at": stamp(pipeline.at),
        "updated_at": stamp(pipeline.at),
        "web_url": pipeline.url,
    }
