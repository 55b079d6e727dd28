"""One parser and its mutated inputs: what it does not refuse, what takes memory or time.

The inputs follow from the parser's name and their number, so that a run goes on where it stopped.
Inputs by which new lines of the project's code are reached are kept, and mutated in their turn.
"""

from __future__ import annotations

import hashlib
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import CodeType, FrameType

from tests.fuzz.mutation import mutated
from tests.fuzz.parser import Parser

SECONDS = 1.0
MEMORY = 64 * 1024 * 1024
_HANGS = 10.0  # seconds after which an input is given up
_MOST_KEPT = 500
_TOGETHER = 50
_BOT = str(Path(__file__).parents[2] / "bot")
_TOOL = sys.monitoring.COVERAGE_ID if hasattr(sys, "monitoring") else 0


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that a parser neither reads nor refuses within its limits, and what happened."""

    parser: str
    what: str
    content: bytes


@dataclass(slots=True)
class Corpus:
    """The inputs of one parser that reached new lines, in a folder or in memory alone."""

    parser: Parser
    folder: Path | None = None
    inputs: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs = list(self.parser.seeds)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.inputs += [path.read_bytes() for path in sorted(self.folder.iterdir())]

    def keep(self, content: bytes) -> None:
        """Add an input."""
        if len(self.inputs) < _MOST_KEPT:
            self.inputs.append(content)
            if self.folder is not None:
                name = hashlib.sha256(content).hexdigest()[:24]
                (self.folder / name).write_bytes(content)


class _HangsError(BaseException):
    """An input took too long; nothing on the way catches it."""


def fuzz(parser: Parser, corpus: Corpus, first: int, count: int) -> Iterator[Finding]:
    """Give the parser the inputs of the numbers from `first` on; yield what is found."""
    with _alarm(), _limited_memory(), _new_lines() as reached:
        for content in parser.seeds:
            # The first input pays for imports and templates, which are no work of its own.
            _one(parser, content)
        yield from _together(parser, corpus.inputs)
        reached.clear()
        end = first + count
        for start in range(first, end, _TOGETHER):
            given = []
            for number in range(start, min(start + _TOGETHER, end)):
                # Kept inputs that come later must not change the ones that a resumed run makes.
                random = Random(f"{parser.name} {number}")
                given.append(mutated(corpus.inputs, random))
            yield from _together(parser, given, on_read=lambda c: _keep(corpus, c, reached))


def _keep(corpus: Corpus, content: bytes, reached: set[tuple[str, int]]) -> None:
    if reached:
        corpus.keep(content)
        reached.clear()


def _together(
    parser: Parser, inputs: Sequence[bytes], on_read: Callable[[bytes], None] = lambda _: None
) -> Iterator[Finding]:
    """Give the parser inputs, their memory measured together; alone where that was too much.

    To ask the kernel for each costs more than most inputs do.
    """
    _reset_peak()
    before = _peak()
    for content in inputs:
        if what := _one(parser, content):
            yield Finding(parser.name, what, content)
        else:
            on_read(content)
    if _peak() - before <= MEMORY:
        return
    for content in inputs:
        _reset_peak()
        before = _peak()
        _one(parser, content)
        if (grown := _peak() - before) > MEMORY:
            yield Finding(parser.name, f"takes {grown >> 20} MiB", content)


def _one(parser: Parser, content: bytes) -> str | None:
    """Give the parser one input; return what is wrong, apart from its memory."""
    # The processor's time: others may be busy too.
    started = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, _HANGS)
    try:
        parser.read(content)
    except parser.refusals:
        pass
    except _HangsError:
        return f"does not end in {_HANGS:g} s\n{traceback.format_exc()}"
    except MemoryError:
        return f"takes more memory than is there\n{traceback.format_exc()}"
    except Exception:  # noqa: BLE001  # whatever it is, it is what is looked for
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - started
    return f"takes {seconds:.2f} s" if seconds > SECONDS else None


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most resident memory since the last reset, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123  # often
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


@contextmanager
def _alarm() -> Iterator[None]:
    def hang(_number: int, _frame: FrameType | None) -> None:
        raise _HangsError

    before = signal.signal(signal.SIGPROF, hang)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _limited_memory() -> Iterator[None]:
    """At most 1 GiB more than now: an input that takes all does not take the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (1 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def _new_lines() -> Iterator[set[tuple[str, int]]]:
    """The lines of the project that are reached for the first time since this was entered."""
    reached: set[tuple[str, int]] = set()
    if not hasattr(sys, "monitoring") or sys.monitoring.get_tool(_TOOL) is not None:
        yield reached  # Python 3.11, or somebody else measures
        return

    def line(code: CodeType, number: int) -> object:
        if code.co_filename.startswith(_BOT):
            reached.add((code.co_filename, number))
        return sys.monitoring.DISABLE

    events = sys.monitoring.events
    sys.monitoring.use_tool_id(_TOOL, "fuzz")
    sys.monitoring.register_callback(_TOOL, events.LINE, line)
    sys.monitoring.set_events(_TOOL, events.LINE)
    sys.monitoring.restart_events()
    try:
        yield reached
    finally:
        sys.monitoring.set_events(_TOOL, 0)
        sys.monitoring.free_tool_id(_TOOL)
