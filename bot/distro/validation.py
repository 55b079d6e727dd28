"""Validates parsed YAML against the types of its fields: values, or errors with their places."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from bot.distro.fields import After

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_T = TypeVar("_T")
Place = tuple[str | int, ...]
# Characters of a longer text that are shown.
_SHOWN = 200
_EXPECTED = {
    "string_type": "expected text",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "mapping_type": "expected a mapping",
    "dataclass_type": "expected a mapping",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a number",
    "int_parsing_size": "expected a whole number that a computer counts to",
    "less_than_equal": "expected at most {le}",
    "greater_than_equal": "expected {ge} or more",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "literal_error": "expected {expected}",
    "string_too_short": "expected text",
    "date_from_datetime_parsing": "expected a date such as 2027-03-01",
    "date_parsing": "expected a date such as 2027-03-01",
    "date_type": "expected a date such as 2027-03-01",
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """An invalid place of the data, and a message: what is expected, and what it is."""

    place: Place
    message: str


class InvalidDataError(ValueError):
    """Data that is not of a type; `problems` has every place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{dotted(p.place)}: {p.message}" for p in problems))
        self.problems = problems


def dotted(place: Place) -> str:
    """A place as people write it: `data.source.repos.baseos.baseurl`."""
    return ".".join(map(str, place))


def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean `x`?` if `known` has a name similar to `word`, else nothing."""
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean `{matches[0]}`?" if matches else ""


def validated(
    type_: type[_T], data: Any, what: str, place_of: Callable[[Place], Place] = lambda place: place
) -> _T:
    """`data` as a value of the dataclass `type_`; `what` names it in messages (`workload`).

    `place_of` gives the place of a field in the data, if it is not at its own name. Raises
    InvalidDataError.
    """
    from pydantic import ValidationError

    hashable: Any = type_  # mypy doubts that types are hashable
    try:
        return cast(_T, _adapter(hashable).validate_python(data))
    except ValidationError as failure:
        details = failure.errors(include_url=False)
    raise InvalidDataError(
        tuple(
            dict.fromkeys(
                Problem(place_of(_place(detail)), _message(type_, what, detail))
                for detail in details
            )
        )
    )


@lru_cache(maxsize=64)
def _adapter(type_: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(type_)


def keys_of(type_: Any) -> Mapping[str, Any]:
    """The YAML keys of a dataclass, and the type that each is read as."""
    hints = get_type_hints(type_, include_extras=True)
    no_keys = getattr(type_, "no_keys", ("id",))
    keys = {field.name: hints[field.name] for field in fields(type_) if field.name not in no_keys}
    return keys | dict.fromkeys(getattr(type_, "more_keys", ()), Any)


def inner_types(annotation: Any) -> Iterator[tuple[bool, Any]]:
    """The dataclasses that a field is read as; true for those that are values of a mapping."""
    if is_dataclass(annotation):
        yield False, annotation
        return
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        base, *markers = parts
        read_as = [m.read_as for m in markers if isinstance(m, After) and m.read_as is not None]
        yield from inner_types(read_as[0] if read_as else base)
        return
    is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    for part in parts:
        for nested, dataclass_type in inner_types(part):
            yield is_mapping or nested, dataclass_type


def _place(detail: ErrorDetails) -> Place:
    return tuple(step for step in detail["loc"] if step != "[key]")


def _message(type_: Any, what: str, detail: ErrorDetails) -> str:
    place, kind, value = _place(detail), detail["type"], detail["input"]
    last = next((str(step) for step in reversed(place) if isinstance(step, str)), "")
    context = detail.get("ctx") or {}
    if kind in ("missing", "missing_argument"):
        return f"`{last}` is missing" + (
            f", and every {what} must have it" if len(place) == 1 else ""
        )
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        known = list(keys_of(_holder(type_, place)))
        return f"unknown key `{last}`; expected one of {', '.join(known)}{near(last, known)}"
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    expected = _EXPECTED.get(kind)
    if expected is None:
        return str(detail["msg"])
    bounds = {
        name: f"{bound:g}" if isinstance(bound, float) else str(bound).replace("'", "`")
        for name, bound in context.items()
    }
    return f"{expected.format(**bounds)}, not {shown(value)}"


def _holder(type_: Any, place: Place) -> Any:
    """The type that has the last step of a place as its key."""
    for step in place[:-1]:
        for _, inner in inner_types(keys_of(type_).get(str(step), Any)):
            type_ = inner
    return type_


def shown(value: Any) -> str:
    """An invalid value in a message."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    text = str(value)
    return f"`{text}`" if len(text) <= _SHOWN else f"`{text[:_SHOWN]}\N{HORIZONTAL ELLIPSIS}`"
