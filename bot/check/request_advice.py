"""Advice on the install lines of Containerfiles; each saving is found by solving again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bot.advice.advise import Wish, advise
from bot.advice.requests import Job
from bot.check.images import CheckedImage
from bot.check.requested import Requests
from bot.check.target import Target
from bot.closure.pool import Pool
from bot.distro.cache import Cache
from bot.image.measure import NodocsSizes
from bot.model.closure import Closure
from bot.model.image import ImageRequest
from bot.model.package import Package
from bot.model.spec import SpecLine
from bot.model.suggestion import LineAdvice, LineKind
from bot.requests.file_images import Place
from bot.requests.stages import Install, is_weak

# Seconds to search for the smallest image of one request, and the number of images searched.
_SECONDS = 3.0
_MOST = 4
_PACKAGE_MANAGERS = ("dnf", "dnf5", "microdnf", "rpm", "tdnf", "yum", "zypper")


@dataclass(frozen=True, slots=True)
class _Solved:
    """The head of an image of a Containerfile, and the pool in which it was solved."""

    image: CheckedImage
    pool: Pool
    target: Target
    source_line: SpecLine
    installs: tuple[Install, ...]
    lines: dict[str, SpecLine]
    place: Place
    nodocs: NodocsSizes

    def closure(self, request: ImageRequest) -> Closure:
        """The closure of the image with another request."""
        overlay = self.target.sides[request.key.arch].head
        return self.pool.solve(request, overlay, settled=lambda _: True)

    def advice(
        self, kind: LineKind, line: SpecLine, without: Closure | None = None
    ) -> LineAdvice | None:
        """Advice with the saving of `without`, or with no figure; null if `without` cannot be
        installed or no package leaves.
        """
        key = self.image.result.key
        if without is None:
            return LineAdvice(key, kind, line)
        head = self.image.pair.head
        # An image that begins empty has only packages of its own.
        packages = head.own if kind != "empty-folder" else head.packages
        names = {p.nevra.name for p in without.own}
        leaving = tuple(sorted(p.nevra.name for p in packages if p.nevra.name not in names))
        if without.status != "ok" or not leaving:
            return None
        return LineAdvice(key, kind, line, leaving, (), _saved(packages, without.own))

    def documentation(self, line: SpecLine) -> LineAdvice | None:
        """Advice to install without documentation, with its bytes if the headers of all packages
        are cached; null if there is no documentation."""
        saved = 0
        for package in self.image.pair.head.own:
            without = self.nodocs.of(package)
            if without is None or package.installed_size is None:
                return LineAdvice(self.image.result.key, "documentation", line)
            saved += max(package.installed_size - without, 0)
        key = self.image.result.key
        return LineAdvice(key, "documentation", line, saves=saved) if saved else None


def line_advice(
    images: Iterable[CheckedImage], targets: Iterable[Target], requests: Requests, cache: Cache
) -> tuple[LineAdvice, ...]:
    """The advice on the lines of the Containerfiles of these images, sorted."""
    by_name = {image.request.name: image for image in requests.container_images}
    documents = {target.document.id: target for target in targets}
    advices: list[LineAdvice] = []
    searched = 0
    nodocs = NodocsSizes(cache)
    for image in images:
        key = image.result.key
        container = by_name.get(key.workload)
        if container is None or image.pair.head.status != "ok":
            continue
        target = documents[key.repository]
        lines = {e.text: e.line for e in container.request.entries if e.kind == "package"}
        source = container.request.source_line
        pool, place = target.pools[key.arch], requests.places[key.workload]
        solved = _Solved(image, pool, target, source, container.installs, lines, place, nodocs)
        advices += [advice for advice in _of_lines(solved) if advice is not None]
        if searched < _MOST:
            advices += _alternatives(solved)
            searched += 1
    return tuple(sorted(advices))


def _of_lines(solved: _Solved) -> Iterator[LineAdvice | None]:
    request = solved.image.request
    decided = solved.place.weak_dependencies is not None
    yield _empty_folder(solved)
    for install in solved.installs:
        command = install.command
        if request.weak and is_weak(install) and (decided or command.weak):
            yield solved.advice(
                "weak-dependencies", install.line, solved.closure(replace(request, weak=False))
            )
        if command.documentation is None and solved.place.documentation:
            yield solved.documentation(install.line)
        if not install.removes_caches:
            yield solved.advice("caches", install.line)
        # Packages of the image beneath are not brought by this line.
        for word in command.packages if request.beneath is None else ():
            if word.text in _PACKAGE_MANAGERS:
                rest = tuple(r for r in request.requests if r != word.text)
                line = solved.lines.get(word.text, install.line)
                yield solved.advice(
                    "package-manager", line, solved.closure(replace(request, requests=rest))
                )


def _empty_folder(solved: _Solved) -> LineAdvice | None:
    """Advice to start from an empty folder, for an image that stands on one with a package manager,
    if solving shows that this is smaller."""
    request, head = solved.image.request, solved.image.pair.head
    beneath = {nevra.name for nevra in head.beneath}
    if beneath.isdisjoint(_PACKAGE_MANAGERS):
        return None
    alone = solved.closure(replace(request, beneath=None, removes=(), swaps=()))
    advice = solved.advice("empty-folder", solved.source_line, alone)
    return None if advice is None or (advice.saves or 0) <= 0 else advice


def _alternatives(solved: _Solved) -> Iterator[LineAdvice]:
    """Advice to take a smaller equivalent package, proved; on the line that requests the package
    that it replaces, or the first line."""
    request = solved.image.request
    overlay = solved.target.sides[request.key.arch].head
    (advice,) = advise([Job(solved.pool, request, overlay)], Wish(0, _SECONDS))
    smallest = advice.smallest
    for swap in smallest.instead if smallest is not None and smallest.proved else ():
        if not swap.suggested:
            continue
        own = (solved.lines[name] for name in swap.of if name in solved.lines)
        line = next(own, solved.installs[0].line)
        yield LineAdvice(
            solved.image.result.key, "alternative", line, swap.of, (swap.take,), swap.saves
        )


def _saved(head: Iterable[Package], without: Iterable[Package]) -> int | None:
    sizes = [[p.installed_size for p in packages] for packages in (head, without)]
    if any(None in side for side in sizes):
        return None
    before, after = (sum(size for size in side if size is not None) for side in sizes)
    return before - after
