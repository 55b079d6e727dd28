"""Opportunities, and the edits that people declined, in an open store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.model.advice import Change
from bot.model.opportunity import Opportunity, OpportunityImage
from bot.store.records import Row
from bot.store.store import Store, now

_CHANGE: TypeAdapter[Change] = TypeAdapter(Change)
# The number of newest results of a repository that tell which sources it makes.
_RESULTS = 20


@dataclass(frozen=True, slots=True)
class DeclinedEdit:
    """An edit that somebody with a role in a repository declined, and the reason.

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
        """Every opportunity with its images, the largest saving first."""
        images: dict[str, list[OpportunityImage]] = {}
        for row in self._store.rows(
            "select * from opportunity_images order by saves desc, workload, environment"
        ):
            image = OpportunityImage(
                row["workload"], row["environment"], tuple(json.loads(row["arches"])),
                row["saves"], row["before"], row["after"],
            )  # fmt: skip
            images.setdefault(row["opportunity"], []).append(image)
        rows = self._store.rows("select * from opportunities")
        opportunities = (_opportunity(row, images.get(row["id"], ())) for row in rows)
        return tuple(sorted(opportunities, key=lambda o: (-o.saves, o.edit, o.repository)))

    def inputs(self) -> Mapping[Place, str]:
        """The inputs of the last advice for each image."""
        rows = self._store.rows(
            "select repository, workload, environment, inputs from advised_images"
        )
        return {Place(r["repository"], r["workload"], r["environment"]): r["inputs"] for r in rows}

    def record(
        self, place: Place, inputs: str, edits: Sequence[tuple[Change, OpportunityImage]]
    ) -> None:
        """Store the edits that make an image smaller now, replacing those of before.

        A landed and published edit that is found again is open again.
        """
        with self._store.writing() as db:
            # A landed edit keeps the images in which it was measured.
            db.execute(
                "delete from opportunity_images where repository = ? and workload = ?"
                " and environment = ? and opportunity not in"
                " (select id from opportunities where state = 'landed')",
                [place.repository, place.workload, place.environment],
            )
            for change, image in edits:
                self._record(db, place, change, image)
            db.table("advised_images").upsert(
                {**asdict(place), "inputs": inputs}, pk=("repository", "workload", "environment")
            )

    def _record(self, db: Database, place: Place, change: Change, image: OpportunityImage) -> None:
        opportunity = Opportunity(place.repository, change, "found", now(), now())
        values: Row = {
            "repository": opportunity.repository,
            "package": change.package,
            "capability": change.capability,
            "source": change.source,
            "change": _CHANGE.dump_json(change).decode(),
        }
        rows = list(
            db.query("select state, unpublished from opportunities where id = ?", [opportunity.id])
        )
        landed = rows and rows[0]["state"] == "landed"
        if landed and rows[0]["unpublished"] is not None:
            return  # it is still found until the merged change is built and published
        if landed:
            db.execute("delete from opportunity_images where opportunity = ?", [opportunity.id])
        if not rows or landed:
            values |= {
                **_OPEN,
                "state": "found",
                "found": opportunity.found,
                "changed": opportunity.changed,
            }
        if rows:
            db.table("opportunities").update(opportunity.id, values)
        else:
            db.table("opportunities").insert({"id": opportunity.id, **values})
        db.table("opportunity_images").insert(
            {
                "opportunity": opportunity.id,
                "repository": place.repository,
                "workload": image.workload,
                "environment": image.environment,
                "arches": json.dumps(list(image.arches)),
                "saves": image.saves,
            },
            replace=True,
        )

    def land(self, landed: Opportunity, images: Sequence[OpportunityImage]) -> None:
        """Record that an edit has landed.

        `landed` has its address and whether it is published, `images` the measured sizes; the
        saving is null unless all images were measured.
        """
        measured = [i.before - i.after for i in images if i.before is not None is not i.after]
        whole = images and len(measured) == len(images)
        with self._store.writing() as db:
            db.table("opportunities").update(
                landed.id,
                {
                    "state": "landed",
                    "saved": sum(measured) if whole else None,
                    "changed": landed.changed,
                    "url": landed.url,
                    "unpublished": None if landed.published else "",
                },
            )
            for image in images:
                db.execute(
                    "update opportunity_images set before = ?, after = ?"
                    " where opportunity = ? and workload = ? and environment = ?",
                    [image.before, image.after, landed.id, image.workload, image.environment],
                )
            db.execute("delete from proposed_edits where opportunity = ?", [landed.id])

    def wait_for(self, opportunity: Opportunity, versions: str) -> None:
        """Record the `versions` published while a landed edit is not in them.

        If others were recorded before, the edit is not in newer ones either, and is open again.
        """
        with self._store.writing() as db:
            unpublished = db.execute(
                "select unpublished from opportunities where id = ?", [opportunity.id]
            ).fetchone()[0]
            undone = unpublished not in ("", versions)
            values = {**_OPEN, "state": "found", "changed": now()}
            db.table("opportunities").update(
                opportunity.id, values if undone else {"unpublished": versions}
            )

    def propose(self, ids: Iterable[str], url: str) -> None:
        """Record that an issue of the bot proposes edits."""
        with self._store.writing() as db:
            for id_ in ids:
                add_proposal(db, id_, ("", "", 0), url)

    def decline(self, edit: DeclinedEdit) -> None:
        """Record that an edit was declined, replacing an earlier decision."""
        with self._store.writing() as db:
            key = ("forge", "repository", "edit")
            db.table("declined_edits").upsert(asdict(edit), pk=key)
        self.settle_declined()

    def declined(self, forge: str, repository: str) -> tuple[DeclinedEdit, ...]:
        """The edits declined in a repository, by name."""
        rows = self._store.rows(
            "select * from declined_edits where forge = ? and repository = ? order by edit",
            [forge, repository],
        )
        return tuple(DeclinedEdit(**row) for row in rows)

    def declined_edits(self, forge: str, repository: str) -> tuple[str, ...]:
        """The names of the edits declined in a repository."""
        return tuple(declined_edit.edit for declined_edit in self.declined(forge, repository))

    def settle_declined(self) -> None:
        """Decline open opportunities whose edit was declined by the repository of its source.

        These are the sources of the repository's own newest checks.
        """
        places = self._store.rows("select distinct forge, repository from declined_edits")
        open_ = [
            opportunity for opportunity in self.all() if opportunity.state in ("found", "proposed")
        ]
        for place in places:
            sources = self._sources(place["forge"], place["repository"])
            declined = {edit.edit: edit for edit in self.declined(**place)}
            for opportunity in open_:
                edit = declined.get(opportunity.edit)
                if edit is not None and opportunity.change.source in sources:
                    self._set(
                        opportunity.id,
                        {
                            "state": "declined",
                            "changed": edit.time,
                            "reason": edit.reason,
                            "user": edit.user,
                            "url": edit.url,
                        },
                    )

    def _sources(self, forge: str, repository: str) -> frozenset[str]:
        """The sources of the newest checks of a repository."""
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


# The columns of an open edit.
_OPEN: Mapping[str, Any] = {
    "url": "", "reason": "", "user": "", "saved": None, "unpublished": None,
}  # fmt: skip


def add_proposal(db: Database, opportunity: str, where: tuple[str, str, int], url: str) -> None:
    """Record that a pull request (forge, repository, number) proposes an open edit; the number 0
    is an issue of the bot."""
    db.execute(
        "insert into proposed_edits (opportunity, forge, repository, number, url, since)"
        " select id, ?, ?, ?, ?, ? from opportunities where id = ?"
        " and state in ('found', 'proposed') on conflict do nothing",
        [*where, url, now(), opportunity],
    )
    settle_proposed(db, opportunity)


def settle_proposed(db: Database, opportunity: str) -> None:
    """Set an open edit to proposed if an open pull request or issue proposes it, else to found. Its
    address is that of the first pull request."""
    first = db.execute(
        "select url from proposed_edits where opportunity = ?"
        " order by number = 0, since, forge, repository, number limit 1",
        [opportunity],
    ).fetchone()
    state, url = ("found", "") if first is None else ("proposed", first[0])
    db.execute(
        "update opportunities set state = ?, url = ?, changed = ? where id = ?"
        " and state in ('found', 'proposed') and (state, url) != (?, ?)",
        [state, url, now(), opportunity, state, url],
    )


def _opportunity(row: Mapping[str, Any], images: Sequence[OpportunityImage]) -> Opportunity:
    change = _CHANGE.validate_json(row["change"])
    names = ("repository", "state", "found", "changed", "url", "reason", "user", "saved")
    fields = {name: row[name] for name in names} | {"published": row["unpublished"] is None}
    return replace(Opportunity(change=change, **fields), images=tuple(images))
