"""A check, a configuration's report, objectives and tracked steps as terminal text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from bot.model.amount import Amount
from bot.model.result import CheckResult, Verdict
from bot.report.answers import fitted, show
from bot.report.blocks import Block, Bullets, Detail, Graph, Paragraph, Table
from bot.report.causes import blame_url, blame_words, chain_words, change_words
from bot.report.comment import document
from bot.report.objectives import metric_text
from bot.report.phrase import Phrase, joined, to_plain, to_text, visible
from bot.report.sizes import format_count, format_delta, format_size, plural
from bot.report.template import say

if TYPE_CHECKING:
    from rich.console import Console

    from bot.distro.load import ConfigurationReport
    from bot.distro.online import RepositoryAnswer

_HOUR, _DAY = 3600, 86400
_SIGNED = {True: "signed", False: "not signed", None: "no key"}
_TONES: Mapping[Verdict, str] = {
    "success": "bold green",
    "failure": "bold red",
    "neutral": "bold yellow",
    "action_required": "bold yellow",
}
_STYLES = {"code": "cyan", "strong": "bold", "strong-code": "bold cyan", "strong-figure": "bold"}
# Graphs are for browsers; everything else fits a terminal.
_DETAIL = Detail(graph_nodes=0, changed=40, open_rows=40)

Json = Mapping[str, Any]
# Kinds of steps without a change in bytes.
_TURNS = ("unsolvable", "solvable")


def print_check(result: CheckResult, console: Console) -> None:
    """Print the report of a check: the comment without its graphs."""
    report, console = document(result, _DETAIL), fitted(console)
    show(
        console,
        Text(result.verdict, style=_TONES[report.tone])
        + Text(": ")
        + terminal_text(report.headline, console),
    )
    for section in report.sections:
        console.print()
        if section.title:
            show(console, Text(section.title, style="bold"))
        for block in section.blocks:
            _print_block(block, console)
    console.print()
    for phrase in report.next_steps:
        show(console, Text("  - ") + terminal_text(phrase, console))
    for phrase in report.footer:
        show(console, terminal_text(phrase, console, dim=True))


def print_configuration(report: ConfigurationReport, console: Console) -> None:
    """Print the number of documents, and each problem with its place."""
    console = fitted(console)
    for problem in (*report.errors, *report.unused):
        place = Text(visible(problem.place, 5000), style="bold")
        field = Text(f" {visible(problem.field)}: " if problem.field else " ", style="cyan")
        note = Text("" if problem in report.errors else "not used: ", style="yellow")
        show(console, place + field + note + Text(visible(problem.message, 1000)))
    style = "bold red" if report.errors else "bold green"
    checked = say.documents_checked(documents=report.documents, errors=len(report.errors))
    show(console, Text(to_plain(checked), style=style))


def print_objectives(value: Json, console: Console) -> None:
    """Print CONTRACT's `objectives` object: each objective's values, limits, targets, trends."""
    console = fitted(console)
    for objective in value["objectives"]:
        show(console, Text(visible(objective["name"]), style="bold"))
        head = ("Image", "Metric", "Value", "Limit", "Target", "In a week", "State")
        table = _rich_table(head, {2, 3, 4, 5})
        for image in objective["images"]:
            metric, trend = image["metric"], image["trend_per_week"]
            table.add_row(
                _image(image),
                Text(visible(metric)),
                Text(metric_text(metric, image["value"])),
                Text(_target(metric, image["limit"])),
                Text(_target(metric, image["target"])),
                Text("" if trend is None else _delta(metric, round(trend))),
                _met(image["met"]),
            )
        show(console, table)
        console.print()


def print_track(value: Json, console: Console) -> None:
    """Print CONTRACT's `track` object: each changed image, with the packages and the origin."""
    console = fitted(console)
    moved = [image for image in value["images"] if image["steps"]]
    # After an interrupted run an image may be new and have changed since.
    new = [i for i in value["images"] if i["before"] is None and not i["steps"]]
    for image in moved:
        _print_moved(image, console)
    still = _all(value) - len(moved) - len(new)
    counts = [say.images_moved(images=len(moved))] if moved or len(new) < _all(value) else []
    counts += [say.images_new(images=format_count(len(new)))] if new else []
    counts += [say.images_still(images=format_count(still))] if still or not new else []
    show(console, Text(f"{to_plain(joined(counts, ', '))}."))
    if value["objectives"]:
        console.print()
        print_objectives(value, console)


def _all(value: Json) -> int:
    return len(value["images"])


def _print_moved(image: Json, console: Console) -> None:
    before, after = image["before"], image["after"]
    size_before, size_now = ((side or {}).get("installed_size") for side in (before, after))
    change = f"{_weight(before)} \N{RIGHTWARDS ARROW} {_weight(after)}"
    if size_before is not None and size_now is not None:
        change += f" ({format_delta(size_now - size_before)})"
    show(console, _image(image) + Text(f": {change}", style="bold"))
    table = _rich_table(("Package", "Change", "What", "Who", "Through"), {1})
    for step in image["steps"]:
        about = step["cause"]
        url = blame_url(about)
        who = Text(visible(blame_words(about), 200), style=f"link {url}" if url else "")
        table.add_row(
            Text(visible(step["package"])),
            Text("" if about["change"] in _TURNS else format_delta(step["delta"])),
            Text(visible(change_words(about))),
            who,
            Text(visible(chain_words(about["chain"]), 200), style="dim"),
        )
    show(console, table)
    console.print()


def _weight(side: Json | None) -> str:
    """Return the size of an image at one time; None before it was first seen."""
    if side is None:
        return "not there"
    if side.get("status", "ok") != "ok":
        return "cannot be installed"
    return format_size(side.get("installed_size"))


def _print_block(block: Block, console: Console) -> None:
    if isinstance(block, Paragraph):
        show(console, terminal_text(block.phrase, console))
    elif isinstance(block, Bullets):
        for item in block.items:
            show(console, Text("  - ") + terminal_text(item, console))
    elif isinstance(block, Table):
        _print_table(block, console)
    elif isinstance(block, Graph):
        show(console, Text(block.source))


def _print_table(block: Table, console: Console) -> None:
    """Print a table.

    If it is wider than the terminal, columns with one value in all rows become a line before it,
    and figures are wrapped.
    """
    cells = [[terminal_text(phrase, console) for phrase in row] for row in block.rows]
    columns = [*range(len(block.head))]
    table = _filled(block, columns, cells)
    narrow = _width(table, console) > console.width
    if narrow and len(cells) > 1:
        same = [c for c in columns if len({row[c].plain for row in cells}) == 1]
        columns = [c for c in columns if c not in same]
        stated = [Text(f"{block.head[c]}: ") + cells[0][c] for c in same if cells[0][c].plain]
        if stated:
            show(console, Text("; ").join(stated))
        table = _filled(block, columns, cells)
        narrow = _width(table, console) > console.width
    if narrow:
        table = _filled(block, columns, cells, wrapped=True)
    if columns:
        show(console, table)


def _width(table: RichTable, console: Console) -> int:
    """Return the width of a table in which no cell is wrapped, in characters."""
    endless = console.options.update(max_width=10_000, width=10_000)
    return console.measure(table, options=endless).maximum


def _filled(
    block: Table, columns: Sequence[int], cells: Sequence[Sequence[Text]], *, wrapped: bool = False
) -> RichTable:
    """Return some columns of a table; `wrapped`: figures may be wrapped too."""
    right = {place for place, column in enumerate(columns) if column in block.right}
    table = _rich_table([block.head[c] for c in columns], right, wrapped=wrapped)
    for row in cells:
        table.add_row(*(row[c] for c in columns))
    return table


def _rich_table(
    head: Sequence[str], right: frozenset[int] | set[int], *, wrapped: bool = False
) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, title in enumerate(head):
        figures = index in right
        table.add_column(
            title,
            justify="right" if figures else "left",
            no_wrap=figures and not wrapped,
            min_width=max(map(len, title.split()), default=1),
            overflow="fold",
        )
    return table


def terminal_text(phrase: Phrase, console: Console, *, dim: bool = False) -> Text:
    """Return the phrase in colours; without colours code is in backticks."""
    if console.color_system is None:
        return Text(to_text(phrase))
    text = Text(style="dim" if dim else "")
    for piece in phrase:
        link = f" link {piece.url}" if piece.style == "link" else ""
        text.append(piece.text, style=f"{_STYLES.get(piece.style, '')}{link}".strip())
    return text


def _image(key: Json) -> Text:
    place = f"{key['workload']} on {key['environment']}, {key['repository']}, {key['arch']}"
    return Text(visible(place))


def _target(metric: str, value: Amount | None) -> str:
    return "" if value is None else metric_text(metric, value)


def _delta(metric: str, value: int) -> str:
    return f"{value:+d}" if metric == "packages" else format_delta(value)


def _met(met: bool | None) -> Text:
    if met is None:
        return Text("not measured", style="dim")
    return Text("met", style="green") if met else Text("broken", style="red")


def print_repositories(answers: Sequence[RepositoryAnswer], console: Console) -> None:
    """Print a line for each repository and architecture, and the number of unusable ones."""
    console = fitted(console)
    for answer in answers:
        place = Text(visible(f"{answer.document} {answer.repository} {answer.arch}"), style="bold")
        if answer.error is None:
            show(console, place + Text(f": {_state(answer)}"))
        else:
            style = "yellow" if answer.cause == "not asked" else "red"
            words = "not asked: " if answer.cause == "not asked" else ""
            text = visible(f"{words}{answer.error} {answer.hint}".strip(), 1000)
            show(console, place + ": " + Text(text, style=style))
    bad = sum(not answer.reachable and answer.cause != "not asked" for answer in answers)
    checked = say.repositories_checked(repositories=len(answers), unusable=bad)
    show(console, Text(to_plain(checked), style="bold red" if bad else "bold green"))


def _state(answer: RepositoryAnswer) -> str:
    unknown = "an unknown number of packages"
    count = unknown if answer.packages is None else plural(answer.packages, "package")
    state = say.repository_state(
        age=_age(answer.age), signature=_SIGNED[answer.signed], packages=count
    )
    return to_plain(state)


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "of unknown age"
    if seconds < 2 * _DAY:
        return to_plain(say.hours_old(hours=seconds // _HOUR))
    return to_plain(say.days_old(days=seconds // _DAY))
