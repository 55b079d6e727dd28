"""Opportunities and the edits that people declined, in an open store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.model.advice import Change
from bot.model.opportunity import Opportunity, OpportunityImage
from bot.store.store import Store, now

_CHANGE: TypeAdapter[Change] = TypeAdapter(Change)
# Of a repository's results, the newest tell which sources it makes.
_RESULTS = 20


@dataclass(frozen=True, slots=True)
class DeclinedEdit:
    """An edit that somebody with a role in a repository does not want there, and why.

    `comment` is the forge's id of the comment, `url` its address, `time` RFC 3339 UTC.
    """

    forge: str
    repository: str
    edit: str
    reason: str
    user: str
    role: str
    time: str
    comment: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An image on all its architectures."""

    repository: str
    workload: str
    environment: str


class Opportunities:
    """The opportunities of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> tuple[Opportunity, ...]:
        """Every opportunity with its images, those that save most first."""
        images: dict[str, list[OpportunityImage]] = {}
        for row in self._store.rows(
            "select opportunity, workload, environment, arches, saves from opportunity_images"
            " order by saves desc, workload, environment"
        ):
            arches = tuple(json.loads(row["arches"]))
            image = OpportunityImage(row["workload"], row["environment"], arches, row["saves"])
            images.setdefault(row["opportunity"], []).append(image)
        rows = self._store.rows("select * from opportunities")
        found = (_opportunity(row, images.get(row["id"], ())) for row in rows)
        return tuple(sorted(found, key=lambda o: (-o.saves, o.edit, o.repository)))

    def inputs(self) -> Mapping[Place, str]:
        """The inputs of the last advice for each image."""
        rows = self._store.rows(
            "select repository, workload, environment, inputs from advised_images"
        )
        return {Place(r["repository"], r["workload"], r["environment"]): r["inputs"] for r in rows}

    def record(
        self, place: Place, inputs: str, found: Sequence[tuple[Change, OpportunityImage]]
    ) -> None:
        """Store the edits that make an image smaller now, in the place of those of before.

        One that landed and is found again is open again.
        """
        with self._store.writing() as db:
            db.execute(
                "delete from opportunity_images where repository = ? and workload = ?"
                " and environment = ?",
                [place.repository, place.workload, place.environment],
            )
            for change, image in found:
                self._record(db, place, change, image)
            db.table("advised_images").upsert(
                {**asdict(place), "inputs": inputs}, pk=("repository", "workload", "environment")
            )

    def _record(self, db: Database, place: Place, change: Change, image: OpportunityImage) -> None:
        one = Opportunity(place.repository, change, "found", now(), now())
        values: dict[str, Any] = {
            "repository": one.repository,
            "package": change.package,
            "capability": change.capability,
            "source": change.source,
            "change": _CHANGE.dump_json(change).decode(),
        }
        known = list(db.query("select state from opportunities where id = ?", [one.id]))
        if not known or known[0]["state"] == "landed":
            values |= {"state": "found", "found": one.found, "changed": one.changed}
            values |= {"url": "", "reason": "", "user": "", "saved": None}
        if known:
            db.table("opportunities").update(one.id, values)
        else:
            db.table("opportunities").insert({"id": one.id, **values})
        db.table("opportunity_images").insert(
            {
                "opportunity": one.id,
                "repository": place.repository,
                "workload": image.workload,
                "environment": image.environment,
                "arches": json.dumps(list(image.arches)),
                "saves": image.saves,
            },
            replace=True,
        )

    def land(self, opportunity: Opportunity, saved: int | None) -> None:
        """Record that an edit is in what is published, and what that saves."""
        self._set(opportunity.id, {"state": "landed", "saved": saved, "changed": now()})

    def propose(self, ids: Iterable[str], url: str) -> None:
        """Record where edits were proposed that were only found until now."""
        with self._store.writing() as db:
            for one in ids:
                db.execute(
                    "update opportunities set state = 'proposed', url = ?, changed = ?"
                    " where id = ? and state = 'found'",
                    [url, now(), one],
                )

    def decline(self, declined: DeclinedEdit) -> None:
        """Record that an edit is not wanted; the last word on it counts."""
        with self._store.writing() as db:
            key = ("forge", "repository", "edit")
            db.table("declined_edits").upsert(asdict(declined), pk=key)
        self.settle_declined()

    def declined(self, forge: str, repository: str) -> tuple[DeclinedEdit, ...]:
        """The edits that are not wanted in a repository, by name."""
        rows = self._store.rows(
            "select * from declined_edits where forge = ? and repository = ? order by edit",
            [forge, repository],
        )
        return tuple(DeclinedEdit(**row) for row in rows)

    def declined_edits(self, forge: str, repository: str) -> tuple[str, ...]:
        """The names of the edits that are not wanted in a repository."""
        return tuple(one.edit for one in self.declined(forge, repository))

    def settle_declined(self) -> None:
        """Decline the opportunities whose edits somebody declined where their source is made.

        A repository has a say about the sources that its own checks were about, and no others.
        """
        places = self._store.rows("select distinct forge, repository from declined_edits")
        open_ = [one for one in self.all() if one.state in ("found", "proposed")]
        for place in places:
            sources = self._sources(place["forge"], place["repository"])
            declined = {one.edit: one for one in self.declined(**place)}
            for one in open_:
                found = declined.get(one.edit)
                if found is not None and one.change.source in sources:
                    self._set(
                        one.id,
                        {
                            "state": "declined",
                            "changed": found.time,
                            "reason": found.reason,
                            "user": found.user,
                            "url": found.url,
                        },
                    )

    def _sources(self, forge: str, repository: str) -> frozenset[str]:
        """The sources that the newest checks of a repository were about."""
        rows = self._store.rows(
            "select json_extract(results.body, '$.sources') as sources from checks"
            " join results on results.id = checks.result_id"
            " where checks.forge = ? and checks.repository = ?"
            " order by checks.created desc limit ?",
            [forge, repository, _RESULTS],
        )
        return frozenset(name for row in rows for name in json.loads(row["sources"] or "{}"))

    def _set(self, id_: str, values: Mapping[str, Any]) -> None:
        with self._store.writing() as db:
            db.table("opportunities").update(id_, dict(values))


def _opportunity(row: Mapping[str, Any], images: Sequence[OpportunityImage]) -> Opportunity:
    change = _CHANGE.validate_json(row["change"])
    names = ("repository", "state", "found", "changed", "url", "reason", "user", "saved")
    known = {name: row[name] for name in names}
    return replace(Opportunity(change=change, **known), images=tuple(images))
