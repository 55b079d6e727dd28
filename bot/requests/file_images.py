"""The images of files such as Containerfiles, as a change edits them, and their bases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import ClassVar

from bot.distro.documents import Configuration, EnvironmentDocument, WorkloadDocument
from bot.distro.fields import EXACT
from bot.distro.images import self_request
from bot.model.image import ImageKey, ImageRequest
from bot.model.package import Package
from bot.model.spec import SpecLine
from bot.requests.values import (
    Entry,
    RequestedImage,
    WrittenImage,
    requested_image,
    with_entries,
)

# The packages of a base image, by the path of its files and an architecture; none if unknown.
Installed = Callable[[str, str], tuple[Package, ...]]
# The environment of an image without a base.
SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Choices:
    """The rules for the bases of files' images, and the choice of images.

    `installed` returns the packages of base images.
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

    `places` are those of head's images by their workloads, `gone` the names of images that head's
    files no longer make.
    """

    images: list[RequestedImage] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def images_of_files(
    base: Sequence[WrittenImage], head: Sequence[WrittenImage], choices: Choices
) -> FileImages:
    """Return the images whose request differs between the two sides."""
    result = FileImages()
    before = {image.name: image for image in base}
    after = {image.name: image for image in head}
    result.gone.extend(sorted(before.keys() - after.keys()))
    for name, image in sorted(after.items()):
        if not choices.workloads or name in choices.workloads:
            _add(result, before.get(name), image, choices)
    return result


def _add(
    result: FileImages, before: WrittenImage | None, after: WrittenImage, choices: Choices
) -> None:
    if before is not None and _same(before, after):
        return
    unread = [u for side in (after, before) if side is not None for u in side.unread]
    if unread:
        sides = {u.line: u for u in reversed(unread)}
        result.problems += [_sentence(u.line, u.why) for u in reversed(sides.values())]
        return
    places = [
        None if side is None else _known_place(side, choices, result) for side in (before, after)
    ]
    place = places[1]
    if place is None or (before is not None and places[0] is None):
        return
    if places[0] is not None and places[0].repository != place.repository:
        why = f"base's image is of `{places[0].repository}`, and head's of `{place.repository}`"
        result.problems.append(_sentence(after.source_line, why))
        return
    upgraded = _upgraded((after, before)) if place.files else None
    if upgraded is not None:
        # Both sides have the same base: the effect of an upgrade on a real image is not known.
        places = [p and replace(p, files="") for p in places]
        place = replace(place, files="")
    if not after.documentation:
        place = replace(place, documentation=False)
    result.places[after.name] = place
    if after.onto:
        result.notes.append(
            f"{after.name}: sizes are those of the folder copied onto `{after.onto}`."
        )
    document = choices.configuration.repositories[place.repository]
    arches = [a for a in document.architectures if not choices.arches or a in choices.arches]
    if after.beneath:
        result.notes.append(_beneath_note(after, place, arches, choices, upgraded))
    for arch in arches:
        key = ImageKey(after.name, place.environment or SCRATCH, place.repository, arch)
        requests = [
            None if side is None or side_place is None else _request(side, side_place, key, choices)
            for side, side_place in zip((before, after), places, strict=True)
        ]
        entries = _entries(after, place)
        result.images.append(requested_image(key, requests[0], requests[1], entries))


def _upgraded(sides: Iterable[WrittenImage | None]) -> SpecLine | None:
    """Return the line of a side that upgrades the base image."""
    return next((s.upgraded for s in sides if s is not None and s.upgraded is not None), None)


def _beneath_note(
    image: WrittenImage,
    place: Place,
    arches: Sequence[str],
    choices: Choices,
    upgraded: SpecLine | None,
) -> str:
    """Return a sentence on how the packages of the base image are known."""
    own = f"{image.name}: sizes are those of its own layers."
    known_arches = [arch for arch in arches if place.files and choices.installed(place.files, arch)]
    if known_arches == arches:
        return f"{own} What `{image.beneath}` holds is of its rpm database, and stays as it is."
    extent = f" on {', '.join(a for a in arches if a not in known_arches)}" if known_arches else ""
    if upgraded is not None:
        extent = f", as line {upgraded.line} upgrades it"
    return (
        f"{own} What `{image.beneath}` holds is approximate{extent}: the packages of the"
        f" environment {place.environment}."
    )


def _same(before: WrittenImage, after: WrittenImage) -> bool:
    """Return whether two sides request the same, wherever it is in the file."""

    def requested(image: WrittenImage) -> object:
        contents = [(entry.content, entry.arches) for entry in image.entries]
        reasons = [(unread.line.text, unread.why) for unread in image.unread]
        texts = [text for text, _ in (*image.repositories, *image.streams)]
        return image.beneath, image.source, contents, reasons, texts, image.documentation

    return requested(before) == requested(after)


def _known_place(image: WrittenImage, choices: Choices, result: FileImages) -> Place | None:
    """Return the place of an image whose documents all exist; else add the reason to `result`."""
    place = place_of(image, choices.files, choices.table)
    why = ""
    if place is None:
        why = f"nothing says which repository and environment `{image.source}` stands for"
    elif place.repository not in choices.configuration.repositories:
        why = f"there is no repository document `{place.repository}`"
    elif place.environment not in (None, *choices.configuration.environments):
        why = f"there is no environment document `{place.environment}`"
    if place is None or why:
        result.problems.append(_sentence(image.source_line, why))
        return None
    ids = {repo.id for repo in choices.configuration.repositories[place.repository].repos}
    for id_, line in image.repositories:
        if id_ not in ids:
            why = f"the document `{place.repository}` has no repository `{id_}`"
            result.problems.append(_sentence(line, why))
            return None
    modules = choices.configuration.repositories[place.repository].modules
    for stream, line in image.streams:
        if stream not in modules:
            why = f"the document `{place.repository}` does not enable the module `{stream}`"
            result.problems.append(_sentence(line, why))
            return None
    return place


def _sentence(line: SpecLine, why: str) -> str:
    return f"{line.path}:{line.line}: not evaluated: {why}."


def _entries(image: WrittenImage, place: Place) -> Iterator[Entry]:
    """Yield the entries; the base image's default applies where a line says nothing of `weak`."""
    for entry in image.entries:
        if not (entry.kind == "weak" and entry.text and place.weak_dependencies is False):
            yield entry


def _request(image: WrittenImage, place: Place, key: ImageKey, choices: Choices) -> ImageRequest:
    own = [entry for entry in _entries(image, place) if entry.counts_on(key.arch)]
    beneath = None
    if place.environment is not None:
        arguments = (choices.configuration, place.environment, place.repository, key.arch)
        beneath = self_request(*arguments, [])
        installed = choices.installed(place.files, key.arch) if place.files else ()
        if installed:
            beneath = ImageRequest(beneath.key, (), installed=installed)
    return with_entries(ImageRequest(key, (), beneath=beneath), own)


def with_images(configuration: Configuration, images: FileImages) -> Configuration:
    """Return a configuration with a document for each image, which has its options.

    These documents go with no others: the images are those of the files.
    """
    if not images.places:
        return configuration
    workloads = {
        name: WorkloadDocument(name, name, "", "", (), options=_options(place))
        for name, place in images.places.items()
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


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A row of the table of base images, by a glob of references (`registry.example.org/fedora:*`).

    `environment` has the packages of the image, `repository` the repositories that are set up in
    it. `weak_dependencies` and `documentation` are its dnf.conf's: whether they are installed
    unless a line says otherwise. `files` is the path of the image's files or of its OCI layout,
    with the rpm database of its packages; empty if only the environment is known.
    """

    image: str
    repository: str
    environment: str
    weak_dependencies: bool = True
    documentation: bool = True
    files: str = ""


@dataclass(frozen=True, slots=True)
class FileImage:
    """The repositories and the environment of the images of the files that a glob matches."""

    __pydantic_config__: ClassVar = EXACT

    file: str
    repository: str
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The documents that an image is based on; `environment` is None for an image without a base.

    `weak_dependencies` and `documentation` are None where the base image's own are not known.
    """

    repository: str
    environment: str | None
    weak_dependencies: bool | None = None
    documentation: bool | None = None
    files: str = ""


def place_of(
    image: WrittenImage, files: Iterable[FileImage], table: Iterable[BaseImage]
) -> Place | None:
    """Return the place of an image: by the repository's own choice for its file, else by the table.

    The table's row is that of its base image; None where neither has one.
    """
    row = next((r for r in table if _is_meant(image.source, r.image)), None)
    own = next((f for f in files if fnmatchcase(image.path, f.file)), None)
    if own is None and row is None:
        return None
    environment = own.environment if own is not None else None
    if environment is None and row is not None:
        environment = row.environment
    if image.beneath and environment is None:
        return None
    return Place(
        own.repository if own is not None else row.repository if row is not None else "",
        environment if image.beneath else None,
        row.weak_dependencies if row is not None else None,
        row.documentation if row is not None else None,
        row.files if row is not None and image.beneath else "",
    )


def _is_meant(reference: str, glob: str) -> bool:
    """Return whether a glob matches a reference; one without a tag is `latest`."""
    name = reference.rpartition("@")[0] or reference
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    return any(fnmatchcase(form, glob) for form in (reference, name, tagged))
