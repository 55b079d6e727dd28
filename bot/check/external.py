"""Both sides of a change from packages that were built elsewhere (evidence `external`).

Head's packages are taken as they are. The base's are those of a repository that `.minimize.yaml`
names, else the newest published ones. The difference is transferred to architectures without such a
build, as after our own builds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.build.builder import BuiltPackages
from bot.build.external import ExternalBuilds, ExternalPlace
from bot.build.headers import rebuilt_overlay
from bot.build.service_builds import (
    NO_LINKS,
    BuildFailedElsewhereError,
    BuildLinks,
    ServiceBuild,
    links_in,
)
from bot.build.transfer import transfer
from bot.build.url_template import expand, expand_project
from bot.check.built import built_check
from bot.check.change import Change
from bot.check.evidence import EvaluatedSpec, Sides
from bot.check.rebuild import obstacle_notes, obstacles
from bot.check.repository_file import ExternalBuild
from bot.check.run import Prediction
from bot.check.spec_edits import with_edits
from bot.check.target import Target
from bot.check.verdict import unevaluated
from bot.errors import MinimizeError, SurroundingsError, UsageError
from bot.model.package import Overlay, Package
from bot.model.spec import BuildNote, SpecEvaluation
from bot.settings.operation import BuildService
from bot.spec.headers import Headers, generated_flags


class NotCachedError(SurroundingsError):
    """No package of this commit was fetched before, or the cache no longer has them."""


@dataclass(frozen=True, slots=True)
class ExternalPlan:
    """The external check to wait for, for at most `seconds`, and the places of its packages.

    `commit` is the commit that they are built from; `links` are the links to the builds of a build
    service, once known.
    """

    check: str
    seconds: float
    places: tuple[ExternalPlace, ...]
    commit: str = ""
    links: BuildLinks = NO_LINKS

    @property
    def web_url(self) -> str:
        """The URL that links to builds of the service begin with; empty if packages come from
        repositories."""
        return next((place.url for place in self.places if place.service), "")

    def with_links(self, checks: Iterable[str], comments: Iterable[str] = ()) -> ExternalPlan:
        """The plan with the links to its builds that are in the texts of checks and comments."""
        links = BuildLinks(links_in(checks, self.web_url), links_in(comments, self.web_url))
        return replace(self, links=links)


@dataclass(frozen=True, slots=True)
class ExternalProgress:
    """The places that have all their packages (`complete`), and a sentence for each other one;
    `failed` is the error of a build that ended without packages."""

    complete: tuple[ExternalPlace, ...]
    missing: tuple[str, ...]
    failed: str = ""


def plan_external(
    prediction: Prediction,
    settings: ExternalBuild,
    names: Mapping[str, str],
    allowed: Sequence[str],
    services: Mapping[str, BuildService] | None = None,
) -> ExternalPlan:
    """The places of a change's external build, by repository document and architecture.

    `names` are the values of `{owner}`, `{repo}`, `{number}` and `{sha}`; `allowed` are the URLs
    below which the server takes packages, `services` its build services. Raises UsageError for a
    URL elsewhere, an unknown service, or if there is no place.
    """
    service = _service(settings, services or {})
    places: list[ExternalPlace] = []
    documents = [target.document.id for target in prediction.targets]
    if len(documents) > 1 and (not settings.chroots or "" in settings.chroots):
        # Packages built for one distribution say nothing about another.
        raise UsageError(
            "`external` does not say for which of these repository documents the packages are"
            f" built: {', '.join(documents)}.",
            "Write `chroots` below the document's id, or name one document as `repository`.",
        )
    for target in prediction.targets:
        for arch in target.sides:
            sources = _sources(target.specs, arch)
            chroot = settings.chroot_of(target.document.id, arch)
            if not sources or (settings.chroots and chroot is None):
                continue
            values = {**names, "arch": arch, "chroot": chroot or ""}
            base = {**values, "sha": prediction.result.merge_base}
            url = service.web_url if service else expand(settings.repository or "", values, allowed)
            places.append(
                ExternalPlace(
                    target.document.id,
                    arch,
                    url,
                    sources,
                    expand(settings.base, base, allowed) if settings.base else None,
                    settings.service or "",
                    chroot or "",
                    expand_project(settings.project, values) if settings.project else "",
                )
            )
    if not places:
        raise UsageError("The external build has none of this change's architectures.")
    return ExternalPlan(settings.check, settings.deadline, tuple(places), names["sha"])


def _service(settings: ExternalBuild, services: Mapping[str, BuildService]) -> BuildService | None:
    """The build service that `.minimize.yaml` names; null if it names a repository. Raises
    UsageError."""
    if settings.service is None:
        return None
    service = services.get(settings.service)
    if service is None:
        listed = ", ".join(services) or "none (build.services in the server's settings is empty)"
        raise UsageError(
            f"The server knows no build service `{settings.service}`; it knows {listed}.",
            "Whoever runs the bot may add it to build.services in its settings.",
        )
    if service.type == "copr" and not settings.chroots:
        raise UsageError(f"`{settings.service}` is a Copr: `chroots` says which chroots count.")
    return service


def plan_given(prediction: Prediction, repositories: Mapping[str, str]) -> ExternalPlan:
    """The places for repositories that the caller names, by architecture; "" is for all
    architectures not named. Raises UsageError if none is for an architecture of the change."""
    places = [
        ExternalPlace(target.document.id, arch, url, sources)
        for target in prediction.targets
        for arch in target.sides
        if (url := repositories.get(arch) or repositories.get(""))
        and (sources := _sources(target.specs, arch))
    ]
    if not places:
        raise UsageError("The external build has none of this change's architectures.")
    return ExternalPlan("", 0.0, tuple(places))


def look_for(plan: ExternalPlan, builds: ExternalBuilds) -> ExternalProgress:
    """Ask each place whether it has its packages. Errors of a repository are returned, not
    raised."""
    complete: list[ExternalPlace] = []
    missing: list[str] = []
    failed: list[str] = []
    for place in plan.places:
        try:
            builds.look(place.url, place.arch, place.sources, _service_build(place, plan))
        except BuildFailedElsewhereError as error:
            failed.append(error.what)
        except SurroundingsError as error:
            missing.append(error.what)
        else:
            complete.append(place)
    return ExternalProgress(tuple(complete), tuple(dict.fromkeys(missing)), "; ".join(failed[:1]))


def _service_build(place: ExternalPlace, plan: ExternalPlan) -> ServiceBuild | None:
    if not place.service:
        return None
    return ServiceBuild(place.service, plan.commit, plan.links, place.chroot, place.project)


def external_check(
    change: Change,
    prediction: Prediction,
    plan: ExternalPlan,
    builds: ExternalBuilds,
    *,
    layers: bool = True,
    cached_only: bool = False,
) -> Prediction:
    """The check of one change with the packages that the places of `plan` have.

    An architecture without packages is transferred from one that has them or stays predicted, which
    a note says. With `cached_only` nothing is fetched. Raises the first place's error (a
    MinimizeError) if no place gives packages.
    """
    fetched: dict[ExternalPlace, BuiltPackages] = {}
    notes: list[str] = []
    failed: list[MinimizeError] = []
    for place in plan.places:
        try:
            build = _service_build(place, plan)
            fetched[place] = _fetch(builds, place.url, place, change.head, cached_only, build)
        except MinimizeError as error:
            failed.append(error)
            notes.append(f"{place.arch}: nothing was taken from {place.url}: {error.what}")
    if not fetched:
        raise failed[0]
    headers = generated_flags(prediction.cache)
    targets: list[Target] = []
    build_notes: list[BuildNote] = []
    for target in prediction.targets:
        own = {p: b for p, b in fetched.items() if p.document == target.document.id}
        sides: dict[str, Sides] = {}
        for place, built in own.items():
            before = target.sides[place.arch]
            base, base_notes = _base(builds, place, before, change.merge_base, cached_only)
            overlay = rebuilt_overlay(built, place.arch, before.head.sources)
            head = replace(overlay, evidence="external")
            sides[place.arch] = replace(before, base=base, head=head, base_spec=None)
            notes += [*built.notes, *base_notes, *_compared(place, base, head, target.specs)]
            build_notes += _build_notes(place, built, target.specs)
        if own:
            moved, transfer_notes = _transferred(target, sides, next(iter(own)).arch, headers)
            sides |= moved
            notes += transfer_notes
        targets.append(replace(target, sides={**target.sides, **sides}))
    part = replace(prediction.parts[0], targets=tuple(targets))
    checked = built_check(change, prediction, [part], build_notes, notes, layers=layers)
    return with_edits(change, checked) if layers else checked


def _sources(specs: Iterable[EvaluatedSpec], arch: str) -> tuple[str, ...]:
    """The source packages that head builds for an architecture."""
    sources = {
        head.source
        for evaluated in specs
        if isinstance(head := evaluated.head.get(arch), SpecEvaluation)
        and not head.excluded
        and not unevaluated(evaluated, arch)
    }
    return tuple(sorted(sources))


def _fetch(
    builds: ExternalBuilds,
    url: str,
    place: ExternalPlace,
    commit: str,
    cached_only: bool,
    build: ServiceBuild | None = None,
) -> BuiltPackages:
    if not cached_only:
        return builds.take(url, place.arch, place.sources, commit, build)
    cached = builds.cached(url, place.arch, place.sources, commit)
    if cached is None:
        raise NotCachedError(f"Nothing of {url} is cached here.")
    return cached


def _base(
    builds: ExternalBuilds, place: ExternalPlace, before: Sides, commit: str, cached_only: bool
) -> tuple[Overlay, tuple[str, ...]]:
    """The base of an external build (its own external build or the published packages), and
    notes."""
    if place.base is None or not before.base.packages:
        return before.base, ()
    try:
        built = _fetch(builds, place.base, place, commit, cached_only)
    except MinimizeError as error:
        note = f"{place.arch}: the base's build was not taken from {place.base}: {error.what}"
        return before.base, (note,)
    overlay = rebuilt_overlay(built, place.arch, before.base.sources)
    return replace(overlay, evidence="external"), ()


def _compared(
    place: ExternalPlace, base: Overlay, head: Overlay, specs: Iterable[EvaluatedSpec]
) -> list[str]:
    """Sentences on the versions that are compared, and on a published one that differs from the
    base branch's spec."""
    notes = []
    for source in place.sources:
        built, base_versions = (_versions(overlay, source) for overlay in (head, base))
        origin = "as built elsewhere" if base.evidence == "external" else "as published"
        with_what = (
            f"{base_versions} {origin}" if base_versions else "nothing: no version is published"
        )
        notes.append(
            f"{place.arch}: {source} {built} as built elsewhere, compared with {with_what}."
        )
    if base.evidence == "external":
        return notes
    for evaluated in specs:
        spec = evaluated.base.get(place.arch)
        if not isinstance(spec, SpecEvaluation):
            continue
        _, version, release = spec.evr
        published = _versions(base, spec.source)
        if published and f"{version}-{release}" not in published.split(", "):
            notes.append(
                f"{place.arch}: what is published of {spec.source} is {published}, the base"
                f" branch's spec makes {version}-{release}: the differences count as this change's."
            )
    return notes


def _versions(overlay: Overlay, source: str) -> str:
    versions = {p.nevra.version_release for p in overlay.packages if p.source == source}
    return ", ".join(sorted(versions))


def _build_notes(
    place: ExternalPlace, built: BuiltPackages, specs: Iterable[EvaluatedSpec]
) -> Iterable[BuildNote]:
    for evaluated in specs:
        head = evaluated.head.get(place.arch)
        if isinstance(head, SpecEvaluation) and head.source in place.sources:
            message = f"elsewhere, taken from {place.url}"
            yield BuildNote(
                "head", evaluated.spec.path, place.arch, "built", message, str(built.log)
            )


def _transferred(
    target: Target, sides: Mapping[str, Sides], native: str, headers: Headers
) -> tuple[dict[str, Sides], list[str]]:
    """The sides of the architectures without a build, with the difference found on `native`; and
    notes."""
    transferred: dict[str, Sides] = {}
    notes: list[str] = []
    others = {arch: before for arch, before in target.sides.items() if arch not in sides}
    differing = obstacles(target.specs, native, others)
    notes += obstacle_notes(differing)
    others = {arch: before for arch, before in others.items() if arch not in differing}
    if not others:
        return {}, notes
    base = [_with_flags(package, headers) for package in sides[native].base.packages]
    if any(package is None for package in base):
        predicted = (
            f"{', '.join(others)}: predicted, for the headers of what is published on {native}"
        )
        return {}, [*notes, f"{predicted} cannot be read."]
    for arch, before in others.items():
        moved = transfer(
            [package for package in base if package is not None],
            sides[native].head.packages,
            before.base,
            before.head,
            _provides(target, arch),
            native=native,
        )
        notes += moved.notes
        if moved.base is not None and moved.head is not None:
            transferred[arch] = replace(before, base=moved.base, head=moved.head, base_spec=None)
    return transferred, notes


def _provides(target: Target, arch: str) -> Callable[[str], bool]:
    return target.pools[arch].provides


def _with_flags(package: Package, headers: Headers) -> Package | None:
    """A published package with the generated flags of its dependencies, which only its header has;
    null if the header cannot be read."""
    if all(d.generated is not None for d in package.dependencies):
        return package
    flags = headers(package)
    if flags is None:
        return None
    dependencies = tuple(
        replace(d, generated=flags.has(d.kind, d.capability)) for d in package.dependencies
    )
    return replace(package, dependencies=dependencies)
