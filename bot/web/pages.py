"""The pages of history: each response as HTML, as JSON under `/api`, and its tables as CSV."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import TypeAdapter

from bot.report.phrase import printable_html
from bot.report.sizes import format_delta, format_size
from bot.web import addresses
from bot.web.addresses import Parameters, query_text
from bot.web.assets import asset_url
from bot.web.middlewares import opened_check
from bot.web.responses import (
    checks,
    differences,
    grid,
    image,
    images,
    objectives,
    opportunities,
    overview,
    packages,
    search,
    surface,
)
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.steps import in_words
from bot.web.tables import measure, metric_words, to_csv

Respond = Callable[[Archive, Parameters], PageResponse]
IMAGE = "/images/{repository}/{environment}/{workload}/{arch}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its path (the JSON is at `/api` + path), and the function that responds.

    `data` is the type of its JSON, `query` its parameters, `tables` the names of its tables.
    """

    path: str
    respond: Respond
    data: type
    summary: str
    query: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


PAGES = (
    Page(
        "/",
        overview.overview,
        overview.Overview,
        "Objectives by state, the biggest movers and who moved them, the age of the data.",
        ("window", "date", "limit"),
        ("attention", "movers", "deeds", "causes", "checks"),
    ),
    Page(
        "/images",
        images.images,
        images.Images,
        "Every image with its figures and its growth.",
        ("q", "status", "maintainer", "source", "window", "date", "offset", "limit"),
        ("rows", "images"),
    ),
    Page(
        IMAGE,
        image.image,
        image.Image,
        "One image: packages, history, steps and their causes, architectures.",
        ("date", "since", "window", "package", "drawn", "limit"),
        (
            "packages",
            "smaller",
            "largest",
            "steps",
            "causes",
            "architectures",
            "objectives",
            "history",
            "surface",
            "surface_moves",
        ),
    ),
    Page(
        f"{IMAGE}/compare",
        differences.compare,
        differences.Comparison,
        "Two dates, or two architectures, of one image.",
        ("from", "to", "with"),
        ("packages", "sides"),
    ),
    Page(
        f"{IMAGE}/architectures",
        differences.architectures,
        differences.Architectures,
        "One image on all its architectures, package by package.",
        ("date", "limit"),
        ("packages", "architectures"),
    ),
    Page(
        "/objectives",
        objectives.objectives,
        objectives.Objectives,
        "Every objective: value, limit, target, trend.",
        ("outlook", "date", "offset", "limit"),
        ("objectives",),
    ),
    Page(
        "/objectives/{id}",
        objectives.objective,
        objectives.Objective,
        "One objective, its past states, and the growth that was accepted.",
        ("date", "since", "window", "limit"),
        ("images", "accepted", "history"),
    ),
    Page(
        "/packages",
        packages.packages,
        packages.Packages,
        "The packages of all images.",
        ("q", "date", "offset", "limit"),
        ("packages",),
    ),
    Page(
        "/packages/{name}",
        packages.package,
        packages.PackagePage,
        "In which images a package is, why, and what it costs.",
        ("date", "offset", "limit"),
        ("images", "versions"),
    ),
    Page(
        "/surface",
        surface.surface,
        surface.Surface,
        "The attack surface of each image, what grew of it; versions of packages, bytes shared.",
        ("window", "date", "limit"),
        ("images", "versions", "shared", "only_one"),
    ),
    Page(
        "/grid",
        grid.grid,
        grid.Grid,
        "Workloads and architectures: the size of each image and its curve.",
        ("q", "window", "date", "offset", "limit"),
        ("rows",),
    ),
    Page(
        "/search",
        search.search,
        search.Search,
        "Packages, images, objectives and pull requests by their names.",
        ("q",),
        ("hits",),
    ),
    Page(
        "/opportunities",
        opportunities.opportunities,
        opportunities.OpportunityList,
        "Edits that make images smaller, by state, source, maintainer and image.",
        ("state", "source", "repository", "maintainer", "workload", "offset", "limit"),
        ("opportunities",),
    ),
    Page(
        "/opportunities/{id}",
        opportunities.opportunity,
        opportunities.OpportunityPage,
        "One edit with its evidence, its images and texts to copy.",
        (),
        ("images",),
    ),
    Page(
        "/checks",
        checks.checks,
        checks.Checks,
        "The checks, newest first.",
        ("date", "offset", "limit"),
        ("checks",),
    ),
    Page(
        "/checks/{id}",
        checks.check,
        checks.Check,
        "One check, in full.",
        ("key",),
        ("run_steps", "moved"),
    ),
)


def make_templates() -> Environment:
    """The templates of all pages: values are escaped, a missing one is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=printable_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "size": format_size,
        "delta": format_delta,
        "moment": lambda text: str(text)[:16].replace("T", " "),
        "age": age_words,
        "in_words": in_words,
    }
    environment.filters |= filters
    environment.globals |= {
        "asset_url": asset_url,
        "links": addresses,
        "measure": measure,
        "metric_words": metric_words,
        "embed": addresses.embed,
    }
    return environment


class Pages:
    """The handlers of `PAGES`."""

    def __init__(self, archive: Archive, templates: Environment, public_url: str) -> None:
        self._archive = archive
        self._templates = templates
        self._public_url = public_url.rstrip("/")

    def routes(self) -> list[web.RouteDef]:
        """The routes of each page and of its JSON."""
        routes = []
        for page in PAGES:
            routes.append(web.get(page.path, self._html(page)))
            routes.append(web.get(f"/api{page.path}", self._json(page)))
        return [*routes, web.get("/api", self._json(PAGES[0]))]

    def _html(self, page: Page) -> Handler:
        async def show(request: web.Request) -> web.Response:
            parameters = parameters_of(request)
            origin = self._public_url or str(request.url.origin())

            def render() -> web.Response:
                response = sorted_response(page.respond(self._archive, parameters), parameters)
                csv = csv_response(response, parameters)
                if csv is not None:
                    return csv
                run = self._archive.run(parameters.date)
                values = {
                    "data": response.data,
                    "tables": response.tables,
                    "here": link_maker(request.rel_url.raw_path, parameters.query),
                    "api": f"/api{request.rel_url.raw_path}{query_text(parameters.query)}",
                    "path": request.path,
                    "date": parameters.query.get("date", ""),
                    "seen": run.started if run else None,
                    "origin": origin,
                }
                template = self._templates.get_template(response.template)
                text = template.render(values | dict(response.extra))
                return web.Response(text=text, content_type="text/html")

            return await asyncio.to_thread(render)

        return show

    def _json(self, page: Page) -> Handler:
        writer = TypeAdapter[Any](page.data)

        async def show(request: web.Request) -> web.Response:
            parameters = parameters_of(request)

            def render() -> web.Response:
                response = sorted_response(page.respond(self._archive, parameters), parameters)
                csv = csv_response(response, parameters)
                # A check without a report has nulls in its place.
                body = None if csv else writer.dump_json(response.data, warnings=False)
                return csv or web.Response(body=body, content_type="application/json")

            return await asyncio.to_thread(render)

        return show


def parameters_of(request: web.Request) -> Parameters:
    """The parameters in the path and query of `request`."""
    return Parameters(dict(request.match_info), dict(request.query), opened_check(request))


def age_words(seconds: int | None) -> str:
    """An age in its largest whole unit: `3 hours`."""
    if seconds is None:
        return "never"
    for length, noun in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = seconds // length
        if count:
            return f"{count} {noun}{'' if count == 1 else 's'}"
    return "less than a minute"


def sorted_response(response: PageResponse, parameters: Parameters) -> PageResponse:
    """The response with the table of `sort` in that order. Raises a 400 for an unknown table."""
    order = parameters.order
    if order is None:
        return response
    name = order.table or next(iter(response.tables), "")
    if name not in response.tables:
        raise web.HTTPBadRequest(
            text=f"sort can begin with {', '.join(response.tables)}, and a dot."
        )
    return replace(
        response, tables={**response.tables, name: response.tables[name].sorted_by(order)}
    )


def csv_response(page_response: PageResponse, parameters: Parameters) -> web.Response | None:
    """One of the response's tables as CSV, null if another format is requested. Raises a 400 for an
    unknown table."""
    table = parameters.query.get("table", next(iter(page_response.tables), ""))
    if "table" in parameters.query and table not in page_response.tables:
        raise web.HTTPBadRequest(text=f"table can be {', '.join(page_response.tables)}.")
    if "format" not in parameters.query:
        return None
    if parameters.query["format"] != "csv" or table not in page_response.tables:
        raise web.HTTPBadRequest(text="format can be csv; JSON is under /api.")
    response = web.Response(text=to_csv(page_response.tables[table]), content_type="text/csv")
    response.headers["Content-Disposition"] = f'inline; filename="{table}.csv"'
    return response


def link_maker(path: str, query: Mapping[str, str]) -> Callable[..., str]:
    """A function that gives this page's address with changed query values."""

    def link(**changes: Any) -> str:
        values = {**query, **changes}
        return path + query_text({n: str(v) for n, v in values.items() if v is not None})

    return link
