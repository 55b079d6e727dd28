"""The pull requests that make the edit of an opportunity: proposed while open, landed when merged.

A pull request makes it if its newest check says so, or if its text names the opportunity and it
changes the edit's source, as found by the repository's own checks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from bot.model.opportunity import MadeEdit, Opportunity, OpportunityImage, makes_edit
from bot.store.history.values import MergedChange, MergedEffect
from bot.store.opportunities import Opportunities, add_proposal, settle_proposed
from bot.store.store import Store

_EDITS: TypeAdapter[tuple[MadeEdit, ...]] = TypeAdapter(tuple[MadeEdit, ...])
Pull = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class _Checked:
    """The edits of a pull request, as found by its newest check."""

    edits: tuple[MadeEdit, ...] = ()
    named: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()
    requests: bool = False
    url: str = ""
    over: bool = True

    def carries(self, one: Opportunity) -> bool:
        """Return whether the change makes an opportunity's edit."""
        about = self.requests if one.change.kind == "request" else one.change.source in self.sources
        return makes_edit(one, self.edits) or (one.id in self.named and about)


class Proposals:
    """The pull requests of a store that propose edits. Blocking."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._opportunities = Opportunities(store)

    def settle(self, pull: Pull) -> None:
        """Record the edits that an open pull request proposes; none if it is over."""
        checked = self._checked(pull)
        carried = set() if checked.over else {one.id for one in self._carried(checked)}
        with self._store.writing() as db:
            rows = db.execute(
                "select opportunity from proposed_edits"
                " where forge = ? and repository = ? and number = ?",
                list(pull),
            ).fetchall()
            for (gone,) in rows:
                if gone not in carried:
                    db.execute(
                        "delete from proposed_edits where opportunity = ? and forge = ?"
                        " and repository = ? and number = ?",
                        [gone, *pull],
                    )
                    settle_proposed(db, gone)
            for one in sorted(carried):
                add_proposal(db, one, pull, checked.url)

    def settle_gone(self) -> None:
        """End the proposals of repositories that are gone."""
        rows = self._store.rows(
            "select distinct p.forge, p.repository, p.number from proposed_edits as p"
            " join repositories as r on r.forge = p.forge and r.repository = p.repository"
            " where r.gone != ''"
        )
        with self._store.writing() as db:
            for row in rows:
                where = [row["forge"], row["repository"], row["number"]]
                of = "where forge = ? and repository = ? and number = ?"
                ids = db.execute(f"select opportunity from proposed_edits {of}", where).fetchall()
                db.execute(f"delete from proposed_edits {of}", where)
                for (one,) in ids:
                    settle_proposed(db, one)

    def merged(self, change: MergedChange, named: Collection[str] = ()) -> None:
        """Record the edits merged to a tracked branch, with the sizes that the check measured.

        `named` are the ids in the text of the pull request, or of the commit.
        """
        checked = _Checked(sources=frozenset(change.sources))
        if change.number is not None:
            pull = (change.forge, change.repository, change.number)
            checked = self._checked(pull, change.head_sha)
        checked = replace(
            checked,
            named=(*checked.named, *named),
            sources=checked.sources | frozenset(change.sources),
        )
        for one in self._carried(checked, also=("declined", "landed")):
            if one.state != "landed" or not one.published:
                url = "" if change.private else change.url
                landed = replace(one, changed=change.merged, url=url, published=False)
                self._opportunities.land(landed, list(_measured(one, change.effects)))

    def _carried(self, checked: _Checked, also: Collection[str] = ()) -> Iterable[Opportunity]:
        if not (checked.edits or checked.named):
            return []
        states = {"found", "proposed", *also}
        every = self._opportunities.all()
        return [one for one in every if one.state in states and checked.carries(one)]

    def _checked(self, pull: Pull, head_sha: str = "") -> _Checked:
        """The newest check with a result; of a head, if one is given."""
        rows = self._store.rows(
            "select checks.opportunities, checks.url, checks.private, checks.over,"
            " json_extract(results.body, '$.edits') as edits,"
            " json_extract(results.body, '$.sources') as sources,"
            " json_extract(results.body, '$.requests') as requests"
            " from checks join results on results.id = checks.result_id"
            " where checks.forge = ? and checks.repository = ? and checks.number = ?"
            " and checks.narrowed = 0 and ? in ('', checks.head_sha)"
            " order by checks.created desc, checks.rowid desc limit 1",
            [*pull, head_sha],
        )
        if not rows:
            return _Checked()
        row = rows[0]
        return _Checked(
            _EDITS.validate_json(row["edits"] or "[]"),
            tuple(row["opportunities"].split()),
            frozenset(json.loads(row["sources"] or "{}")),
            bool(json.loads(row["requests"] or "[]")),
            "" if row["private"] else row["url"] or "",
            bool(row["over"]),
        )


def _measured(one: Opportunity, effects: Sequence[MergedEffect]) -> Iterator[OpportunityImage]:
    """The images of an opportunity with their sizes before and after, on all their architectures;
    null if one of them was not measured."""
    by_key: Mapping[tuple[str, str, str, str], MergedEffect] = {
        (e.key.repository, e.key.workload, e.key.environment, e.key.arch): e for e in effects
    }
    for image in one.images:
        own = [
            by_key.get((one.repository, image.workload, image.environment, arch))
            for arch in image.arches
        ]
        sizes = [
            (e.size_before, e.size_after)
            for e in own
            if e is not None and e.packages_before is not None and e.packages_after is not None
        ]
        before = [b for b, _ in sizes if b is not None]
        after = [a for _, a in sizes if a is not None]
        whole = own and len(before) == len(after) == len(own)
        yield replace(
            image, before=sum(before) if whole else None, after=sum(after) if whole else None
        )
