"""The images that others are built on: the repositories and environment that each stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from bot.distro.fields import EXACT
from bot.requests.values import WrittenImage


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A row of the table of base images, by a glob of references (`registry.example.org/fedora:*`).

    `environment` has the packages that the image holds, `repository` the repositories that it is
    set up with. `weak_dependencies` and `documentation` are its dnf.conf's: whether they are
    installed unless a line says otherwise. `files` is the path of the image's files or of its OCI
    layout, whose rpm database says what it holds; empty where only the environment tells.
    """

    image: str
    repository: str
    environment: str
    weak_dependencies: bool = True
    documentation: bool = True
    files: str = ""


@dataclass(frozen=True, slots=True)
class FileImage:
    """The repositories and the environment of the images of the files that a glob names."""

    __pydantic_config__: ClassVar = EXACT

    file: str
    repository: str
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The documents that an image stands on; `environment` is null where it begins empty.

    `weak_dependencies` and `documentation` are null where the base image's own are not known.
    """

    repository: str
    environment: str | None
    weak_dependencies: bool | None = None
    documentation: bool | None = None
    files: str = ""


def place_of(
    image: WrittenImage, files: Iterable[FileImage], table: Iterable[BaseImage]
) -> Place | None:
    """The place of an image: the repository's own choice for its file before the table's row of
    its base image; null where neither has one."""
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
    """Return whether a glob names a reference; one without a tag is `latest`."""
    name = reference.rpartition("@")[0] or reference
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    return any(fnmatchcase(each, glob) for each in (reference, name, tagged))
