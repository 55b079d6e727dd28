"""The bot's own checker: specs evaluated, closures solved, packages rebuilt, by bot.check."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.chat import Asked, Found
from bot.engine.job import CheckJob, PredictedCheck
from bot.git import GitRepository
from bot.model import CheckResult
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.check import Change, Prediction
    from bot.distro import Configuration


class RoomChecker:
    """Keeps pools warm between checks, and the configuration until its files change."""

    def __init__(self, settings: Settings) -> None:
        from bot.check import Pools
        from bot.distro import Cache

        self._settings = settings
        self._pools = Pools(Cache(settings.cache), max_age=settings.snapshots.max_age)
        self._lock = threading.Lock()
        self._configuration: tuple[object, Configuration] | None = None

    def predict(self, job: CheckJob, git: GitRepository) -> PredictedCheck:
        """The answer from the spec files alone."""
        with self._prediction(job, git) as (_, prediction):
            building = self._builder(prediction) != "none"
            return PredictedCheck(prediction.result, prediction.worth_building and building)

    def finish(self, job: CheckJob, git: GitRepository) -> CheckResult:
        """The answer from the rebuilt packages. What the prediction found is found again: the
        pools are warm, and another machine may have made it."""
        from bot.build import BUILD_LIMITS, builder_named
        from bot.check import build_check, native_arch

        with self._prediction(job, git) as (change, prediction):
            name = self._builder(prediction)
            if name == "none":
                return replace(prediction.result, stage="final")
            limits = replace(BUILD_LIMITS, seconds=self._settings.limits.build_seconds)
            builder = builder_named(name, self._pools.cache, limits=limits)
            return build_check(change, prediction, builder, native_arch())

    def ask(self, job: CheckJob, git: GitRepository, asked: Sequence[Asked]) -> tuple[Found, ...]:
        """The answers to questions, on the built packages where they are kept here."""
        from bot.build import builder_named
        from bot.chat.questions import find_answer
        from bot.check import native_arch, rebuilt_check

        with self._prediction(job, git) as (change, prediction):
            name = self._builder(prediction)
            checked = prediction
            if name != "none" and prediction.worth_building:
                builder = builder_named(name, self._pools.cache, kept_only=True)
                checked = rebuilt_check(change, prediction, builder, native_arch())
            return tuple(find_answer(one, checked) for one in asked)

    def warm_up(self) -> None:
        """Imports what a check needs and loads the pools that the settings' rules name.

        Without it the first change after a start waits seconds longer for its comment.
        """
        from bot.build import builder_named
        from bot.check import predict_check

        del builder_named, predict_check  # importing them was the point
        configuration = self._loaded()
        ids = dict.fromkeys(i for rule in self._settings.repositories for i in rule.documents)
        for id_ in ids:
            document = configuration.repositories.get(id_)
            if document is not None:
                for arch in document.architectures:
                    self._pools.get(document, arch)

    def drop_idle(self) -> int:
        """Lets go of pools that nobody asked for lately."""
        return self._pools.drop_idle()

    @contextmanager
    def _prediction(self, job: CheckJob, git: GitRepository) -> Iterator[tuple[Change, Prediction]]:
        from bot.check import CheckOptions, open_change, predict_check

        configuration = self._loaded()
        options = CheckOptions(workloads=job.workloads, arches=job.arches, documents=job.documents)
        with open_change(git, job.base_sha, job.head_sha, branch=job.base_ref) as change:
            yield change, predict_check(change, options, configuration, self._pools)

    def _builder(self, prediction: Prediction) -> str:
        """The repository's own choice, else the settings'."""
        chosen = self._settings.build.builder
        return prediction.file.builder or ("rpmbuild" if chosen == "auto" else chosen)

    def _loaded(self) -> Configuration:
        """The documents, read again when one was added, changed or removed."""
        from bot.distro import load_configuration

        folder = self._settings.config
        files = sorted(folder.glob("*.y*ml"))
        state = [(f.name, s.st_mtime_ns, s.st_size) for f in files for s in [f.stat()]]
        with self._lock:
            if self._configuration is None or self._configuration[0] != state:
                self._configuration = (state, load_configuration(folder, cache=self._pools.cache))
            return self._configuration[1]
