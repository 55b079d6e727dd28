"""The bot's own checker: specs evaluated, closures solved, packages rebuilt, by bot.check."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.chat.parser import Question
from bot.chat.questions import ChatFinding
from bot.engine.job import CheckJob, OtherHead, PredictedCheck
from bot.errors import UsageError
from bot.git.repository import GitRepository
from bot.model.result import CheckResult, Reproduction
from bot.sandbox.priority import time_factor
from bot.settings.values import Settings

if TYPE_CHECKING:
    from bot.build.builder import Builder
    from bot.build.external import ExternalBuilds
    from bot.check.architectures import ArchitectureResult
    from bot.check.change import Change
    from bot.check.external import ExternalPlan, ExternalProgress
    from bot.check.run import Prediction
    from bot.distro.documents import Configuration


class LocalChecker:
    """A checker that caches pools between checks, and the configuration until its files change."""

    def __init__(self, settings: Settings) -> None:
        from bot.check.pools import Pools
        from bot.distro.cache import Cache
        from bot.sandbox.cgroup import run_without_control_groups

        if not settings.sandbox.memory_limit_required:
            run_without_control_groups()
        self._settings = settings
        self._pools = Pools(Cache(settings.cache), max_age=settings.snapshots.max_age)
        self._lock = threading.Lock()
        self._configuration: tuple[object, Configuration] | None = None

    def predict(
        self, job: CheckJob, git: GitRepository, others: Sequence[GitRepository] = ()
    ) -> PredictedCheck:
        """The result from the spec files alone."""
        with self._prediction(job, git, others) as (_, prediction):
            name = self._builder_name(prediction)
            if name != "external" or not prediction.worth_building:
                worth = prediction.worth_building and name not in ("none", "external")
                arches = tuple(dict.fromkeys(a for t in prediction.targets for a in t.sides))
                result = self._reproducible(prediction.result, job, prediction)
                return PredictedCheck(result, worth, read=prediction.read, arches=arches)
            try:
                plan = self._plan(job, prediction)
            except UsageError as error:
                result = self._reproducible(prediction.result, job, prediction)
                return PredictedCheck(result, False, why_not=str(error))
            result = self._reproducible(prediction.result, job, prediction, plan)
            return PredictedCheck(result, True, plan)

    def finish(
        self, job: CheckJob, git: GitRepository, others: Sequence[GitRepository] = ()
    ) -> CheckResult:
        """The result from the rebuilt packages. The prediction is computed again: the pools are
        warm, and another machine may have made the first one."""
        from bot.check.built import build_check, native_arch
        from bot.check.external import external_check

        with self._prediction(job, git, others) as (change, prediction):
            name = self._builder_name(prediction)
            if name == "external":
                plan = self._plan(job, prediction)
                result = external_check(change, prediction, plan, self._elsewhere()).result
                return self._reproducible(result, job, prediction, plan)
            if name == "none":
                result = replace(prediction.result, stage="final")
            else:
                builder = self._make_builder(name, self._settings.limits.build_seconds)
                result = build_check(change, prediction, builder, native_arch())
            return self._reproducible(result, job, prediction)

    def build(
        self, job: CheckJob, git: GitRepository, arch: str, arches: Sequence[str]
    ) -> ArchitectureResult:
        """The result of rebuilding for one of several architectures."""
        from bot.check.built import build_on

        with self._prediction(job, git) as (change, prediction):
            seconds = self._settings.build_seconds(arch)
            builder = self._make_builder(self._builder_name(prediction), seconds)
            return build_on(change, prediction, builder, arch, arches)

    def _make_builder(self, name: str, seconds: float) -> Builder:
        from bot.build.builders import build_limits, builder_named

        limits = replace(build_limits(), seconds=seconds)
        emulated = self._settings.build.emulated
        return builder_named(name, self._pools.cache, limits=limits, emulated=emulated)

    def locate(self, plan: ExternalPlan) -> ExternalProgress:
        """The packages of an external build that are available by now."""
        from bot.check.external import look_for

        return look_for(plan, self._elsewhere())

    def ask(
        self, job: CheckJob, git: GitRepository, questions: Sequence[Question]
    ) -> tuple[ChatFinding, ...]:
        """The answers to questions, on the built packages where they are cached here."""
        from bot.build.builders import builder_named
        from bot.chat.questions import find_answer
        from bot.check.built import native_arch, rebuilt_check

        with self._prediction(job, git) as (change, prediction):
            name = self._builder_name(prediction)
            check = prediction
            if name == "external" and prediction.worth_building:
                check = self._check_external(job, change, prediction)
            elif name != "none" and prediction.worth_building:
                builder = builder_named(name, self._pools.cache, cached_only=True)
                check = rebuilt_check(change, prediction, builder, native_arch())
            return tuple(find_answer(question, check) for question in questions)

    def warm_up(self) -> None:
        """Import a check's modules and load the pools that the settings' rules name.

        Without it the first change after a start waits seconds longer for its comment.
        """
        from bot.build.builders import builder_named
        from bot.check.run import predict_check

        del builder_named, predict_check  # importing them was the point
        configuration = self._load_configuration()
        ids = dict.fromkeys(i for rule in self._settings.repositories for i in rule.documents)
        for id_ in ids:
            document = configuration.repositories.get(id_)
            if document is not None:
                for arch in document.architectures:
                    self._pools.get(document, arch)

    def drop_idle(self) -> int:
        """Release pools that were not used lately."""
        return self._pools.drop_idle()

    @contextmanager
    def _prediction(
        self, job: CheckJob, git: GitRepository, others: Sequence[GitRepository] = ()
    ) -> Iterator[tuple[Change, Prediction]]:
        from bot.check.change import open_change
        from bot.check.plan import CheckOptions
        from bot.check.run import predict_check
        from bot.requests.file_images import BaseImage
        from bot.spec.evaluate import SPEC_LIMITS

        configuration = self._load_configuration()
        options = CheckOptions(
            workloads=job.workloads,
            arches=job.arches,
            documents=job.documents,
            base_images=tuple(BaseImage(**dict(row)) for row in self._settings.base_images),
            limits=replace(SPEC_LIMITS, seconds=SPEC_LIMITS.seconds * time_factor()),
        )
        with ExitStack() as stack:

            def open_head(where: GitRepository, head: CheckJob | OtherHead) -> Change:
                change = open_change(where, head.base_sha, head.head_sha, branch=head.base_ref)
                return stack.enter_context(change)

            change = open_head(git, job)
            named = [(o.name, open_head(g, o)) for g, o in zip(others, job.others, strict=True)]
            yield change, predict_check(change, options, configuration, self._pools, named)

    def _reproducible(
        self,
        result: CheckResult,
        job: CheckJob,
        prediction: Prediction,
        plan: ExternalPlan | None = None,
    ) -> CheckResult:
        """The result with how it is made elsewhere: on documents that come with minimize, or on
        this server's, if it shares them. Unchanged if that is not possible."""
        from bot.distro.sharing import SHARED, is_built_in

        settings, ids = self._settings, [document.id for document, _ in prediction.plan.targets]
        external = _external_arguments(plan)
        if job.others or external is None:
            return result
        # Of requests, --on would open the change's own repository documents, and knows no table.
        if len(ids) == 1 and not result.requests and is_built_in(settings.config):
            documents = ["--on", *ids]
        elif settings.public_url is not None and settings.share_documents:
            documents = ["--config", f"{settings.public_url}{SHARED}"]
            documents += [word for id_ in ids for word in ("--repository", id_)]
        else:
            return result
        narrowing = [word for name in job.workloads for word in ("--workload", name)]
        narrowing += [word for arch in job.arches for word in ("--arch", arch)]
        arguments = (*documents, *narrowing, *external)
        return replace(result, reproduction=Reproduction(arguments=arguments))

    def _elsewhere(self) -> ExternalBuilds:
        from bot.build.external import ExternalBuilds

        build = self._settings.build
        return ExternalBuilds(self._pools.cache, build.external, build.services)

    def _plan(self, job: CheckJob, prediction: Prediction) -> ExternalPlan:
        """The builds to wait for; UsageError where they are not allowed, or there are none."""
        from bot.check.external import plan_external

        assert prediction.file.external is not None  # its schema ensures it
        owner, _, repo = job.repository.rpartition("/")
        names = {"owner": owner, "repo": repo, "number": str(job.number), "sha": job.head_sha}
        build, external = self._settings.build, prediction.file.external
        plan = plan_external(prediction, external, names, build.external, build.services)
        return replace(plan, links=job.links)

    def _check_external(self, job: CheckJob, change: Change, prediction: Prediction) -> Prediction:
        """The check with the external packages cached for this commit; without any, the prediction.

        The external repository may by now have packages of another push: only the check can tell.
        """
        from bot.check.external import NotCachedError, external_check

        try:
            plan = self._plan(job, prediction)
            builds = self._elsewhere()
            return external_check(change, prediction, plan, builds, layers=False, cached_only=True)
        except (UsageError, NotCachedError):
            return prediction

    def _builder_name(self, prediction: Prediction) -> str:
        """The builder's name: the repository's own choice, else the settings'.

        Externally built packages are of one change, so checks of several are only predicted.
        """
        chosen = self._settings.build.builder
        if len(prediction.parts) > 1 and prediction.file.builder == "external":
            return "none"
        return prediction.file.builder or ("rpmbuild" if chosen == "auto" else chosen)

    def _load_configuration(self) -> Configuration:
        """The documents, read again when one was added, changed or removed."""
        from bot.distro.load import load_configuration

        folder = self._settings.config
        files = sorted(folder.glob("*.y*ml"))
        state = [(f.name, s.st_mtime_ns, s.st_size) for f in files for s in [f.stat()]]
        with self._lock:
            if self._configuration is None or self._configuration[0] != state:
                self._configuration = (state, load_configuration(folder, cache=self._pools.cache))
            return self._configuration[1]


def _external_arguments(plan: ExternalPlan | None) -> tuple[str, ...] | None:
    """The options that take packages from where an external build left them; null if there are
    none that give the same: packages of a build service, a base of its own, several documents."""
    if plan is None:
        return ()
    several = len({place.document for place in plan.places}) > 1
    if several or any(place.service or place.base for place in plan.places):
        return None
    return tuple(
        word
        for place in plan.places
        for word in ("--external-repository", f"{place.arch}={place.url}")
    )
