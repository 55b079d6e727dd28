"""Queries on one image: its curve, steps, packages and their links, at any time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bot.model.closure import Link
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.surface import Surface
from bot.store.history.rows import (
    IMAGE,
    IS_KEY,
    KEY,
    SURFACE,
    Reading,
    cause_of,
    causes_sql,
    described,
    evaluation_of,
    evaluations_sql,
    facts_columns,
    facts_of,
    holding,
    key_of,
    key_values,
    moment,
    run_of,
)
from bot.store.history.values import (
    Cause,
    Contents,
    Evaluation,
    HistoryImage,
    Member,
    Point,
    Run,
    Step,
    SurfaceState,
)
from bot.store.records import Row

# A merged change may name an image before the first run that evaluates it.
_EVALUATED = "exists (select 1 from evaluations where evaluations.image = images.id)"
_THERE = (
    "image_packages.image = ? and image_packages.from_run <= ?"
    " and (image_packages.until_run is null or image_packages.until_run > ?)"
)


def steps_sql(source: str = "steps join runs on runs.id = steps.run") -> str:
    """A select for `steps_of` from a source that has `steps` and their `runs`."""
    return (
        f"select {KEY}, steps.image, steps.run, runs.started, steps.delta, steps.known_delta,"
        f" steps.packages_delta, {facts_columns('old', 'old_')}, {facts_columns('new', 'new_')}"
        f" from {source} join images on images.id = steps.image"
        " join closures as old on old.id = steps.before_closure"
        " join closures as new on new.id = steps.after_closure"
    )


def last_evaluation(run: int | None = None) -> str:
    """A condition on `evaluations`: the last one of `images.id`; as of a run, if one is named."""
    until = "" if run is None else f" and run <= {int(run)}"
    return (
        "evaluations.image = images.id and evaluations.run ="
        f" (select max(run) from evaluations as e where e.image = images.id{until})"
    )


def image_of(row: Row) -> HistoryImage:
    """An image from its row."""
    requests = row["environment_requests"]
    return HistoryImage(
        row["id"],
        key_of(row),
        row["gone_run"] is not None,
        row["maintainer"],
        None if requests is None else tuple(json.loads(requests)),
    )


class ImageQueries(Reading):
    """Queries on images. `at` is an RFC 3339 time or a date; null is the present."""

    def images(self, *, gone: bool = False) -> tuple[HistoryImage, ...]:
        """The images in history, by key; with `gone` also those that no document describes any
        more."""
        where = "" if gone else "and gone_run is null"
        rows = self.rows(f"select *, {KEY} from images where {_EVALUATED} {where}")
        return tuple(sorted(map(image_of, rows), key=lambda image: image.key))

    def image(self, key: ImageKey) -> HistoryImage | None:
        """One image, or null if no run evaluated it."""
        rows = self.rows(f"select * from images where {IS_KEY} and {_EVALUATED}", key_values(key))
        return image_of(rows[0]) if rows else None

    def runs(self, limit: int = 50) -> tuple[Run, ...]:
        """The latest runs, newest first."""
        rows = self.rows("select * from runs order by id desc limit ?", [limit])
        return tuple(run_of(row) for row in rows)

    def run_started(self, run: int) -> str | None:
        """The time when a run began, or null if there is none of this number."""
        rows = self.rows("select started from runs where id = ?", [run])
        return str(rows[0]["started"]) if rows else None

    def run_at(self, at: str | None = None) -> Run | None:
        """The last run that began at or before a time."""
        if at is None:
            rows = self.rows("select * from runs order by id desc limit 1")
        else:
            rows = self.rows(
                "select * from runs where started <= ? order by started desc limit 1", [moment(at)]
            )
        return run_of(rows[0]) if rows else None

    def evaluation(self, key: ImageKey, at: str | None = None) -> Evaluation | None:
        """The last evaluation of an image at or before a time, or null."""
        image_and_run = self._image_and_run(key, at)
        return None if image_and_run is None else self._evaluation(*image_and_run)

    def last_solvable(self, key: ImageKey) -> Evaluation | None:
        """The last evaluation of an image that could be solved, or null."""
        rows = self.rows(
            "select images.id, max(evaluations.run) as run from images"
            " join evaluations on evaluations.image = images.id"
            " join closures on closures.id = evaluations.closure and closures.status = 'ok'"
            f" where {IS_KEY} group by images.id",
            key_values(key),
        )
        return self._evaluation(rows[0]["id"], rows[0]["run"]) if rows else None

    def _evaluation(self, image: int, run: int) -> Evaluation:
        rows = self.rows(
            f"{evaluations_sql('images join evaluations on evaluations.image = images.id')}"
            " where images.id = ? and evaluations.run = ?",
            [image, run],
        )
        return evaluation_of(rows[0])

    def latest_evaluations(self, run: int | None = None) -> dict[ImageKey, Evaluation]:
        """The last evaluation of every described image; as of a run, if one is given."""
        source = f"images cross join evaluations on {last_evaluation(run)}"
        rows = self.rows(f"{evaluations_sql(source)} where {described(run)}")
        return {key_of(row): evaluation_of(row) for row in rows}

    def history(
        self,
        key: ImageKey,
        since: str | None = None,
        until: str | None = None,
        *,
        every: bool = False,
    ) -> tuple[Point, ...]:
        """An image's curve, oldest first: the points where it changed, its first and its last.

        With `every`, one point for each evaluation.
        """
        rows = self.rows(
            f"select evaluations.run, runs.started as evaluated, evaluations.closure from images"
            f" cross join evaluations on evaluations.image = images.id"
            f" join runs on runs.id = evaluations.run"
            f" where {IS_KEY} and runs.started >= ? and runs.started <= ?"
            " order by evaluations.run",
            [*key_values(key), since or "", moment(until)],
        )
        last = len(rows) - 1
        selected = [
            row
            for index, row in enumerate(rows)
            if every or index in (0, last) or row["closure"] != rows[index - 1]["closure"]
        ]
        facts = self._figures(row["closure"] for row in selected)
        return tuple(Point(**row, **facts[row["closure"]]) for row in selected)

    def _figures(self, closures: Iterable[int]) -> dict[int, Row]:
        numbers = sorted(set(closures))
        rows = self.rows(
            "select id, status, packages, installed_size, known_size, layer_size from closures"
            " where id in (select value from json_each(?))",
            [json.dumps(numbers)],
        )
        return {row.pop("id"): row for row in rows}

    def steps(
        self,
        key: ImageKey,
        since: str | None = None,
        until: str | None = None,
        limit: int = 1000,
    ) -> tuple[Step, ...]:
        """An image's steps with their causes, newest first."""
        rows = self.rows(
            f"{steps_sql()} where steps.image = {IMAGE}"
            " and runs.started >= ? and runs.started <= ? order by steps.run desc limit ?",
            [*key_values(key), since or "", moment(until), limit],
        )
        return self.steps_of(rows)

    def step(self, key: ImageKey, run: int) -> Step | None:
        """The step of an image in a run, or null if it did not move then."""
        rows = self.rows(
            f"{steps_sql()} where steps.image = {IMAGE} and steps.run = ?",
            [*key_values(key), run],
        )
        return self.steps_of(rows)[0] if rows else None

    def broken_by(self, key: ImageKey) -> Cause | None:
        """The cause that last made an image unsolvable, or null if none ever did."""
        rows = self.rows(
            f"{causes_sql()} where causes.image = {IMAGE}"
            " and causes.change = 'unsolvable' order by causes.run desc limit 1",
            key_values(key),
        )
        return cause_of(rows[0]) if rows else None

    def steps_of(self, rows: Sequence[Row]) -> tuple[Step, ...]:
        """Steps with their causes, from rows of steps."""
        places = json.dumps([[row["image"], row["run"]] for row in rows])
        causes: dict[tuple[int, int], list[Cause]] = {}
        source = (
            "places cross join causes on causes.image = places.image and causes.run = places.run"
        )
        for row in self.rows(
            "with places as materialized (select value ->> 0 as image, value ->> 1 as run"
            f" from json_each(?)) {causes_sql(source)}"
            " order by causes.image, causes.run, causes.position",
            [places],
        ):
            causes.setdefault((row["image"], row["run"]), []).append(cause_of(row))
        return tuple(
            Step(
                key_of(row),
                row["run"],
                row["started"],
                facts_of(row, "old_"),
                facts_of(row, "new_"),
                row["delta"],
                row["known_delta"],
                row["packages_delta"],
                tuple(causes.get((row["image"], row["run"]), ())),
            )
            for row in rows
        )

    def contents(self, key: ImageKey, at: str | None = None, *, links: bool = True) -> Contents:
        """An image's packages at a time, and the links between them.

        While it is unsolvable these are those of its last solvable state.
        """
        image_and_run = self._image_and_run(key, at)
        if image_and_run is None:
            return Contents()
        image, run = image_and_run
        rows = self.tuples(
            "select name, epoch, version, release, arch, id, source, repository, installed_size,"
            " installed_size_nodocs, download_size, requested from image_packages"
            f" join packages on packages.id = image_packages.package where {_THERE}",
            [image, run, run],
        )
        rows.sort(key=lambda row: row[:6])
        members = tuple(
            Member(Nevra(*row[:5]), row[6], row[7], row[8], row[9], row[10], bool(row[11]))
            for row in rows
        )
        latest = self.rows(
            "select closures.requests from evaluations join closures on closures.id = closure"
            " where evaluations.image = ? and run <= ? order by run desc limit 1",
            [image, run],
        )
        requests = tuple(json.loads(latest[0]["requests"])) if latest else ()
        if not links:
            return Contents(members, (), requests)
        places = {row[5]: index for index, row in enumerate(rows)}
        return Contents(members, self._links(image, run, members, places), requests)

    def _links(
        self, image: int, run: int, members: Sequence[Member], places: dict[int, int]
    ) -> tuple[Link, ...]:
        indices: dict[str, list[int]] = {}
        for index, member in enumerate(members):
            indices.setdefault(f"{member.nevra.name}.{member.nevra.arch}", []).append(index)
        rows = self.rows(
            "select requirements.package, capabilities.text as capability,"
            " targets.text as target, requirements.kind from image_packages"
            " join requirements on requirements.package = image_packages.package"
            " join capabilities on capabilities.id = requirements.capability"
            " join capabilities as targets on targets.id = requirements.target"
            " join images on images.id = image_packages.image"
            f" where {_THERE} and (requirements.kind = 'requires' or images.weak)",
            [image, run, run],
        )
        return tuple(
            sorted(
                {
                    Link(places[row["package"]], row["capability"], target, row["kind"])
                    for row in rows
                    for target in indices.get(row["target"], ())
                }
            )
        )

    def surfaces(self, run: int | None = None) -> dict[ImageKey, Surface]:
        """The attack surface of every image, if known, as of a run (null: the last)."""
        rows = self.rows(
            f"select {KEY}, body from ({holding('image_surfaces', 'image, body', run)}) as held"
            " join images on images.id = held.image"
        )
        return {key_of(row): SURFACE.validate_json(row["body"]) for row in rows}

    def surface_history(
        self, key: ImageKey, since: str | None = None, until: str | None = None
    ) -> tuple[SurfaceState, ...]:
        """The attack surfaces of an image, each with the time that it lasted, oldest first."""
        rows = self.rows(
            "select first.started as since, last.started as until, body from images"
            " cross join image_surfaces on image_surfaces.image = images.id"
            " join runs as first on first.id = image_surfaces.from_run"
            " left join runs as last on last.id = image_surfaces.until_run"
            f" where {IS_KEY} and first.started <= ?"
            " and (last.started is null or last.started > ?) order by image_surfaces.from_run",
            [*key_values(key), moment(until), since or ""],
        )
        return tuple(
            SurfaceState(row["since"], row["until"], SURFACE.validate_json(row["body"]))
            for row in rows
        )

    def inputs(self) -> dict[ImageKey, str]:
        """The inputs of the last evaluation of each image."""
        rows = self.rows(
            f"select {KEY}, inputs.digest from inputs join images on images.id = inputs.image"
        )
        return {key_of(row): row["digest"] for row in rows}

    def closure_digests(self) -> dict[ImageKey, str]:
        """The digest of each image's last closure."""
        rows = self.rows(
            f"select {KEY}, closures.digest from images"
            f" cross join evaluations on {last_evaluation()}"
            " join closures on closures.id = evaluations.closure"
        )
        return {key_of(row): row["digest"] for row in rows}

    def _image_and_run(self, key: ImageKey, at: str | None) -> tuple[int, int] | None:
        """The numbers of an image and of its last run at or before a time."""
        values: list[Any] = key_values(key)
        until = ""
        if at is not None:
            until = "and run <= coalesce((select id from runs where started <= ?"
            until += " order by started desc limit 1), 0)"
        rows = self.rows(
            f"select images.id, (select max(run) from evaluations"
            f" where image = images.id {until}) as run from images where {IS_KEY}",
            [moment(at), *values] if at is not None else values,
        )
        if not rows or rows[0]["run"] is None:
            return None
        return rows[0]["id"], rows[0]["run"]
