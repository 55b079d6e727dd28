"""Checks one spec's change in a process of its own: a hang or a crash ends that one alone."""

from __future__ import annotations

import multiprocessing
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Literal

from pydantic import TypeAdapter

from bot.check.change import open_change
from bot.check.plan import CheckOptions
from bot.check.pools import Pools
from bot.check.run import Prediction, predict_check
from bot.distro.documents import (
    Configuration,
    EnvironmentDocument,
    RepositoryDocument,
    RepoSource,
    WorkloadDocument,
)
from bot.engine.compute_process import MODULES
from bot.git.repository import open_repository
from bot.model.closure import Closure
from bot.model.nevra import Nevra
from bot.model.spec import SpecEvaluation, SpecFailure
from tests.corpus.drawn import Drawn, requirement_for, with_requirement

WORKLOAD = "image"
ENVIRONMENT = "minimal"
DOCUMENT = "corpus"
# What Koji installs into every build root of Fedora (comps, group `build`).
BUILDROOT = (
    *("bash", "bzip2", "coreutils", "cpio", "diffutils", "fedora-release-common", "findutils"),
    *("gawk", "glibc-minimal-langpack", "grep", "gzip", "info", "patch", "redhat-rpm-config"),
    *("rpm-build", "sed", "shadow-utils", "tar", "unzip", "util-linux", "which", "xz"),
)

Predict = Callable[..., Prediction]
Ending = Literal["answered", "hang", "crash", "error"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The repositories that specs are checked on.

    `macros` has the macro packages with their files, `repositories` metadata folders of the
    content; `arch` is the one that dnf is asked about, `arches` those that are evaluated.
    """

    macros: Path
    repositories: tuple[Path, ...]
    arches: tuple[str, ...] = ("x86_64",)
    arch: str = "x86_64"
    environment: tuple[str, ...] = ("bash",)
    buildroot: tuple[str, ...] = BUILDROOT
    releasever: str = "9"
    platform: str | None = "platform:el9"

    @property
    def sources(self) -> tuple[RepoSource, ...]:
        """The repositories as a document lists them."""
        content = [
            RepoSource(f"content{number}", path.name, (path.as_uri() + "/",), priority=99)
            for number, path in enumerate(self.repositories)
        ]
        macros = RepoSource("macros", "macros", (self.macros.as_uri() + "/",), priority=99)
        return (*content, macros)

    @property
    def document(self) -> RepositoryDocument:
        """The repository document that all checks use."""
        return RepositoryDocument(
            DOCUMENT, "Corpus", "", "", self.releasever, self.arches, self.sources,
            module_platform=self.platform, base_buildroot_override=self.buildroot,
        )  # fmt: skip

    def configuration(self, requests: tuple[str, ...]) -> Configuration:
        """The documents of one check: one workload of these requests, none if there are none."""
        environment = EnvironmentDocument(
            ENVIRONMENT, "Minimal", "", "", (DOCUMENT,), ("l",), self.environment
        )
        workload = WorkloadDocument(WORKLOAD, "Image", "", "", ("l",), requests)
        return Configuration(
            repositories={DOCUMENT: self.document},
            environments={ENVIRONMENT: environment},
            workloads={WORKLOAD: workload} if requests else {},
        )


@dataclass(frozen=True, slots=True)
class Image:
    """The image of a check that holds the changed package; NEVRAs, None where unsolvable."""

    base: list[str] | None
    head: list[str] | None


@dataclass(frozen=True, slots=True)
class SpecRun:
    """One spec's check: how it ended, what was evaluated, and what it said.

    `failures` are `(side, cause, first line of the message)`; `unexpanded` texts of the
    evaluations that hold a `%`. `published` is true where the repositories have the source's main
    package; then `image` is the one that asks for it, None where the check lists none, and
    `overlay` the NEVRAs that stand for the source on both sides.
    """

    name: str
    requirement: str
    ending: Ending = "answered"
    seconds: float = 0.0
    message: str = ""
    evaluated: bool = False
    excluded: bool = False
    packages: int = 0
    failures: tuple[tuple[str, str, str], ...] = ()
    unexpanded: tuple[str, ...] = ()
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    published: bool = False
    image: Image | None = None
    overlay: tuple[str, ...] = ()

    def as_json(self) -> str:
        """The run as one line of JSON."""
        return _RUN.dump_json(self).decode()


_RUN = TypeAdapter(SpecRun)


def run_of(line: str) -> SpecRun:
    """The run that `as_json` wrote."""
    return _RUN.validate_json(line)


class Checker:
    """A runner of checks of drawn specs, each in a process of its own with pools of `make_pools`.

    The process comes from the fork server: this one may have threads, which a fork would leave in
    the midst of something. `predict` is what it does with the change.
    """

    def __init__(
        self, corpus: Corpus, make_pools: Callable[[], Pools], seed: int, seconds: float
    ) -> None:
        self.corpus = corpus
        self.make_pools = make_pools
        self.seed = seed
        self.seconds = seconds
        self.predict: Predict = predict_check
        self._pools = make_pools()
        for arch in corpus.arches:
            self._pools.get(corpus.document, arch)
        pool = self._pools.get(corpus.document, corpus.arch)
        own = {nevra.name for nevra in pool.selects("*") if nevra.arch in (corpus.arch, "noarch")}
        self.names = sorted(own)

    def is_published(self, name: str) -> bool:
        """True where the repositories have the main package of a source of that name."""
        return _is_published(self.corpus, self._pools, name)

    def run(self, drawn: Iterable[Drawn]) -> Iterator[SpecRun]:
        """The run of each spec, in their order."""
        for each in drawn:
            yield self._apart(each)

    def _apart(self, drawn: Drawn) -> SpecRun:
        requirement = requirement_for(drawn.name, self.names, self.seed)
        started = monotonic()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(MODULES)
        reading, writing = context.Pipe(duplex=False)
        asked = (self.corpus, self.make_pools, self.predict, drawn, requirement)
        process = context.Process(target=_child, args=(writing, *asked))
        process.start()
        writing.close()
        ending: Ending = "hang"
        run = SpecRun(drawn.name, requirement)
        try:
            if reading.poll(self.seconds):
                ending = "answered"
                run = reading.recv()
        except EOFError:
            ending = "crash"
        if ending == "hang":
            process.kill()
        process.join()
        if ending == "crash":
            run = replace(run, message=f"the process ended with {process.exitcode}")
        if run.ending == "answered":
            run = replace(run, ending=ending)
        return replace(run, seconds=round(monotonic() - started, 2))


def _is_published(corpus: Corpus, pools: Pools, name: str) -> bool:
    pool = pools.get(corpus.document, corpus.arch)
    return any(package.nevra.name == name for package in pool.newest_published(name))


def _child(
    writing: Connection,
    corpus: Corpus,
    make_pools: Callable[[], Pools],
    predict: Predict,
    drawn: Drawn,
    requirement: str,
) -> None:
    try:
        run = _check(corpus, make_pools(), predict, drawn, requirement)
    except Exception as error:  # noqa: BLE001  # every bug is a figure here
        said = f"{type(error).__name__}: {error}"
        run = SpecRun(drawn.name, requirement, "error", message=said)
    writing.send(run)
    writing.close()


def _check(
    corpus: Corpus, pools: Pools, predict: Predict, drawn: Drawn, requirement: str
) -> SpecRun:
    published = _is_published(corpus, pools, drawn.name)
    configuration = corpus.configuration((drawn.name,) if published else ())
    options = CheckOptions(repositories=(DOCUMENT,), arches=corpus.arches)
    with tempfile.TemporaryDirectory(prefix="minimize-corpus-") as temporary:
        folder = Path(temporary)
        if not write_change(folder, drawn, requirement):
            message = "no tag of the preamble that a line could follow"
            return SpecRun(drawn.name, requirement, "error", message=message)
        with open_change(open_repository(folder), "HEAD~1", "HEAD", branch="main") as change:
            found = predict(change, options, configuration, pools)
    return _told(SpecRun(drawn.name, requirement, published=published), found, corpus.arch)


def write_change(folder: Path, drawn: Drawn, requirement: str) -> bool:
    """A repository of two commits in `folder`: the spec, and the spec with one more `Requires`."""
    for name, path in drawn.files:
        (folder / name).write_bytes(path.read_bytes())
    place = folder / drawn.spec_path
    text = place.read_text(encoding="utf-8", errors="surrogateescape")
    changed = with_requirement(text, requirement)
    if changed is None:
        return False
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _commit(folder, "Add the package")
    place.write_text(changed, encoding="utf-8", errors="surrogateescape")
    _commit(folder, f"Require {requirement}")
    return True


def _commit(folder: Path, subject: str) -> None:
    _git(folder, "add", "--all", "--force")
    _git(folder, "commit", "--quiet", "--message", subject)


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Corpus", "-c", "user.email=corpus@example.org")
    settings = ("-c", "gc.auto=0", "-c", "core.fsync=none")
    command = ["git", *identity, *settings, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _told(run: SpecRun, found: Prediction, arch: str) -> SpecRun:
    results = [
        (side, result)
        for target in found.targets
        for spec in target.specs
        for side, by_arch in (("base", spec.base), ("head", spec.head))
        for result in by_arch.values()
    ]
    good = [result for _, result in results if isinstance(result, SpecEvaluation)]
    failures = dict.fromkeys(
        (side, result.cause, _first_line(result.message))
        for side, result in results
        if isinstance(result, SpecFailure)
    )
    overlays = [target.sides[arch].base for target in found.targets if arch in target.sides]
    own = {package.nevra.name: package.nevra for base in overlays for package in base.packages}
    return replace(
        run,
        evaluated=bool(good) and not failures,
        excluded=bool(good) and all(result.excluded for result in good),
        packages=max((len(result.packages) for result in good), default=0),
        failures=tuple(failures),
        unexpanded=tuple(dict.fromkeys(text for result in good for text in unexpanded_in(result))),
        verdict=found.result.verdict,
        reasons=(*found.result.problems, *found.result.notes),
        image=_image(found, arch, own),
        overlay=tuple(sorted(map(str, own.values()))),
    )


def _first_line(message: str) -> str:
    return (message.splitlines() or [""])[0][:300]


def _image(found: Prediction, arch: str, own: Mapping[str, Nevra]) -> Image | None:
    for image in found.images:
        if (image.result.key.workload, image.result.key.arch) == (WORKLOAD, arch):
            return Image(_installed(image.pair.base, own), _installed(image.pair.head, own))
    return None


def _installed(closure: Closure, own: Mapping[str, Nevra]) -> list[str] | None:
    if closure.status != "ok":
        return None
    nevras = (
        own.get(package.nevra.name, package.nevra)
        if package.repository == "overlay"
        else package.nevra
        for package in closure.packages
    )
    return sorted(map(str, nevras))


def unexpanded_in(evaluation: SpecEvaluation) -> Iterator[str]:
    """The names, versions, architectures and capabilities of an evaluation that hold a `%`."""
    for package in evaluation.packages:
        texts = [str(package.nevra)]
        texts += [each.dependency.capability for each in package.dependencies]
        yield from (text for text in texts if "%" in text)
