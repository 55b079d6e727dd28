"""Merged pull requests of tracked branches, with the effect that their check measured.

Everything here may be done again: what is written is found by the pull request, and the newest
result of the head's check is read each time. So a repeated delivery, a crash between two steps, or
a check that ends after the merge all lead to the same record.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from bot.forge.values import ForgeFile, PullRequest
from bot.model.image import ImageKey
from bot.model.result import ImageResult, check_from_json
from bot.objectives.repositories import objective_id
from bot.settings.values import Settings
from bot.store.commands import Commands, Decision
from bot.store.history.history import History
from bot.store.history.values import Acceptance, BranchFile, MergedChange, MergedEffect
from bot.store.store import CheckRecord, Store, now

_SPEC = ".spec"
# Images that a check makes up where no workload holds the package; nobody tracks them.
_MADE_UP = "@"


class MergedChanges:
    """Recorder of merged changes in history; safe for several threads."""

    def __init__(self, store: Store, history: History, settings: Settings) -> None:
        self._store = store
        self._history = history
        self._settings = settings
        self._commands = Commands(store)
        # Reading the check's result and keeping it is one thing: the older never replaces the
        # newer.
        self._lock = threading.Lock()

    def merged(self, pull: PullRequest, files: Iterable[ForgeFile]) -> bool:
        """Store a merged pull request; False if it changed no package.

        `files` are what it changed, for one that was never checked. What was merged into a branch
        that no repository is built from is not stored.
        """
        key = pull.key
        if not built_from(
            self._settings, key.forge, key.repository, pull.base_ref, pull.default_branch
        ):
            return False
        with self._lock:
            check = self._newest_check(pull)
            found = self._change(pull, check, tuple(files))
            if not found.sources:
                return False
            self._keep(found, check)
            return True

    def pushed(self, change: MergedChange) -> None:
        """Store a commit that came without a pull request."""
        with self._lock:
            self._history.recorder.record_merged(change)

    def keep_file(self, file: BranchFile) -> None:
        """Store a branch's present `.minimize.yaml`."""
        self._history.recorder.record_file(file)

    def keep_checked_file(self, record: CheckRecord, content: str | None) -> None:
        """Store the `.minimize.yaml` that a check found at the tip of its base branch."""
        documents = self._settings.documents_for(record.forge, record.repository, record.base_ref)
        self.keep_file(
            BranchFile(
                record.forge,
                record.repository,
                record.base_ref,
                record.base_sha,
                record.private,
                documents,
                content,
                now(),
            )
        )

    def ended(self, record: CheckRecord) -> None:
        """Store a check's effects, if its pull request was merged with that head meanwhile."""
        if record.narrowed or not record.result:
            return
        with self._lock:
            known = self._history.merged_pull(record.forge, record.repository, record.number)
            if known is None or known.head_sha != record.head_sha:
                return
            self._keep(_measured(known, record), record)

    def _keep(self, change: MergedChange, check: CheckRecord | None) -> None:
        self._history.recorder.record_merged(change)
        decision = self._decision(change)
        if check is not None and decision is not None:
            for acceptance in _accepted(change, check, decision):
                self._history.recorder.record_acceptance(acceptance)

    def _decision(self, change: MergedChange) -> Decision | None:
        assert change.number is not None
        return self._commands.decision(
            "accept", change.forge, change.repository, change.number, change.head_sha
        )

    def _newest_check(self, pull: PullRequest) -> CheckRecord | None:
        """The newest final result of the head's check, else the newest predicted one."""
        key = pull.key
        records = self._store.checks_of(key.forge, key.repository, key.number)
        whole = (
            self._store.check(record.id)
            for record in reversed(records)
            if record.head_sha == pull.head_sha and not record.narrowed
        )
        found = [record for record in whole if record is not None and record.result]
        final = (r for r in found if r.result and r.result["stage"] == "final")
        return next(final, next(iter(found), None))

    def _change(
        self, pull: PullRequest, check: CheckRecord | None, files: tuple[ForgeFile, ...]
    ) -> MergedChange:
        key = pull.key
        bare = MergedChange(
            forge=key.forge,
            repository=key.repository,
            number=key.number,
            title=pull.title,
            author=pull.author,
            url=pull.url,
            head_sha=pull.head_sha,
            merged=pull.merged,
            check_id=None,
            sources=dict.fromkeys(sources_of(file.path for file in files)),
            commit_sha=pull.merge_sha,
            branch=pull.base_ref,
            documents=self._settings.documents_for(key.forge, key.repository, pull.base_ref),
            private=pull.private,
        )
        return bare if check is None else _measured(bare, check)


def built_from(settings: Settings, forge: str, repository: str, branch: str, default: str) -> bool:
    """Return whether a repository document stands for a branch.

    Where the settings have no rules, every document stands for every repository's `default`
    branch; where that is not known (""), for every branch.
    """
    if not settings.repositories:
        return default in ("", branch)
    return bool(settings.documents_for(forge, repository, branch, default=default))


def sources_of(paths: Iterable[str]) -> tuple[str, ...]:
    """The source packages of spec files, by the files' names: what distributions call them by."""
    return tuple(
        dict.fromkeys(PurePosixPath(p).name.removesuffix(_SPEC) for p in paths if p.endswith(_SPEC))
    )


def _measured(change: MergedChange, check: CheckRecord) -> MergedChange:
    """A change with the effects that its check measured."""
    assert check.result is not None
    result = check_from_json(check.result)
    images = [i for i in result.images if not i.key.workload.startswith(_MADE_UP)]
    fields: dict[str, Any] = {
        name: getattr(change, name) for name in MergedChange.__slots__ if name != "id"
    }
    fields["check_id"] = check.id
    fields["sources"] = dict(result.sources) or dict.fromkeys(sources_of(result.specs))
    fields["effects"] = tuple(_effect(image) for image in images)
    # A repository's own file goes before the settings: the check knows which documents it meant.
    documents = dict.fromkeys(image.key.repository for image in images)
    fields["documents"] = tuple(documents) or change.documents
    return MergedChange(**fields)


def _effect(image: ImageResult) -> MergedEffect:
    names = {
        **{one.name: "changed" for one in image.changed_packages},
        **{one.nevra.name: "went" for one in image.removed},
        **{one.package.nevra.name: "came" for one in image.added},
    }
    return MergedEffect(
        image.key,
        image.evidence,
        image.base.packages,
        image.head.packages,
        image.base.known_size,
        image.head.known_size,
        names,
    )


def _accepted(
    change: MergedChange, check: CheckRecord, decision: Decision
) -> tuple[Acceptance, ...]:
    """Every objective that the change broke and somebody accepted."""
    assert check.result is not None
    assert change.number is not None
    number = change.number

    def acceptance(key: ImageKey, objective: Any) -> Acceptance:
        return Acceptance(
            accepted=decision.time,
            forge=change.forge,
            repository=change.repository,
            number=number,
            head_sha=change.head_sha,
            accepted_by=decision.user,
            reason=decision.reason,
            url=decision.url or change.url,
            objective=objective_id(
                objective.id, change.forge, change.repository, change.branch, objective.name
            ),
            key=key,
            metric=objective.metric,
            before=objective.before,
            value=objective.value,
            limit=objective.bound,
            private=change.private,
        )

    return tuple(
        acceptance(image.key, one)
        for image in check_from_json(check.result).images
        for one in image.objectives
        if one.worse and one.met is False
    )
