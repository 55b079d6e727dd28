"""The images of files such as Containerfiles, as they are on the branches now.

They are named by repository and path (`images/web/Containerfile`), as two repositories may have
files with one name. Files of private repositories make no image: history is public.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.build.installed import BaseDatabases
from bot.check.repository_file import RepositoryFile, read_repository_file
from bot.distro.documents import Configuration
from bot.errors import UsageError
from bot.requests.file_images import BaseImage, Choices, FileImages, images_of_files, with_images
from bot.requests.kinds import images_of, kind_of
from bot.requests.values import WrittenImage
from bot.store.history.values import BranchFile


@dataclass(frozen=True, slots=True)
class RequestedImages:
    """A configuration with the images of files, and sentences on unreadable ones."""

    configuration: Configuration
    notes: tuple[str, ...] = ()


def with_requested(
    configuration: Configuration, files: Iterable[BranchFile], table: Sequence[BaseImage]
) -> RequestedImages:
    """Return the configuration with the images of the branches' files, each under its own name."""
    notes: list[str] = []
    for file in files:
        written = written_images(file)
        if not written:
            continue
        databases = BaseDatabases()
        own_file = _own_file(file)
        choices = Choices(
            configuration,
            own_file.images,
            tuple(table),
            (),
            own_file.architectures,
            databases.packages,
        )
        images = images_of_files((), written, choices)
        configuration = _with(configuration, images)
        where = f"{file.forge}:{file.repository} ({file.branch})"
        notes += [f"{where}: {text}" for text in (*images.problems, *databases.problems)]
    return RequestedImages(configuration, tuple(notes))


def written_images(file: BranchFile) -> tuple[WrittenImage, ...]:
    """Return the images of a branch's files, by their names in history."""
    if file.private:
        return ()
    contents = {path: text.encode() for path, text in (file.requests or {}).items()}
    images: dict[str, WrittenImage] = {}
    for path in sorted(contents):
        kind = kind_of(path, [contents])
        for image in images_of(kind.name, path, contents) if kind is not None else ():
            images.setdefault(
                image.name, replace(image, name=tracked_name(file.repository, image.name))
            )
    return tuple(images.values())


def tracked_name(repository: str, name: str) -> str:
    """Return the name in history of an image of a repository's file."""
    return f"{repository}/{name}"


def _own_file(file: BranchFile) -> RepositoryFile:
    """Return the branch's `.minimize.yaml`, or an empty one if invalid (reported elsewhere)."""
    try:
        return read_repository_file((file.content or "").encode())
    except UsageError:
        return RepositoryFile()


def _with(configuration: Configuration, images: FileImages) -> Configuration:
    """Return a configuration with more images; an earlier branch's image of the same name stays."""
    requests = {
        image.key: image.head
        for image in images.images
        if image.head is not None and image.key not in configuration.requested
    }
    return replace(
        with_images(configuration, images), requested={**configuration.requested, **requests}
    )
