"""`/opportunities` and `/opportunities/{id}`: edits that make images smaller, and their state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from bot.model.advice import Change, Evidence
from bot.model.image import ImageKey
from bot.model.opportunity import Opportunity, OpportunityState
from bot.report.advice import evidence_phrases, opportunity_texts
from bot.report.phrase import to_plain
from bot.report.sizes import format_size
from bot.store.opportunities import Opportunities as Stored
from bot.web.addresses import Parameters, image_url, missing
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.steps import safe_url
from bot.web.tables import Column, Table, columns

_SHOWN = 100
STATES: tuple[OpportunityState, ...] = ("found", "proposed", "declined", "landed")
# The number of filter values that a page links.
_FILTERS = 40


@dataclass(frozen=True, slots=True)
class OpportunityRow:
    """An edit: the text to write, its savings and images, its state and its evidence."""

    id: str
    edit: Annotated[
        str,
        Column("Edit", link=lambda row, _: f"/opportunities/{row.id}", also=lambda row: row.short),
    ]
    kind: Annotated[str, Column("Kind", wide=True)]
    to: Annotated[str, Column("To write", only="csv")]
    source: Annotated[str, Column("Source", wide=True)]
    repository: Annotated[str, Column("Repository", wide=True)]
    saves: Annotated[int, Column("Saves", "size")]
    images: Annotated[int, Column("Images", "count")]
    state: Annotated[
        OpportunityState, Column("State", "state", also=lambda row: row.reason or None)
    ]
    evidence: Annotated[str, Column("Evidence", wide=True)]
    maintainers: Annotated[tuple[str, ...], Column("Maintainers", only="csv")]
    saved: Annotated[int | None, Column("Saved when it landed", "size", only="csv")]
    found: Annotated[str, Column("Found (UTC)", "time", only="csv")]
    changed: Annotated[str, Column("Since (UTC)", "time", wide=True)]
    url: Annotated[
        str | None,
        Column("Where", link=safe_url, value=lambda row: "link" if row.url else None, spare=True),
    ]
    reason: Annotated[str, Column("Reason", only="csv")]
    user: Annotated[str, Column("Declined by", only="csv")]
    published: Annotated[bool, Column("Published", only="csv")]

    @property
    def short(self) -> str:
        """The text to write, of a split no more than that: its lines are on the edit's page."""
        return "a subpackage" if self.kind == "split" else self.to


@dataclass(frozen=True, slots=True)
class OpportunityList:
    """`/api/opportunities`: the largest savings first; `next` is the offset of the following
    ones."""

    opportunities: list[OpportunityRow]
    next: int | None


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An image and what the edit saves in it; after the merge also its sizes without and with the
    edit."""

    workload: Annotated[str, Column("Workload")]
    environment: Annotated[str, Column("Environment")]
    arches: Annotated[tuple[str, ...], Column("Architectures", value=lambda r: ", ".join(r.arches))]
    saves: Annotated[int, Column("Saves", "size")]
    before: Annotated[int | None, Column("Before it landed", "size", spare=True)]
    after: Annotated[int | None, Column("After", "size", spare=True)]


@dataclass(frozen=True, slots=True)
class OpportunityPage:
    """`/api/opportunities/{id}`: the edit with its images, its evidence and texts to copy."""

    opportunity: OpportunityRow
    change: Change
    evidence: list[str]
    images: list[SavedImage]
    commit: str
    changelog: str
    report: str


def opportunities(archive: Archive, parameters: Parameters) -> PageResponse:
    """The edits, filtered by state, source, repository, maintainer and workload.

    A found one that makes no image smaller today (another edit saves more there now) is left out.
    """
    every_edit = [one for one in Stored(archive.store).all() if one.images or one.state != "found"]
    filters = {
        name: parameters.query.get(name, "")
        for name in ("state", "source", "repository", "maintainer", "workload")
    }
    if filters["state"] not in ("", *STATES):
        raise missing(f"state can be {', '.join(STATES)}.")
    fitting = [edit for edit in every_edit if _fits(edit, filters)]
    shown = [edit for edit in fitting if filters["state"] in ("", edit.state)]
    page = parameters.page(_SHOWN, 500)
    end = None if page.limit is None else page.offset + page.limit
    rows = [_row(edit) for edit in shown[page.offset : end]]
    following = end if end is not None and end < len(shown) else None
    data = OpportunityList(rows, following)
    counts = Counter(edit.state for edit in fitting)
    extra = {
        "page": page,
        "wanted": filters,
        "counts": {state: counts[state] for state in STATES},
        "filters": _filters(every_edit),
    }
    tables = {"opportunities": opportunities_table(rows)}
    return PageResponse("opportunities.html.j2", data, tables, extra)


def opportunity(archive: Archive, parameters: Parameters) -> PageResponse:
    """One edit. Raises a 404 for an unknown id."""
    id_ = parameters.path["id"]
    edit = next((o for o in Stored(archive.store).all() if o.id == id_), None)
    if edit is None:
        raise missing("There is no opportunity of this id.")
    texts = opportunity_texts(edit)
    data = OpportunityPage(
        _row(edit),
        edit.change,
        [to_plain(phrase) for phrase in evidence_phrases(edit.change)],
        [
            SavedImage(i.workload, i.environment, i.arches, i.saves, i.before, i.after)
            for i in edit.images
        ],
        texts.commit,
        texts.changelog,
        texts.report,
    )
    shown = parameters.page(_SHOWN).limit
    tables = {"images": _images_table(edit.repository, data.images).first(shown)}
    return PageResponse("opportunity.html.j2", data, tables, {"where": safe_url(data.opportunity)})


def _images_table(repository: str, rows: list[SavedImage]) -> Table:
    """The images of an edit; each links to its page on the first of its architectures."""

    def link(row: SavedImage, date: str | None) -> str:
        key = ImageKey(row.workload, row.environment, repository, row.arches[0])
        return image_url(key, date=date)

    workload = Column("Workload", name="workload", link=link)
    return Table("Images", columns(SavedImage, workload, *_IMAGE), rows)


_IMAGE = ("environment", "arches", "saves", "before", "after")


def opportunities_table(rows: list[OpportunityRow]) -> Table:
    """Edits with their state and evidence."""
    return Table("Opportunities", _COLUMNS, rows)


def best_of_image(archive: Archive, key: ImageKey) -> list[OpportunityRow]:
    """The open edits that make an image smaller, the largest saving first."""
    edits = [
        (image.saves, edit)
        for edit in Stored(archive.store).all()
        if edit.repository == key.repository and edit.state in ("found", "proposed")
        for image in edit.images
        if (image.workload, image.environment) == (key.workload, key.environment)
    ]
    return [_row(edit) for _, edit in sorted(edits, key=lambda pair: (-pair[0], pair[1].edit))]


def _fits(edit: Opportunity, filters: dict[str, str]) -> bool:
    return (
        filters["source"] in ("", edit.change.source)
        and filters["repository"] in ("", edit.repository)
        and (not filters["maintainer"] or filters["maintainer"] in edit.change.maintainers)
        and (not filters["workload"] or filters["workload"] in {i.workload for i in edit.images})
    )


def _filters(edits: Sequence[Opportunity]) -> dict[str, list[str]]:
    """The values by which a page filters, the most frequent of each kind, sorted."""
    values = {
        "source": Counter(edit.change.source for edit in edits),
        "maintainer": Counter(name for edit in edits for name in edit.change.maintainers),
        "workload": Counter(i.workload for edit in edits for i in edit.images),
    }
    return {
        name: sorted(value for value, _ in counts.most_common(_FILTERS))
        for name, counts in values.items()
        if len(counts) > 1
    }


def _evidence(evidence: Evidence) -> str:
    if evidence.use or evidence.integrity is False:
        return "traces of use" if evidence.use else "something is missing"
    if evidence.metadata_use:
        return "used, by metadata"
    if evidence.use is None:
        return "not searched"
    return "no trace of use" if evidence.looked_into == "files" else "headers alone"


def _row(edit: Opportunity) -> OpportunityRow:
    evidence = _evidence(edit.change.evidence)
    return OpportunityRow(
        edit.id,
        edit.edit,
        edit.change.kind,
        edit.change.to,
        edit.change.source,
        edit.repository,
        edit.saves,
        len(edit.images),
        edit.state,
        evidence,
        edit.change.maintainers,
        edit.saved,
        edit.found,
        edit.changed,
        edit.url or None,
        edit.reason,
        edit.user,
        edit.published,
    )


# A table without a merged edit has no such column.
_SAVED = Column(
    "Saved when it landed",
    name="saved_words",
    value=lambda row: "" if row.saved is None else format_size(row.saved),
    only="html",
    spare=True,
)
_COLUMNS = columns(
    OpportunityRow, "edit", "kind", "to", "source", "repository", "saves", "images", "state",
    "evidence", "maintainers", "saved", _SAVED, "found", "changed", "url", "reason", "user",
    "published",
)  # fmt: skip
