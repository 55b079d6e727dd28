"""Sentences with slots: `This change adds {added:# package} to {image:image}`.

A template is text of our own. `{name}` stands for a phrase, `{name:kind}` for a value of one of
KINDS, which is checked, written and escaped as its kind says. Besides these:

- `{n:# package}`: a number with its noun, `1 package`, `3 packages`; `{n:#}`: the number alone;
- `{n:is|are}`: the word that fits the number;
- `{url:link The full report}`: a link with these words;
- `[ of {size:size}]`: a part that is left out where one of its slots is empty: no phrase, no text,
  or a number below 1 of `#`;
- `**words**` and `` `words` ``: our own words, strong or as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Any

from bot.model.spec import SpecLine
from bot.report.phrase import (
    Phrase,
    code,
    figure,
    joined,
    link,
    listing,
    message,
    name,
    plain,
    prose,
    strong,
)
from bot.report.sizes import format_delta, format_size, plural

# Workload, environment, repository.
Place = tuple[str, str, str]
_OPTIONAL = re.compile(r"\[([^]]*)\]")
_MARKED = re.compile(r"\*\*([^*]+)\*\*|`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of values in sentences: how it is written, with an example."""

    types: tuple[type, ...]
    write: Callable[[Any], Phrase]
    example: object


def workload_name(workload: str, *, emphasis: bool = False) -> Phrase:
    """Return a workload; `@self` and `@self:NAME` stand for packages that no workload has."""
    itself, _, package = workload.partition(":")
    if itself != "@self":
        return name(workload, strong=emphasis)
    if not package:
        return say.package_itself()
    return say.itself(package=code(package, strong=emphasis))


def image_phrase(place: Place, *, emphasis: bool = False) -> Phrase:
    """nginx on minimal, centos-stream-9."""
    workload, environment, repository = place
    named = workload_name(workload, emphasis=emphasis)
    return say.image(workload=named, environment=environment, repository=repository)


def short_image(place: Place, others: Iterable[Place], *, emphasis: bool = False) -> Phrase:
    """Return an image by its workload, and what distinguishes it from `others` of that workload."""
    if place[0].startswith("@self"):
        alone = workload_name(place[0], emphasis=emphasis)
        return say.alone_on(workload=alone, environment=place[1])
    alike = [similar for similar in others if similar[0] == place[0]]
    differences = [
        name(place[n]) for n in (1, 2) if any(similar[n] != place[n] for similar in alike)
    ]
    return say.short_image(
        workload=workload_name(place[0], emphasis=emphasis), others=listing(differences)
    )


def commit(revision: str) -> Phrase:
    """Return a commit id without markup: forges shorten and link it."""
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", revision):
        return plain(revision)
    return code(revision)


def short_commit(revision: str) -> Phrase:
    """Return the first twelve digits of a commit id, by which git and forges find it."""
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", revision):
        return plain(revision[:12])
    return commit(revision)


def day(moment: str) -> Phrase:
    """Return the day of a time in RFC 3339."""
    date = moment[:10]
    return plain(date) if re.fullmatch(r"\d{4}-\d\d-\d\d", date, re.ASCII) else code(date)


def line_place(line: SpecLine) -> Phrase:
    """`nginx.spec` line 31."""
    return say.line_place(path=line.path, line=line.line)


def line_phrase(line: SpecLine) -> Phrase:
    """Return `Requires: perl` (`nginx.spec` line 31); for a macro with the line that it changes."""
    return say.line(text=line.text, place=line_place(line), feeds=feeds_phrase(line))


def feeds_phrase(line: SpecLine) -> Phrase:
    """Return `, which decides Requires: %{need} (line 31)`; empty if the line states it itself."""
    if not line.feeds:
        return ()
    first, *others = line.feeds
    return say.feeds(text=first.text, line=first.line, others=len(others))


def quoted(text: str) -> Phrase:
    """A foreign title in quotation marks."""
    return say.quoted(text=text)


_TEXT = (str,)
_SIZE = (int, type(None))
KINDS = {
    "": Kind((tuple,), lambda phrase: phrase, None),
    # Words of our own: a verb, an architecture, a span of counts.
    "words": Kind(_TEXT, plain, ""),
    "package": Kind(_TEXT, code, "perl-libs"),
    "capability": Kind(_TEXT, code, "libperl.so.5.36()(64bit)"),
    "path": Kind(_TEXT, code, "nginx.spec"),
    "file": Kind(_TEXT, code, "/usr/share/nginx/tool"),
    "code": Kind(_TEXT, code, "Recommends: perl"),
    "name": Kind(_TEXT, name, "minimal"),
    "user": Kind(_TEXT, code, "maria"),
    "prose": Kind(_TEXT, prose, "worth 3.5 MB in C++"),
    "message": Kind(_TEXT, message, "nothing provides perl >= 5 needed by nginx"),
    "title": Kind(_TEXT, quoted, "nginx stays small"),
    "commit": Kind(_TEXT, commit, "e2" * 20),
    "short commit": Kind(_TEXT, short_commit, "e2" * 20),
    "day": Kind(_TEXT, day, "2026-11-27T00:00:00Z"),
    "number": Kind((int,), lambda number: plain(str(number)), 3),
    "size": Kind(_SIZE, lambda size: figure(format_size(size)), 31_400_000),
    "delta": Kind(_SIZE, lambda size: figure(format_delta(size)), 31_400_000),
    # One size or several, as text: `30.7 to 31.4 MB`.
    "figure": Kind(_TEXT, figure, "30.7 to 31.4 MB"),
    "strong figure": Kind(_TEXT, lambda text: figure(text, strong=True), "30.7 to 31.4 MB"),
    "line": Kind((SpecLine,), line_phrase, SpecLine("nginx.spec", 31, "Requires: perl")),
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of a template. `counts`: a number below 1 leaves its part out."""

    name: str
    kind: Kind
    counts: bool = False

    def show(self, value: object) -> Phrase:
        """Return `value` as a phrase; TypeError if it is of another kind."""
        if not isinstance(value, self.kind.types) or isinstance(value, bool):
            raise TypeError(f"{self.name} is {value!r}, not of {self.kind.types}")
        return self.kind.write(value)

    def is_empty(self, value: object) -> bool:
        return value in ((), "") or (self.counts and isinstance(value, int) and value < 1)


class Template:
    """A sentence, or a part of one, with slots.

    Called with their values it returns a phrase. ValueError for an unknown kind; TypeError for
    wrong slots, or a value that is not of the slot's kind.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = _OPTIONAL.split(text)
        self._parts = [(bool(n % 2), _nodes(part)) for n, part in enumerate(parts) if part]
        self.slots = {
            node.name: node
            for _, nodes in reversed(self._parts)
            for node in reversed(nodes)
            if isinstance(node, Slot)
        }

    def __call__(self, **values: object) -> Phrase:
        if values.keys() != self.slots.keys():
            raise TypeError(f"{self.text!r} has the slots {[*self.slots]}, not {[*values]}")
        phrase: Phrase = ()
        for optional, nodes in self._parts:
            slots = [node for node in nodes if isinstance(node, Slot)]
            if optional and any(slot.is_empty(values[slot.name]) for slot in slots):
                continue
            for node in nodes:
                phrase += node.show(values[node.name]) if isinstance(node, Slot) else node
        return phrase


def sentences(*phrases: Phrase) -> Phrase:
    """Sentences one after the other, without those that are empty."""
    return joined([phrase for phrase in phrases if phrase], " ")


def _nodes(text: str) -> list[Phrase | Slot]:
    nodes: list[Phrase | Slot] = []
    for own, field, spec, _ in Formatter().parse(text):
        if own:
            nodes.append(_own(own))
        if field is not None:
            nodes.append(_slot(field, spec or ""))
    return nodes


def _own(text: str) -> Phrase:
    """Our own words, with the marks for strong ones and code."""
    phrase: Phrase = ()
    for n, part in enumerate(_MARKED.split(text)):
        if part:
            phrase += (plain, strong, code)[n % 3](part)
    return phrase


def _slot(field: str, spec: str) -> Slot:
    if spec.startswith("#"):
        noun = spec[1:].strip()
        return Slot(field, Kind((int,), lambda n: plain(_counted(n, noun)), 3), counts=True)
    if "|" in spec:
        singular, several = spec.split("|")
        return Slot(field, Kind((int,), lambda n: plain(singular if n == 1 else several), 3))
    if spec.startswith("link "):
        words = spec[5:]
        return Slot(field, Kind(_TEXT, lambda url: link(words, url), "https://minimize.example/1"))
    if not field.isidentifier() or spec not in KINDS:
        raise ValueError(f"a slot {{{field}:{spec}}} has no known kind: {sorted(KINDS)}")
    return Slot(field, KINDS[spec])


def _counted(count: int, noun: str) -> str:
    return plural(count, noun) if noun else str(count)


class Sentences:
    """The sentences of a TOML file, each a template with a name; read on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def templates(self) -> dict[str, Template]:
        """All templates by their names."""
        import tomllib

        texts = tomllib.loads(self.path.read_text(encoding="utf-8"))
        return {name: Template(text) for name, text in texts.items()}

    def __getitem__(self, name: str) -> Template:
        return self.templates[name]

    def __getattr__(self, name: str) -> Template:
        if name not in self.templates:
            raise AttributeError(f"{self.path.name} has no sentence {name}")
        return self.templates[name]


say = Sentences(Path(__file__).with_name("sentences.toml"))
