"""The images of files such as Containerfiles, as the branches of repositories have them now.

They are called by their repository and path (`images/web/Containerfile`), as two repositories may
have files of one name. Files of private repositories make no image: history is for all to read.
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
class Requested:
    """A configuration with the images of files, and sentences on those that could not be read."""

    configuration: Configuration
    notes: tuple[str, ...] = ()


def with_requested(
    configuration: Configuration, files: Iterable[BranchFile], table: Sequence[BaseImage]
) -> Requested:
    """The configuration with the images of the branches' files, each under its own name."""
    notes: list[str] = []
    for file in files:
        written = written_images(file)
        if not written:
            continue
        databases = BaseDatabases()
        own = _own_file(file)
        choices = Choices(
            configuration, own.images, tuple(table), (), own.architectures, databases.packages
        )
        found = images_of_files((), written, choices)
        configuration = _with(configuration, found)
        where = f"{file.forge}:{file.repository} ({file.branch})"
        notes += [f"{where}: {text}" for text in (*found.problems, *databases.problems)]
    return Requested(configuration, tuple(notes))


def written_images(file: BranchFile) -> tuple[WrittenImage, ...]:
    """The images of a branch's files, by the names that history has for them."""
    if file.private:
        return ()
    contents = {path: text.encode() for path, text in (file.requests or {}).items()}
    found: dict[str, WrittenImage] = {}
    for path in sorted(contents):
        kind = kind_of(path, [contents])
        for image in images_of(kind.name, path, contents) if kind is not None else ():
            found.setdefault(
                image.name, replace(image, name=tracked_name(file.repository, image.name))
            )
    return tuple(found.values())


def tracked_name(repository: str, name: str) -> str:
    """The name of an image of a repository's file in history."""
    return f"{repository}/{name}"


def _own_file(file: BranchFile) -> RepositoryFile:
    """The branch's `.minimize.yaml`; one that is wrong says nothing, and is named elsewhere."""
    try:
        return read_repository_file((file.content or "").encode())
    except UsageError:
        return RepositoryFile()


def _with(configuration: Configuration, found: FileImages) -> Configuration:
    """A configuration with images; one that a branch before has under the same name stays."""
    more = {
        image.key: image.head
        for image in found.images
        if image.head is not None and image.key not in configuration.requested
    }
    return replace(with_images(configuration, found), requested={**configuration.requested, **more})
