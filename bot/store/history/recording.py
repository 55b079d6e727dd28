"""Writing of history: each call is one transaction under the store's lock."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from sqlite3 import Cursor
from typing import Any

from sqlite_utils import Database

from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.surface import Surface
from bot.store.history.objective_writer import REPLACE, ObjectiveWriter, write
from bot.store.history.rows import FACTS, IS_KEY, SURFACE, causes_text, chain_text, key_values
from bot.store.history.values import (
    Cause,
    DocumentedImage,
    EvaluatedImage,
    Heading,
    Member,
    ObjectiveState,
)
from bot.store.store import now

_CAUSE = ("package", "change", "delta", "known_delta", "kind", "merged_change")
_PACKAGE = (
    "name", "epoch", "version", "release", "arch", "source", "repository", "installed_size",
    "installed_size_nodocs", "download_size",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnchangedImage:
    """An image with the last result: its `inputs` are the same or lead to the same closure.

    `solved` is true if that had to be solved. `surface` is null if it was not read again: the last
    one stays.
    """

    key: ImageKey
    snapshot: SnapshotState
    inputs: str
    solved: bool = False
    surface: Surface | None = None


@dataclass(frozen=True, slots=True)
class MovedImage:
    """A changed image and the causes; no causes for an image's first evaluation."""

    evaluated: EvaluatedImage
    causes: tuple[Cause, ...] = ()


class Recorder(ObjectiveWriter):
    """Recorder of a run's results. Row ids are cached until a transaction fails."""

    def begin_run(self, started: str | None = None) -> int:
        """Begin a run; return its number."""
        with self._store.writing() as db:
            return _number(write(db, "runs", {"started": started or now()}))

    def finish_run(
        self, run: int, *, images: int, solved: int, moved: int, failed: Sequence[str] = ()
    ) -> None:
        """Record the end and the result of a run; `failed` are sentences."""
        with self._store.writing() as db:
            db.execute(
                "update runs set finished = ?, images = ?, solved = ?, moved = ?, failed = ?"
                " where id = ?",
                [now(), images, solved, moved, json.dumps(list(failed)), run],
            )

    def record(
        self,
        run: int,
        evaluations: Iterable[UnchangedImage | MovedImage],
        arrivals: Collection[tuple[int, ImageKey]] = (),
    ) -> None:
        """Store the evaluations of some images, and the merged changes that arrived with them, in
        one transaction."""
        with self._writing() as db:
            for evaluation in evaluations:
                if isinstance(evaluation, UnchangedImage):
                    self._record_unchanged(db, run, evaluation)
                else:
                    self._record_moved(db, run, evaluation)
            self._record_arrivals(db, run, arrivals)

    def settle_run(
        self,
        run: int,
        descriptions: Mapping[ImageKey, DocumentedImage],
        headings: Mapping[str, Heading],
        states: Iterable[ObjectiveState],
        renames: Mapping[str, str] | None = None,
    ) -> None:
        """Record in one transaction how documents describe images, which images are described no
        more (or again), and the state of every objective. `renames` has the former ids of
        objectives by their new ones."""
        with self._writing() as db:
            self._mark_gone(db, run, descriptions)
            self._describe(db, descriptions)
            self._objectives(db, run, headings, states, renames or {})

    def _mark_gone(self, db: Database, run: int, descriptions: Collection[ImageKey]) -> None:
        for row in list(db.query("select * from images")):
            key = ImageKey(row["workload"], row["environment"], row["repository"], row["arch"])
            gone = None if key in descriptions else (row["gone_run"] or run)
            if gone != row["gone_run"]:
                db.execute("update images set gone_run = ? where id = ?", [gone, row["id"]])

    def _describe(self, db: Database, descriptions: Mapping[ImageKey, DocumentedImage]) -> None:
        db.conn.executemany(
            f"update images set maintainer = ?, environment_requests = ? where {IS_KEY}",
            [
                (
                    description.maintainer,
                    json.dumps(description.environment_requests),
                    *key_values(key),
                )
                for key, description in descriptions.items()
            ],
        )

    # -- one image ------------------------------------------------------------------------------

    def _record_unchanged(self, db: Database, run: int, unchanged: UnchangedImage) -> None:
        image = self._image(db, unchanged.key)
        snapshot = self._snapshot(db, run, unchanged.key, unchanged.snapshot)
        db.execute(
            "insert or replace into evaluations (image, run, snapshot, closure)"
            " select image, ?, ?, closure from evaluations where image = ?"
            " order by run desc limit 1",
            [run, snapshot, image],
        )
        self._inputs(db, image, unchanged.inputs)
        if unchanged.surface is not None:
            self._surface(db, run, image, unchanged.surface)

    def _record_moved(self, db: Database, run: int, moved: MovedImage) -> None:
        evaluated = moved.evaluated
        image = self._image(db, evaluated.key)
        snapshot = self._snapshot(db, run, evaluated.key, evaluated.snapshot)
        before = _single_value(
            db,
            "select closure from evaluations where image = ? order by run desc limit 1",
            [image],
        )
        closure = self._closure(db, image, evaluated)
        db.execute(
            "insert or replace into evaluations (image, run, snapshot, closure)"
            " values (?, ?, ?, ?)",
            [image, run, snapshot, closure],
        )
        db.execute(
            "update images set weak = ?, gone_run = null where id = ?", [evaluated.weak, image]
        )
        self._inputs(db, image, evaluated.inputs)
        if evaluated.facts.status == "ok":
            numbers = [self._package(db, member) for member in evaluated.members]
            self._intervals(db, run, image, dict(zip(numbers, evaluated.members, strict=True)))
            self._links(db, numbers, evaluated)
        self._surface(db, run, image, evaluated.surface)
        if before is not None and moved.causes:
            self._step(db, run, image, (before, closure), moved)

    def _intervals(self, db: Database, run: int, image: int, members: dict[int, Member]) -> None:
        """End the intervals of removed packages, begin those of added ones."""
        current = {
            row[0]: bool(row[1])
            for row in db.execute(
                "select package, requested from image_packages"
                " where image = ? and until_run is null",
                [image],
            )
        }
        wanted = {number: member.requested for number, member in members.items()}
        removed = [n for n, requested in current.items() if wanted.get(n) != requested]
        added = [n for n, requested in wanted.items() if current.get(n) != requested]
        db.conn.executemany(
            "update image_packages set until_run = ?"
            " where image = ? and package = ? and until_run is null",
            [(run, image, number) for number in removed],
        )
        db.conn.executemany(
            "insert or replace into image_packages (image, package, from_run, requested)"
            " values (?, ?, ?, ?)",
            [(image, number, run, int(wanted[number])) for number in added],
        )

    def _links(self, db: Database, numbers: Sequence[int], evaluated: EvaluatedImage) -> None:
        names = [f"{m.nevra.name}.{m.nevra.arch}" for m in evaluated.members]
        rows = []
        for link in evaluated.links:
            row = (
                numbers[link.source],
                self._text(db, link.capability),
                self._text(db, names[link.target]),
                link.kind,
            )
            if row not in self._known_links:
                self._known_links.add(row)
                rows.append(row)
        db.conn.executemany(
            "insert or ignore into requirements (package, capability, target, kind)"
            " values (?, ?, ?, ?)",
            rows,
        )

    def _surface(self, db: Database, run: int, image: int, surface: Surface | None) -> None:
        """End the row of another surface and begin that of this one; null is not known."""
        body = None if surface is None else SURFACE.dump_json(surface).decode()
        row = db.execute(
            "select body from image_surfaces where image = ? and until_run is null", [image]
        ).fetchone()
        if body == (row[0] if row else None):
            return
        db.execute(
            "update image_surfaces set until_run = ? where image = ? and until_run is null",
            [run, image],
        )
        if body is not None:
            write(
                db, "image_surfaces", {"image": image, "from_run": run, "body": body}, verb=REPLACE
            )

    def _step(
        self, db: Database, run: int, image: int, closures: tuple[int, int], moved: MovedImage
    ) -> None:
        causes = moved.causes
        all_deltas = [cause.delta for cause in causes]
        steady = moved.evaluated.facts.status == "ok"
        deltas = [delta for delta in all_deltas if delta is not None]
        complete = steady and len(deltas) == len(all_deltas)
        counts = {"came": 1, "went": -1}
        step = {
            "image": image,
            "run": run,
            "before_closure": closures[0],
            "after_closure": closures[1],
            "delta": sum(deltas) if complete else None,
            "known_delta": sum(cause.known_delta for cause in causes),
            "packages_delta": sum(counts.get(c.change, 0) for c in causes) if steady else None,
        }
        write(db, "steps", step, verb=REPLACE)
        for position, cause in enumerate(causes):
            # The chain to a package that stays is computed from the links of that time.
            chain = cause.chain if cause.change in ("came", "went") else ()
            row = {
                **{"image": image, "run": run, "position": position},
                **{name: getattr(cause, name) for name in _CAUSE},
                "before_package": self._known_package(db, cause.before),
                "after_package": self._known_package(db, cause.after),
                "mover": None if cause.mover is None else str(cause.mover),
                "chain": chain_text(chain),
            }
            write(db, "causes", row, verb=REPLACE)

    # -- numbers --------------------------------------------------------------------------------

    def _closure(self, db: Database, image: int, evaluated: EvaluatedImage) -> int:
        number = _single_value(
            db,
            "select id from closures where image = ? and digest = ?",
            [image, evaluated.digest],
        )
        if number is not None:
            return number
        facts = evaluated.facts
        figures = {name: getattr(facts, name) for name in FACTS}
        row = {
            "image": image,
            "digest": evaluated.digest,
            **figures,
            "requests": json.dumps(list(evaluated.requests)),
            "problems": json.dumps(list(facts.problems)) if facts.problems else None,
            "missing": json.dumps(list(facts.missing)) if facts.missing else None,
            "causes": causes_text(facts.causes),
        }
        return _number(write(db, "closures", row))

    def _snapshot(self, db: Database, run: int, key: ImageKey, state: SnapshotState) -> int:
        if state.id not in self._snapshots:
            row = {
                "digest": state.id,
                "repository_document": key.repository,
                "arch": key.arch,
                "repositories": json.dumps([asdict(r) for r in state.repositories]),
                "first_run": run,
            }
            conflict = "do update set repositories = excluded.repositories returning id"
            row_of_snapshot = write(
                db, "snapshots", row, f"on conflict (digest) {conflict}"
            ).fetchone()
            self._snapshots[state.id] = int(row_of_snapshot[0])
        return self._snapshots[state.id]

    def _inputs(self, db: Database, image: int, digest: str) -> None:
        db.execute("insert or replace into inputs (image, digest) values (?, ?)", [image, digest])

    def _package(self, db: Database, member: Member) -> int:
        nevra = member.nevra
        values = (
            *(nevra.name, nevra.epoch, nevra.version, nevra.release, nevra.arch),
            *(member.source, member.repository, member.installed_size),
            *(member.installed_size_nodocs, member.download_size),
        )
        number = self._packages.get(values)
        if number is None:
            number = _single_value(
                db,
                f"select id from packages where {' and '.join(f'{n} is ?' for n in _PACKAGE)}",
                values,
            )
            if number is None:
                row = dict(zip(_PACKAGE, values, strict=True))
                number = _number(write(db, "packages", row))
            self._packages[values] = number
        self._nevras[nevra] = number
        return number

    def _known_package(self, db: Database, nevra: Nevra | None) -> int | None:
        """The number of the newest row of a NEVRA, since causes name recorded packages; null for
        null, or if there is none."""
        if nevra is None:
            return None
        if nevra not in self._nevras:
            number = _single_value(
                db,
                "select max(id) from packages where name = ? and epoch = ? and version = ?"
                " and release = ? and arch = ?",
                astuple(nevra),
            )
            if number is None:
                return None
            self._nevras[nevra] = number
        return self._nevras[nevra]

    def _text(self, db: Database, text: str) -> int:
        number = self._texts.get(text)
        if number is None:
            number = _single_value(db, "select id from capabilities where text = ?", [text])
            if number is None:
                number = _number(write(db, "capabilities", {"text": text}))
            self._texts[text] = number
        return number


def _single_value(db: Database, sql: str, values: Sequence[Any]) -> int | None:
    row = db.execute(sql, values).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _number(written: Cursor) -> int:
    """The number of the written row."""
    assert written.lastrowid is not None
    return written.lastrowid
