"""An image's key, its place in JSON, and an image's request to the solver."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import get_annotations
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from bot.model.package import Package

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

T = TypeVar("T")
# The environment of images with exact packages, such as those of a lock file.
LOCKED = "locked"


@dataclass(frozen=True, order=True, slots=True)
class ImageKey:
    """Environment + workload on one repository document and architecture."""

    workload: str
    environment: str
    repository: str
    arch: str


def inline(part: str) -> Callable[[type[T]], type[T]]:
    """Decorate a dataclass whose first field is `part`: in JSON, the fields of `part` replace it.

    They become properties. pydantic is not imported here but when a TypeAdapter is made: commands
    that print text start faster without it.
    """

    def core_schema(_: type[T], source: type[T], handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema as core

        schema: dict[str, Any] = {**handler(source)}
        reference = schema.pop("ref")
        first, *others = schema["schema"]["fields"]
        inner: Any = handler.resolve_ref_schema(first["schema"])
        own = [f for f in inner["schema"]["fields"] if not f.get("serialization_exclude")]
        flat: Any = {
            **schema,
            "schema": {**schema["schema"], "fields": [*own, *others]},
            "fields": [field["name"] for field in (*own, *others)],
        }
        # `part` is read from the whole value: it ignores fields that are not its own.
        nested = core.no_info_before_validator_function(
            lambda value: {**value, part: value} if isinstance(value, dict) else value, schema
        )
        # pydantic reads by the lax schema and writes by the strict one.
        return core.lax_or_strict_schema(nested, flat, ref=reference)

    def json_schema(_: type[T], core: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core["strict_schema"])

    def decorate(cls: type[T]) -> type[T]:
        owner = next(base for base in cls.__mro__ if part in get_annotations(base))
        written: Any = vars(sys.modules[owner.__module__])[get_annotations(owner)[part]]
        for field in fields(written):
            if not field.metadata.get("exclude"):
                setattr(cls, field.name, property(attrgetter(f"{part}.{field.name}")))
        for name, method in (("core", core_schema), ("json", json_schema)):
            setattr(cls, f"__get_pydantic_{name}_schema__", classmethod(method))
        return cls

    return decorate


@dataclass(frozen=True, slots=True)
class PlaceholderPackage:
    """A package that does not exist yet (Content Resolver's `package_placeholders`)."""

    name: str
    source: str
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A job for the solver: the requests of environment and workload on one architecture.

    `requests` are names, `name.arch`, names with version, capabilities or file paths, in the order
    of the documents without duplicates; `groups` are comps group ids. `weak` is true only if a
    document says `include-weak-deps`. `excludes` are globs of names that are not installed, as
    dnf's `--exclude`.

    `beneath` is the image that this one is built on: its packages are installed already and stay,
    except those that globs of names remove: `removes` together with what requires them, as dnf's
    `remove`, `swaps` without, as its `swap`. Neither are installed again. `installed` are the
    packages of an image that is known by its rpm database: it is not solved.
    """

    key: ImageKey
    requests: tuple[str, ...]
    groups: tuple[str, ...] = ()
    weak: bool = False
    placeholders: tuple[PlaceholderPackage, ...] = ()
    excludes: tuple[str, ...] = ()
    beneath: ImageRequest | None = None
    removes: tuple[str, ...] = ()
    swaps: tuple[str, ...] = ()
    installed: tuple[Package, ...] = ()

    @property
    def with_placeholders(self) -> tuple[str, ...]:
        """The requests, then the placeholders' names, each name once."""
        names = [placeholder.name for placeholder in self.placeholders]
        return (*(r for r in self.requests if r not in names), *names)
