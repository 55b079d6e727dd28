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
class _PullEdits:
    """The edits of a pull request, as found by its newest check."""

    edits: tuple[MadeEdit, ...] = ()
    named_ids: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()
    requests: bool = False
    url: str = ""
    over: bool = True

    def carries(self, opportunity: Opportunity) -> bool:
        """Return whether the change makes an opportunity's edit."""
        about = (
            self.requests
            if opportunity.change.kind == "request"
            else opportunity.change.source in self.sources
        )
        return makes_edit(opportunity, self.edits) or (opportunity.id in self.named_ids and about)


class Proposals:
    """The pull requests of a store that propose edits. Blocking."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._opportunities = Opportunities(store)

    def settle(self, pull: Pull) -> None:
        """Record the edits that an open pull request proposes; none if it is over."""
        pull_edits = self._edits_of(pull)
        ids = (
            set()
            if pull_edits.over
            else {opportunity.id for opportunity in self._opportunities_of(pull_edits)}
        )
        with self._store.writing() as db:
            rows = db.execute(
                "select opportunity from proposed_edits"
                " where forge = ? and repository = ? and number = ?",
                list(pull),
            ).fetchall()
            for (opportunity,) in rows:
                if opportunity not in ids:
                    db.execute(
                        "delete from proposed_edits where opportunity = ? and forge = ?"
                        " and repository = ? and number = ?",
                        [opportunity, *pull],
                    )
                    settle_proposed(db, opportunity)
            for opportunity in sorted(ids):
                add_proposal(db, opportunity, pull, pull_edits.url)

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
                for (opportunity,) in ids:
                    settle_proposed(db, opportunity)

    def merged(self, change: MergedChange, named_ids: Collection[str] = ()) -> None:
        """Record the edits merged to a tracked branch, with the sizes that the check measured.

        `named_ids` are the ids in the text of the pull request, or of the commit.
        """
        pull_edits = _PullEdits(sources=frozenset(change.sources))
        if change.number is not None:
            pull = (change.forge, change.repository, change.number)
            pull_edits = self._edits_of(pull, change.head_sha)
        pull_edits = replace(
            pull_edits,
            named_ids=(*pull_edits.named_ids, *named_ids),
            sources=pull_edits.sources | frozenset(change.sources),
        )
        for opportunity in self._opportunities_of(pull_edits, also=("declined", "landed")):
            if opportunity.state != "landed" or not opportunity.published:
                url = "" if change.private else change.url
                landed = replace(opportunity, changed=change.merged, url=url, published=False)
                self._opportunities.land(landed, list(_measured(opportunity, change.effects)))

    def _opportunities_of(
        self, pull_edits: _PullEdits, also: Collection[str] = ()
    ) -> Iterable[Opportunity]:
        if not (pull_edits.edits or pull_edits.named_ids):
            return []
        states = {"found", "proposed", *also}
        every = self._opportunities.all()
        return [
            opportunity
            for opportunity in every
            if opportunity.state in states and pull_edits.carries(opportunity)
        ]

    def _edits_of(self, pull: Pull, head_sha: str = "") -> _PullEdits:
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
            return _PullEdits()
        row = rows[0]
        return _PullEdits(
            _EDITS.validate_json(row["edits"] or "[]"),
            tuple(row["opportunities"].split()),
            frozenset(json.loads(row["sources"] or "{}")),
            bool(json.loads(row["requests"] or "[]")),
            "" if row["private"] else row["url"] or "",
            bool(row["over"]),
        )


def _measured(
    opportunity: Opportunity, effects: Sequence[MergedEffect]
) -> Iterator[OpportunityImage]:
    """The images of an opportunity with their sizes before and after, on all their architectures;
    null if one of them was not measured."""
    by_key: Mapping[tuple[str, str, str, str], MergedEffect] = {
        (e.key.repository, e.key.workload, e.key.environment, e.key.arch): e for e in effects
    }
    for image in opportunity.images:
        effects_of_image = [
            by_key.get((opportunity.repository, image.workload, image.environment, arch))
            for arch in image.arches
        ]
        sizes = [
            (e.size_before, e.size_after)
            for e in effects_of_image
            if e is not None and e.packages_before is not None and e.packages_after is not None
        ]
        before = [b for b, _ in sizes if b is not None]
        after = [a for _, a in sizes if a is not None]
        measured = effects_of_image and len(before) == len(after) == len(effects_of_image)
        yield replace(
            image, before=sum(before) if measured else None, after=sum(after) if measured else None
        )
