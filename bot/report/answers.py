"""Closures, reasons, what-ifs and impacts as terminal text.

`closures_text` does not use rich, whose import takes longer than a solve, so that a cold `minimize
closure` in a pipe does not load it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from bot.model.closure import Broken, Closure, Edge, ImageImpact, Impact, WhatIf, Why
from bot.model.image import ImageKey
from bot.model.package import Package
from bot.report.causes import UnsolvableAnswer, cause_phrase, why_unsolvable
from bot.report.grouping import essential_causes
from bot.report.phrase import Phrase, plain, printable, to_line, to_text, visible
from bot.report.sizes import format_size
from bot.report.template import say

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.tree import Tree


# The number of packages that a list shows; JSON has all.
_SHOWN = 40


def closures_text(closures: Iterable[Closure]) -> str:
    """Return each closure as a heading and aligned lines: package, installed size, reason."""
    return "\n".join(_closure_lines(c) for c in sorted(closures, key=lambda c: c.key))


def print_closures(closures: Iterable[Closure], console: Console) -> None:
    """Print each closure as `closures_text` does; on a terminal long lines are truncated."""
    if not console.is_terminal:
        console.file.write(closures_text(closures))
        return
    from rich.text import Text

    for closure in sorted(closures, key=lambda c: c.key):
        heading, *lines = _closure_lines(closure).splitlines()
        console.print(Text(heading, style="bold"))
        for line in lines:
            console.print(Text(line), no_wrap=True, overflow="ellipsis")
        console.print()


def print_why(package: str, whys: Iterable[Why], console: Console) -> None:
    """Print for each image the chains to `package` as trees, and what would remove it."""
    from rich.text import Text

    console = fitted(console)
    for why in sorted(whys, key=lambda w: w.key):
        if why.nevra is None:
            show(
                console,
                Text(to_line(say.is_not_in(package=package, image=_image(why.key))), style="bold"),
            )
            continue
        heading = Text(visible(str(why.nevra)), style="bold")
        show(
            console,
            heading + Text(f" {to_line(say.is_in(image=_image(why.key)))}", style="default"),
        )
        for chain in why.chains:
            show(console, _tree(chain))
        if not why.chains:
            reason = say.requested if why.nevra in why.roots else say.why_chosen
            show(console, Text(f"  {to_line(reason())}"))
        if why.leaves_with:
            together = len(why.leaves_with) > 1
            intro = say.leaves_without_all() if together else say.leaves_without()
            show(console, Text(to_line(intro)))
            for leaving in why.leaves_with:
                need = say.requires_what(package=str(leaving.nevra), capability=leaving.capability)
                show(console, Text(f"  {to_line(need)}"))
        elif why.chains:
            show(console, Text(to_line(say.leaves_never())))
        console.print()


def print_what_if(answers: Iterable[WhatIf], console: Console) -> None:
    """Print for each image the packages that would leave and come, and the saved bytes."""
    from rich.text import Text

    console = fitted(console)
    for answer in sorted(answers, key=lambda a: a.key):
        image = _image(answer.key)
        if answer.status != "ok":
            show(console, Text(to_line(say.could_not_be_installed(image=image)), style="bold"))
            for problem in unsolvable_lines(answer):
                show(console, Text(f"  {problem}", style="red"))
            continue
        if not answer.removed and not answer.added:
            reason = next(iter(answer.problems), "")
            nothing = say.nothing_would_leave(image=image, why=reason)
            show(console, Text(to_line(nothing), style="bold"))
            continue
        saved = "an unknown size" if answer.saved is None else format_size(answer.saved)
        leaving = say.would_leave(image=image, packages=len(answer.removed), saved=saved)
        show(console, Text(to_line(leaving), style="bold"))
        table = _table(("Package", "Installed size", ""))
        for package, word in (
            *((p, "leaves") for p in _by_size(answer.removed)),
            *((p, "comes instead") for p in _by_size(answer.added)),
        ):
            table.add_row(
                Text(visible(str(package.nevra))), Text(format_size(package.installed_size)), word
            )
        show(console, table)
        for need in answer.because:
            words = say.requires_what(package=str(need.nevra), capability=need.capability)
            show(console, Text(f"  {to_line(words)}"))
        console.print()


def unsolvable_text(closure: Closure) -> str:
    """`nginx on minimal, centos-stream-9, x86_64 cannot be installed: nothing provides ...`."""
    reason = why_unsolvable(closure)
    return to_line(say.image_unsolvable(image=_image(closure.key), reason=reason))


def image_text(key: ImageKey) -> str:
    """`nginx on minimal, centos-stream-9, x86_64`."""
    return to_line(_image(key))


def _image(key: ImageKey) -> Phrase:
    return say.image_named(
        workload=key.workload, environment=key.environment, repository=key.repository, arch=key.arch
    )


def fitted(console: Console) -> Console:
    """Return the console itself on a terminal; elsewhere one that neither wraps nor truncates."""
    from rich.console import Console as RichConsole

    if console.is_terminal:
        return console
    return RichConsole(file=console.file, width=10_000, color_system=None, force_terminal=False)


def show(console: Console, renderable: RenderableType) -> None:
    """Print `renderable` without rich's highlighting, markup and emoji.

    No text in it can control the terminal: only rich's own control characters are printed.
    """
    from rich.segment import Segment, Segments

    segments = [
        segment if segment.control else Segment(printable(segment.text), segment.style)
        for segment in console.render(renderable, console.options.update(highlight=False))
    ]
    console.print(Segments(segments), highlight=False, emoji=False, markup=False, end="")


def impact_text(impact: Impact) -> str:
    """Return the images, then the packages that break, by repository and architecture."""
    lines = [line for image in impact.images for line in _impact_lines(image)]
    if not impact.images:
        lines.append(to_line(say.impact_none()))
    lines += _broken_lines(impact.broken)
    return "\n".join(lines) + "\n"


def _impact_lines(image: ImageImpact) -> Iterator[str]:
    named = plain(image_text(image.key))
    if image.status != "ok":
        yield to_line(say.impact_broken(image=named))
        for cause in image.causes[:3]:
            yield f"  {visible(to_text(cause_phrase(cause)), 1000)}"
        return
    saved = "an unknown size" if image.saved is None else format_size(image.saved)
    yield to_line(
        say.impact_moves(image=named, leave=len(image.removed), come=len(image.added), saved=saved)
    )


def _broken_lines(broken: Iterable[Broken]) -> Iterator[str]:
    for (repository, arch), of_place in groupby(
        broken, lambda package: (package.repository, package.arch)
    ):
        packages = list(of_place)
        yield to_line(say.impact_place(repository=repository, arch=arch, packages=len(packages)))
        for package in packages[:_SHOWN]:
            lacks = say.impact_package(package=str(package.nevra), capability=package.capability)
            yield f"  {to_line(lacks)}"
        if len(packages) > _SHOWN:
            yield f"  {to_line(say.and_more(others=len(packages) - _SHOWN))}"


def _closure_lines(closure: Closure) -> str:
    if closure.status != "ok":
        problems = "".join(f"  {problem}\n" for problem in unsolvable_lines(closure))
        return f"{_heading(closure)}\n{problems}"
    rows = list(_rows(closure))
    longest = max((len(name) for name, _, _ in rows), default=0)
    widest = max((len(size) for _, size, _ in rows), default=0)
    lines = [f"  {name:<{longest}}  {size:>{widest}}  {why}".rstrip() for name, size, why in rows]
    return "\n".join([_heading(closure), *lines]) + "\n"


def _heading(closure: Closure) -> str:
    image = _image(closure.key)
    if closure.status != "ok":
        return to_line(say.closure_unsolvable(image=image))
    sizes = [package.installed_size for package in closure.packages]
    total = sum(size for size in sizes if size is not None)
    return to_line(
        say.closure_size(
            image=image, packages=len(sizes), size=format_size(total), unknown=sizes.count(None)
        )
    )


def unsolvable_lines(answer: UnsolvableAnswer) -> Iterator[str]:
    """Yield each cause with its chain, then the number of the causes left out."""
    causes = essential_causes(answer.causes)
    for cause in causes:
        yield to_line(cause_phrase(cause))
        for edge in (*cause.chain, *cause.conflicts_with_chain):
            yield "  " + to_line(
                say.requires_whom(
                    package=str(edge.source), capability=edge.capability, target=str(edge.target)
                )
            )
    others = len(answer.causes) - len(causes)
    if others:
        yield to_line(say.more_causes_alike(causes=others))
    for problem in () if causes else answer.problems:
        yield visible(problem, 1000)


def _rows(closure: Closure) -> Iterator[tuple[str, str, str]]:
    """Yield NEVRA, size and first requirement of each package; the largest packages first."""
    first: dict[object, Edge] = {}
    others: dict[object, int] = {}
    for requirement in closure.edges:
        if requirement.source != requirement.target:
            first.setdefault(requirement.target, requirement)
            others[requirement.target] = others.get(requirement.target, -1) + 1
    for package in _by_size(closure.packages):
        edge = first.get(package.nevra)
        if package.nevra in closure.requested:
            why = "requested"
        elif edge is None:
            why = ""
        else:
            rest = f" and {others[package.nevra]} more" if others[package.nevra] else ""
            why = visible(f"{edge.source.name} {edge.kind} {edge.capability}{rest}")
        yield visible(str(package.nevra)), format_size(package.installed_size), why


def _by_size(packages: Iterable[Package]) -> list[Package]:
    return sorted(packages, key=lambda p: (-(p.installed_size or 0), p.nevra))


def _tree(chain: tuple[Edge, ...]) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(visible(str(chain[0].source)), style="cyan") + Text(" requested", "dim"))
    branch = tree
    for edge in chain:
        need = Text(f"{edge.kind} {visible(edge.capability)}: ", style="dim")
        branch = branch.add(need + Text(visible(str(edge.target)), style="cyan"))
    return tree


def _table(head: tuple[str, str, str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(head[0], no_wrap=True)
    table.add_column(head[1], justify="right", no_wrap=True)
    table.add_column(head[2])
    return table
