"""Stand-ins for what the demo's run needs, so that it takes seconds: no distribution, a fake bot.

As a program, `fake_stage.py DIRECTORY [SECONDS]` runs the demo with --keep on them; it may wait so
long for its bot.
"""

import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAKE = Path(__file__).with_name("fake_bot.py")


@dataclass(frozen=True)
class Files:
    base: dict[str, bytes] = field(default_factory=lambda: {"nginx.spec": b"Name: nginx\n"})
    head: dict[str, bytes] = field(
        default_factory=lambda: {"nginx.spec": b"Name: nginx\nRequires: perl\n"}
    )
    title: str = "Need perl"
    body: str = "Because."
    name: str = "nginx"


@dataclass(frozen=True)
class Distribution:
    config_dir: Path


@dataclass(frozen=True)
class NoUpdates:
    config: Path


async def no_track(*_: Any) -> None:
    """In the place of `minimize track`: there are no documents to track."""


async def nothing_after(*_: Any) -> list[str]:
    """In the place of the merge and what follows it: the fake bot keeps no history."""
    return []


def stand_ins(directory: Path) -> Mapping[str, Callable[..., Any]]:
    """Return the replacements of names in `bot.demo.run.demo`."""
    start = [sys.executable, str(FAKE), "serve", "--settings"]
    return {
        "begin_updates": lambda *_: NoUpdates(directory),
        "run_track": no_track,
        "play_on": nothing_after,
        "build_reference_distribution": lambda *_: Distribution(directory),
        "nginx_repository_files": lambda _: Files(),
        "serve_command": lambda places: [*start, str(places.settings)],
    }


def limit_the_wait(demo: Any) -> None:
    """Have the time limit begin when the demo waits for its bot, however slow the way there is."""
    begun: list[Callable[[], object]] = []
    waits = demo.Watch.until_done

    class Late(demo.TimeLimit):
        def __enter__(self) -> Any:
            begun.append(super().__enter__)
            return self

    async def until_done(*given: Any, **named: Any) -> Any:
        begun[0]()
        return await waits(*given, **named)

    demo.TimeLimit, demo.Watch.until_done = Late, until_done


def main() -> int:
    from bot.demo.run import demo

    directory = Path(sys.argv[1])
    tempfile.tempdir = str(directory)
    for name, stand_in in stand_ins(directory).items():
        setattr(demo, name, stand_in)
    # A shell that starts a program in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else demo.WHOLE_SECONDS
    if len(sys.argv) > 2:
        limit_the_wait(demo)
    return demo.run_demo(demo.DemoOptions(keep=True, cache=directory / "cache", seconds=seconds))


if __name__ == "__main__":
    sys.exit(main())
