"""The images of files such as Containerfiles, as a change edits them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.distro.documents import Configuration, EnvironmentDocument, WorkloadDocument
from bot.distro.images import self_request
from bot.model.image import ImageKey, ImageRequest
from bot.model.package import Package
from bot.model.spec import SpecLine
from bot.requests.base_images import BaseImage, FileImage, Place, place_of
from bot.requests.values import (
    Entry,
    RequestedImage,
    WrittenImage,
    requested_image,
    with_entries,
)

# The packages of a base image's files, by their path and an architecture; none where unknown.
Installed = Callable[[str, str], tuple[Package, ...]]
# The environment of an image that begins in an empty folder.
SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Choices:
    """The rules for where images of files stand, and the choice of those that are looked at.

    `installed` tells what base images hold.
    """

    configuration: Configuration
    files: tuple[FileImage, ...] = ()
    table: tuple[BaseImage, ...] = ()
    workloads: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    installed: Installed = lambda _files, _arch: ()


@dataclass(slots=True)
class FileImages:
    """The images of the files of a change, and sentences on those that could not be read.

    `places` are those of head's images by their workloads, `gone` the names of those that head's
    files do not make any more.
    """

    images: list[RequestedImage] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def images_of_files(
    base: Sequence[WrittenImage], head: Sequence[WrittenImage], choices: Choices
) -> FileImages:
    """The images whose request differs between the two sides."""
    found = FileImages()
    before = {image.name: image for image in base}
    after = {image.name: image for image in head}
    found.gone.extend(sorted(before.keys() - after.keys()))
    for name, image in sorted(after.items()):
        if not choices.workloads or name in choices.workloads:
            _add(found, before.get(name), image, choices)
    return found


def _add(
    found: FileImages, before: WrittenImage | None, after: WrittenImage, choices: Choices
) -> None:
    if before is not None and _same(before, after):
        return
    unread = [u for side in (after, before) if side is not None for u in side.unread]
    if unread:
        sides = {u.line: u for u in reversed(unread)}
        found.problems += [_sentence(u.line, u.why) for u in reversed(sides.values())]
        return
    places = [
        None if side is None else _known_place(side, choices, found) for side in (before, after)
    ]
    place = places[1]
    if place is None or (before is not None and places[0] is None):
        return
    if places[0] is not None and places[0].repository != place.repository:
        why = f"base's image is of `{places[0].repository}`, and head's of `{place.repository}`"
        found.problems.append(_sentence(after.source_line, why))
        return
    upgraded = _upgraded((after, before)) if place.files else None
    if upgraded is not None:
        # Both sides stand on the same: what an upgrade makes of a real image is not known.
        places = [one and replace(one, files="") for one in places]
        place = replace(place, files="")
    if not after.documentation:
        place = replace(place, documentation=False)
    found.places[after.name] = place
    if after.onto:
        found.notes.append(
            f"{after.name}: sizes are those of the folder that is copied onto `{after.onto}`."
        )
    document = choices.configuration.repositories[place.repository]
    arches = [a for a in document.architectures if not choices.arches or a in choices.arches]
    if after.beneath:
        found.notes.append(_beneath_note(after, place, arches, choices, upgraded))
    for arch in arches:
        key = ImageKey(after.name, place.environment or SCRATCH, place.repository, arch)
        requests = [
            None if side is None or where is None else _request(side, where, key, choices)
            for side, where in zip((before, after), places, strict=True)
        ]
        entries = _entries(after, place)
        found.images.append(requested_image(key, requests[0], requests[1], entries))


def _upgraded(sides: Iterable[WrittenImage | None]) -> SpecLine | None:
    """The line of a side that upgrades what is beneath."""
    return next((s.upgraded for s in sides if s is not None and s.upgraded is not None), None)


def _beneath_note(
    image: WrittenImage,
    place: Place,
    arches: Sequence[str],
    choices: Choices,
    upgraded: SpecLine | None,
) -> str:
    """A sentence on how it is known what the image beneath holds."""
    own = f"{image.name}: sizes are those of its own layers."
    known = [arch for arch in arches if place.files and choices.installed(place.files, arch)]
    if known == arches:
        return f"{own} What `{image.beneath}` holds is of its rpm database, and stays as it is."
    where = f" on {', '.join(a for a in arches if a not in known)}" if known else ""
    if upgraded is not None:
        where = f", as line {upgraded.line} upgrades it"
    return (
        f"{own} What `{image.beneath}` holds is approximate{where}: the packages of the"
        f" environment {place.environment}."
    )


def _same(before: WrittenImage, after: WrittenImage) -> bool:
    """Return whether two sides ask for the same, wherever in the file."""

    def requested(image: WrittenImage) -> object:
        contents = [(entry.content, entry.arches) for entry in image.entries]
        why = [(one.line.text, one.why) for one in image.unread]
        more = [text for text, _ in (*image.repositories, *image.streams)]
        return image.beneath, image.source, contents, why, more, image.documentation

    return requested(before) == requested(after)


def _known_place(image: WrittenImage, choices: Choices, found: FileImages) -> Place | None:
    """The place of an image whose documents are all there; else `found` gets the reason."""
    place = place_of(image, choices.files, choices.table)
    why = ""
    if place is None:
        why = f"nothing says which repository and environment `{image.source}` stands for"
    elif place.repository not in choices.configuration.repositories:
        why = f"there is no repository document `{place.repository}`"
    elif place.environment not in (None, *choices.configuration.environments):
        why = f"there is no environment document `{place.environment}`"
    if place is None or why:
        found.problems.append(_sentence(image.source_line, why))
        return None
    known = {repo.id for repo in choices.configuration.repositories[place.repository].repos}
    for id_, line in image.repositories:
        if id_ not in known:
            why = f"the document `{place.repository}` has no repository `{id_}`"
            found.problems.append(_sentence(line, why))
            return None
    enabled = choices.configuration.repositories[place.repository].modules
    for stream, line in image.streams:
        if stream not in enabled:
            why = f"the document `{place.repository}` does not enable the module `{stream}`"
            found.problems.append(_sentence(line, why))
            return None
    return place


def _sentence(line: SpecLine, why: str) -> str:
    return f"{line.path}:{line.line}: not evaluated: {why}."


def _entries(image: WrittenImage, place: Place) -> Iterator[Entry]:
    """The entries; what a line does not say of weak dependencies, the base image does."""
    for entry in image.entries:
        if not (entry.kind == "weak" and entry.text and place.weak_dependencies is False):
            yield entry


def _request(image: WrittenImage, place: Place, key: ImageKey, choices: Choices) -> ImageRequest:
    own = [entry for entry in _entries(image, place) if entry.counts_on(key.arch)]
    beneath = None
    if place.environment is not None:
        where = (choices.configuration, place.environment, place.repository, key.arch)
        beneath = self_request(*where, [])
        installed = choices.installed(place.files, key.arch) if place.files else ()
        if installed:
            beneath = ImageRequest(beneath.key, (), installed=installed)
    return with_entries(ImageRequest(key, (), beneath=beneath), own)


def with_images(configuration: Configuration, found: FileImages) -> Configuration:
    """A configuration with a document for each image: how its files are installed is asked there.

    They meet nothing: the images are those of the files.
    """
    if not found.places:
        return configuration
    workloads = {
        name: WorkloadDocument(name, name, "", "", (), options=_options(place))
        for name, place in found.places.items()
    }
    scratch = EnvironmentDocument(SCRATCH, SCRATCH, "", "", (), (), ())
    return _with(configuration, workloads, scratch)


def _options(place: Place) -> tuple[str, ...]:
    return ("include-docs",) if place.documentation is not False else ()


def _with(
    configuration: Configuration,
    workloads: Mapping[str, WorkloadDocument],
    scratch: EnvironmentDocument,
) -> Configuration:
    return replace(
        configuration,
        workloads={**configuration.workloads, **workloads},
        environments={scratch.id: scratch, **configuration.environments},
    )
