"""Types of configuration fields: the YAML that they accept, and the resulting value.

The markers are pydantic's validators without pydantic, which is slow to import: only validation
needs it (`bot.distro.validation`). Scalars come as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from bot.model.architecture import DEFAULT_ARCHITECTURES, RPM_ARCHITECTURES
from bot.model.package import Reference

if TYPE_CHECKING:
    from pydantic import ConfigDict, GetCoreSchemaHandler
    from pydantic_core import CoreSchema

# The policy on unknown keys of a document's class (pydantic's `extra`): ignored, or refused.
TOLERANT: ConfigDict = {"extra": "ignore"}
EXACT: ConfigDict = {"extra": "forbid"}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_SIZE = re.compile(r"^(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)$")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)\s*(?P<unit>s|min|h|d)")


def parse_size(text: str) -> int:
    """Bytes in `text`; kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024.

    Raises ValueError with a sentence on what is expected.
    """
    match = _SIZE.match(text.strip())
    factor = _BYTES.get(match["unit"].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"expected a size such as `60 MB` or `500 KiB`, not `{text}`")
    whole, _, fraction = match["number"].partition(".")
    # In whole numbers: 0.1 MB is exactly 100000 bytes, without rounding of floats.
    return int(whole + fraction) * factor // int("1" + "0" * len(fraction))


def parse_duration(text: str) -> float:
    """Seconds in `text`. Raises ValueError with a sentence on what is expected."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a duration such as `30 min` or `2 h`, not `{text}`")
    return float(match["number"]) * _SECONDS[match["unit"]]


@dataclass(frozen=True, slots=True)
class Before:
    """Applies `function` to the input; its ValueError is the field's error."""

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The type's schema behind the function."""
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self.function, handler(source))


@dataclass(frozen=True, slots=True)
class After:
    """Applies `function` to the value; its ValueError is the field's error.

    `read_as` is the type that the input is validated as, if it differs from the value's.
    """

    function: Callable[[Any], Any]
    read_as: Any = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The function behind the schema of the type that is read."""
        from pydantic_core import core_schema

        schema = handler(source) if self.read_as is None else handler.generate_schema(self.read_as)
        return core_schema.no_info_after_validator_function(self.function, schema)


@dataclass(frozen=True, slots=True)
class Within:
    """A number's limits, both included."""

    least: int
    most: int = 2**63 - 1  # the largest integer of SQLite

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The number's schema with the limits."""
        schema: Any = dict(handler(source))
        schema |= {"ge": self.least, "le": self.most}
        if schema["type"] == "float":
            schema["allow_inf_nan"] = False
        return schema  # type: ignore[no-any-return]  # the schema of a number with two more keys


def matching(pattern: str, expected: str) -> After:
    """A check that the whole text matches `pattern`; `expected` begins the error."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"{expected}, not `{value}`")
        return value

    return After(check)


def _nothing_is_empty(value: Any) -> Any:
    return [] if value is None else value


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else _nothing_is_empty(value)


def no_mapping_is_empty(value: Any) -> Any:
    """An empty mapping for null, else the value."""
    return {} if value is None else value


def without_repeats(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values without repeats, in their order."""
    return tuple(dict.fromkeys(values))


def _url(value: str) -> str:
    if "@" in value.partition("://")[2].partition("/")[0]:
        # It is not repeated: it may contain a password.
        raise ValueError(
            "expected a URL without user name or password: give `username` and `password` by"
            " reference, {env: NAME} or {file: PATH}"
        )
    if not value.startswith(("https://", "http://", "file:///")):
        raise ValueError(
            f"expected a URL that begins with https://, http:// or file:///: `{value}`"
        )
    try:
        urlsplit(value).port  # noqa: B018  # raises if the port is invalid
    except ValueError as error:
        raise ValueError(f"expected a URL, not `{value}`: {error}") from error
    return value


def _proxy(value: str) -> str:
    if value.lower() in ("", "_none_"):
        return ""
    if not value.startswith(("http://", "https://")):
        raise ValueError("expected a proxy such as http://proxy.example.org:3128, or `_none_`")
    return _url(value)


def _pem_file(value: Any) -> str | Reference:
    if isinstance(value, str) and value.startswith("/"):
        return value
    if isinstance(value, dict) and list(value) == ["env"] and isinstance(value["env"], str):
        return Reference("env", value["env"])
    raise ValueError("expected an absolute path of a PEM file, or {env: NAME} of one")


def _secret(value: Any) -> Reference:
    """A reference to a secret; errors never repeat the value, which may be the secret itself."""
    if not isinstance(value, dict):
        # pydantic reports ValueErrors with their place, but not TypeErrors.
        raise ValueError(  # noqa: TRY004
            "expected a reference, {env: NAME} or {file: PATH}, never the secret itself"
        )
    if set(value) == {"repofile", "section", "option"}:  # of a `.repo` file that was read
        return Reference("repofile", value["repofile"], value["section"], value["option"])
    if len(value) == 1:
        ((kind, name),) = value.items()
        if kind in ("env", "file") and isinstance(name, str) and name:
            return Reference(kind, name)
    raise ValueError("expected one of `env` and `file`")


def known_arches(values: tuple[str, ...]) -> tuple[str, ...]:
    """The architectures that rpm knows; ValueError if there are none."""
    arches = tuple(arch for arch in without_repeats(values) if arch in RPM_ARCHITECTURES)
    if values and not arches:
        common = ", ".join(DEFAULT_ARCHITECTURES)
        raise ValueError(f"expected an architecture by rpm's name, such as {common}")
    return arches


def _of_known_arches(values: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    return {arch: of for arch, of in values.items() if of and arch in RPM_ARCHITECTURES}


def _at_least_one(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("expected at least one, not an empty list")
    return values


Words = Annotated[str, Before(lambda value: "" if value is None else value)]
Paragraph = Annotated[Words, After(str.strip)]
Names = Annotated[tuple[str, ...], After(without_repeats)]
Texts = Annotated[Names, Before(_nothing_is_empty)]
OneOrMany = Annotated[Names, Before(_one_or_many)]
ByArch = Annotated[
    Mapping[str, tuple[str, ...]],
    After(_of_known_arches, dict[str, Texts]),
    Before(no_mapping_is_empty),
]
Url = Annotated[str, After(_url)]
Urls = Annotated[tuple[str, ...], After(without_repeats, tuple[Url, ...]), Before(_one_or_many)]
Proxy = Annotated[str, After(_proxy)]
PemFile = Annotated[str | Reference, After(_pem_file, Any)]
Secret = Annotated[Reference, After(_secret, Any)]
Arches = Annotated[Texts, After(known_arches)]
SomeArches = Annotated[tuple[str, ...], After(_at_least_one), After(known_arches)]
Count = Annotated[int, Within(0)]
Size = Annotated[
    int, Within(0), Before(lambda value: parse_size(value) if isinstance(value, str) else value)
]
Percent = Annotated[
    float,
    Within(0),
    Before(lambda value: value.removesuffix("%").strip() if isinstance(value, str) else value),
]
# libsolv's priorities are of 32 bits.
Priority = Annotated[int, Within(-(2**31), 2**31 - 1)]
_NAME_STREAM = r"[^:\s/]+:[^:\s/]+"
Module = Annotated[str, matching(_NAME_STREAM, "expected `name:stream`")]
Platform = Annotated[
    str, matching(_NAME_STREAM, "expected `platform:` and its stream, such as `platform:el9`")
]
Dist = Annotated[
    str, matching(r"\.[A-Za-z0-9._~^+]+", "expected a dot and a suffix, such as `.el9`")
]
Lookaside = Annotated[
    str,
    matching(
        r"https?://([^{}\s]|\{(name|file|hashtype|hash)\})+",
        "expected an http(s) URL with {name}, {file}, {hashtype} and {hash}",
    ),
]
Release = Annotated[str, matching(r"[^\s/]+", "expected a release such as `10` or `rawhide`")]
Variable = Annotated[str, matching(r"[A-Za-z0-9_]+", "expected a name of letters and digits")]
