"""The causes of added packages: lines of the change and findings of the build.

Each has its packages, their bytes, and the saving without it. The sentence on whether removing one
is enough states only what was measured: the whole image without it, solved again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.model.amount import only_number
from bot.model.architecture import architecture_order
from bot.model.closure import Edge, GeneratedRequirement
from bot.model.image import LOCKED, ImageKey
from bot.model.result import Added, CheckResult, ImageResult, ObjectiveResult, Without
from bot.model.spec import SpecLine
from bot.model.suggestion import Suggestion
from bot.report.blocks import Block, Detail, table
from bot.report.grouping import place_of_image
from bot.report.phrase import Phrase, code, joined, listing
from bot.report.reasons import entry_of, is_library, need_phrase, short_name
from bot.report.sizes import count_span, number_in_unit, plural, short_delta, short_size, short_span
from bot.report.template import feeds_phrase, say, sentences

# The number of packages that a cell names, and the share of a cause's bytes from which one is
# named.
_NAMED, _PART = 3, 0.08
_WITHOUT = {1: "without it", 2: "without both"}


@dataclass(frozen=True)
class Cause:
    """Lines or findings of the build that bring in packages, with these packages and their images.

    `lines` must be removed together; `generated` have one origin. Without either, `need` is the
    requirement that no line states, null if the image requests the packages or the solver chose
    them.
    """

    lines: tuple[SpecLine, ...]
    generated: tuple[GeneratedRequirement, ...]
    need: Edge | None
    members: tuple[tuple[ImageResult, Added], ...]

    @cached_property
    def images(self) -> tuple[ImageResult, ...]:
        """The images in which it brings packages in, each once."""
        return tuple({image.key: image for image, _ in self.members}.values())

    @cached_property
    def sizes(self) -> dict[str, int | None]:
        """The size of each package by its name, the largest first; null if unknown.

        It is the size in the first of the images that get it, of the report's leading architecture
        if that is one of them.
        """
        sizes: dict[str, int | None] = {}
        for image, added in self.members:
            sizes.setdefault(
                short_name(added.package.nevra, image.key.arch), added.package.installed_size
            )
        return dict(sorted(sizes.items(), key=lambda item: (-(item[1] or 0), item[0])))

    @cached_property
    def brought(self) -> tuple[int | None, ...]:
        """The bytes that it brings into each image; null where a size is unknown."""
        sums: dict[object, int | None] = {}
        for image, added in self.members:
            so_far, size = sums.get(image.key, 0), added.package.installed_size
            sums[image.key] = None if so_far is None or size is None else so_far + size
        return tuple(sums.values())

    @property
    def weight(self) -> int:
        return max((size or 0 for size in self.brought), default=0)

    def is_of(self, without: Without) -> bool:
        """Return whether `without` is an image without this cause and no other."""
        capabilities = {requirement.capability for requirement in self.generated}
        same = set(without.lines) == set(self.lines)
        return same and (
            capabilities <= set(without.generated) if capabilities else not without.generated
        )

    def without(self, image: ImageResult) -> Without | None:
        """Return the image measured without this cause; None if it was not measured."""
        return next((measured for measured in image.without if self.is_of(measured)), None)


def causes_of(images: Iterable[ImageResult]) -> tuple[Cause, ...]:
    """Return the causes of added packages, those with most bytes first."""
    groups: dict[object, list[tuple[ImageResult, Added]]] = {}
    for image in images:
        for added in image.added:
            groups.setdefault(_key(image, added), []).append((image, added))
    causes = [_cause(members) for members in groups.values()]
    return tuple(sorted(causes, key=lambda cause: -cause.weight))


def _key(image: ImageResult, added: Added) -> object:
    if added.leaves_with or added.spec is not None:
        return added.leaves_with or (added.spec,), bool(added.leaves_with)
    if added.generated is not None:
        return added.generated.group
    entry = entry_of(image, added)
    return (entry.source.name, entry.capability) if entry else added.requested


def _cause(members: Sequence[tuple[ImageResult, Added]]) -> Cause:
    image, first = members[0]
    lines = first.leaves_with or ((first.spec,) if first.spec is not None else ())
    requirements = {added.generated for _, added in members if added.generated is not None}
    generated = tuple(
        sorted(requirements, key=lambda requirement: (requirement.package, requirement.capability))
    )
    need = None if lines or generated else entry_of(image, first)
    return Cause(lines, () if lines else generated, need, tuple(members))


def causes_table(causes: Sequence[Cause], result: CheckResult, detail: Detail) -> list[Block]:
    """Return a table of the causes: the line or link, its packages, the saving without it."""
    in_all = len({image.key for cause in causes for image in cause.images})
    rows = [
        (_because(cause, in_all), comes_in([cause]), _remedy(cause, result.suggestions))
        for cause in causes
    ]
    return table(("Because of", "Comes in", "Way out"), rows, (), detail.open_rows, "cause")


def _because(cause: Cause, in_all: int) -> Phrase:
    """Return the lines of a cause or the build's finding, and the number of images unless all."""
    some = len(cause.images) if len(cause.images) < in_all else 0
    arches = sorted({image.key.arch for image in cause.images}, key=architecture_order)
    one_place = len({place_of_image(image) for image in cause.images}) == 1
    where = ", ".join(arches) if some and one_place else ""
    return say.because(cause=because(cause), where=where, images=0 if where else some)


def because(cause: Cause) -> Phrase:
    """Return a cause: `Requires: perl`, `nginx.spec:19`; or a new link with the line behind it."""
    if cause.lines:
        lines = joined([place_phrase(line) for line in cause.lines], "; ")
        enough = {cause.members[0][1].spec, *cause.members[0][1].alternatives}
        each_enough = len(cause.lines) > 1 and enough >= set(cause.lines)
        return say.each_enough(lines=lines) if each_enough else lines
    if cause.generated:
        return _finding_phrase(cause)
    if cause.need is not None:
        return say.no_line(need=need_phrase(cause.need, cause.images[0].key.arch))
    return unrequired(*cause.members[0])


def unrequired(image: ImageResult, added: Added) -> Phrase:
    """Return the reason for a package that nothing newly requires."""
    if added.requested:
        return say.requested()
    return say.locked() if image.key.environment == LOCKED else say.chosen_anew()


def place_phrase(line: SpecLine) -> Phrase:
    """Return `Requires: perl`, `nginx.spec:19`; for a macro with the line that it changes."""
    return say.placed(text=line.text, place=f"{line.path}:{line.line}", feeds=feeds_phrase(line))


def _finding_phrase(cause: Cause) -> Phrase:
    first = cause.generated[0]
    arch = cause.images[0].key.arch
    capabilities = {requirement.capability for requirement in cause.generated}
    direct = {
        short_name(edge.target, arch)
        for _, added in cause.members
        for chain in added.chains
        for edge in chain
        if edge.capability in capabilities
    }
    file = next((requirement.files[0] for requirement in cause.generated if requirement.files), "")
    verb = "links" if all(is_library(capability) for capability in capabilities) else "needs"
    links = say.now_links if file else say.now_links_somewhere
    named = listing(code(name) for name in cause.sizes if name in direct)
    clause = links(file=file or first.package, verb=verb, packages=named)
    line = first.build_requires
    return clause if line is None else say.made_possible(line=place_phrase(line), clause=clause)


def comes_in(causes: Sequence[Cause]) -> Phrase:
    """Return `8 packages, **57 MB**: libperl5.36 29, perl-modules 17, 6 others 11`."""
    sizes: dict[str, int | None] = {}
    counts: Counter[ImageKey] = Counter()
    for cause in causes:
        sizes |= cause.sizes
        counts.update(image.key for image, _ in cause.members)
    named, total = size_list(sizes)
    if len(sizes) == 1:
        return say.comes_alone(package=next(iter(sizes)), size=total)
    return say.comes_in(packages=_packages(counts.values()), size=total, names=named)


def size_list(sizes: Mapping[str, int | None]) -> tuple[Phrase, str]:
    """Return the largest packages with their sizes in the unit of the sum, and the known sum."""
    total = sum(size or 0 for size in sizes.values())
    ordered = sorted(sizes.items(), key=lambda item: (-(item[1] or 0), item[0]))
    named = [pair for pair in ordered[:_NAMED] if (pair[1] or 0) >= _PART * total] or ordered[:1]
    rest = ordered[len(named) :]
    parts = [
        say.part(package=name, size="" if size is None else number_in_unit(size, total))
        for name, size in named
    ]
    if rest:
        rest_size = sum(size or 0 for _, size in rest)
        parts.append(say.more_parts(others=len(rest), size=number_in_unit(rest_size, total)))
    if None not in sizes.values():
        return joined(parts, ", "), short_size(total)
    return joined(parts, ", "), f"at least {short_size(total)}" if total else "size not known"


def _packages(counts: Iterable[int]) -> str:
    """`8 packages`, `3 to 8 packages`."""
    span = count_span(counts)
    return f"{span} package" if span == "1" else f"{span} packages"


def _remedy(cause: Cause, suggestions: Sequence[Suggestion]) -> Phrase:
    """Return the measured saving without the cause, and the replacement for the line, if known."""
    image, first = cause.members[0]
    if image.key.environment == LOCKED:
        return ()  # no line of it can be left out
    if cause.lines and not first.leaves_with:
        need = need_phrase(first.stays_by[-1], image.key.arch) if first.stays_by else ()
        return say.stays(need=need)
    saves = _saving(cause)
    if not saves:
        return ()
    if cause.generated:
        return say.build_without(saves=saves)
    weaker = next((s.replace_with for s in suggestions if (s.spec,) == cause.lines), "")
    come = sorted({nevra.name for _, added in cause.members for nevra in added.instead})
    return say.way_out(
        instead=weaker,
        without="" if weaker else _WITHOUT.get(len(cause.lines), "without all of them"),
        saves=saves,
        come=listing(map(code, come[:_NAMED])),
    )


def _saving(cause: Cause) -> Phrase:
    """Return the bytes saved without a cause, for each image or in all; empty if not measured."""
    pairs = [(image.head.installed_size, cause.without(image)) for image in cause.images]
    saved = [
        size - without.installed_size
        for size, without in pairs
        if size is not None and without is not None and without.installed_size is not None
    ]
    if len(saved) < len(pairs):
        # Results of earlier releases have no `without`, but the savings of packages that leave
        # together.
        leave = all(added.leaves_with for _, added in cause.members)
        saved = [size for size in cause.brought if size is not None] if leave else []
    if not saved:
        return ()
    places = len({place_of_image(image) for image in cause.images})
    texts = {short_delta(-size) for size in saved}
    if len(texts) == 1:
        return say.saving(size=texts.pop(), scope="in each" if places > 1 else "")
    if places == 1:
        span = short_span(sorted((-size for size in saved), key=abs), short_delta)
        return say.saving(size=span, scope="")
    return say.saving(size=short_delta(-sum(saved)), scope="in all")


def sufficiency(image: ImageResult, causes: Sequence[Cause]) -> Phrase:
    """Return which of `causes` it is enough to remove for `image`; empty if not measured."""
    measured = [
        without for without in (cause.without(image) for cause in causes) if without is not None
    ]
    broken = [objective for objective in image.objectives if objective.worse]
    if not measured or not broken or len(measured) < len(causes):
        return ()
    whole = measured[0] if len(measured) == 1 else image.without[-1]
    met = [_meets(image, without, broken) for without in (*measured, whole)]
    if None in met:
        return ()
    limit = "limit" if len(broken) == 1 else "limits"
    packages = all(objective.metric == "packages" for objective in broken)
    values = [_value(without, packages) for without in measured]
    back = _value(whole, packages)
    if len(measured) == 1:
        return (say.enough_alone if met[0] else say.not_enough_alone)(value=back, limit=limit)
    if any(met[:-1]):
        which = met.index(True)
        return say.one_is_enough(cause=because(causes[which]), value=values[which], limit=limit)
    if not met[-1]:
        return say.all_not_enough(value=back, limit=limit)
    ordered = sorted(measured, key=lambda without: (without.installed_size or 0, without.packages))
    first, last = (_value(without, packages) for without in (ordered[0], ordered[-1]))
    shared = first.removesuffix(" " + last.partition(" ")[2])
    between = "or" if len(measured) == 2 else "to"
    return sentences(
        say.no_one_is_enough(
            values=f"{shared} {between} {last}" if first != last else last, limit=limit
        ),
        say.all_are_enough(all="Both" if len(measured) == 2 else "All of them", value=back),
    )


def _value(without: Without, packages: bool) -> str:
    if packages:
        return plural(without.packages, "package")
    return short_size(without.installed_size)


def _meets(image: ImageResult, without: Without, broken: Sequence[ObjectiveResult]) -> bool | None:
    """Return whether all limits hold for an image without a cause; None where that is not known."""
    holding = [holds for o in broken if (holds := _meets_one(image, without, o)) is not None]
    return all(holding) if holding else None


def _meets_one(image: ImageResult, without: Without, objective: ObjectiveResult) -> bool | None:
    kind, _, package = objective.metric.partition(":")
    if kind == "unwanted":
        return not any(
            added.package.nevra.name == package and not _goes(added, without)
            for added in image.added
        )
    size = without.installed_size
    if kind == "growth" and size is not None and image.base.installed_size is not None:
        size -= image.base.installed_size
    values = {"packages": without.packages, "installed_size": size, "growth": size}
    value, bound = values.get(kind), only_number(objective.bound)
    return None if value is None or bound is None else value <= bound


def _goes(added: Added, without: Without) -> bool:
    lines = bool(added.leaves_with) and set(added.leaves_with) <= set(without.lines)
    generated = added.generated is not None and added.generated.capability in without.generated
    return lines or generated
