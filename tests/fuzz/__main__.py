"""Fuzzing of every parser of the bot: prints the inputs that it neither reads nor refuses.

    python -m tests.fuzz --list
    python -m tests.fuzz --corpus DIR [--inputs 100000] [--seconds 3600] [PARSER...]

`DIR` has, for each parser, the inputs that reached new lines, what was found (`findings/`), and how
many inputs there were (`progress.json`): a second run goes on from there. Without `--inputs`, a
parser of strangers' bytes gets 1,000,000 in all, others 100,000. Nothing may be uncaught, take more
than 1 s or 64 MiB. The exit code is 1 where something does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.parser import Parser
from tests.fuzz.parsers import parsers
from tests.fuzz.run import Corpus, Finding, fuzz

_ALL, _STRANGERS = 100_000, 1_000_000
_TURN = 20_000  # inputs until the next parser has its turn


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    reader = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    reader.add_argument("parsers", nargs="*", metavar="PARSER")
    reader.add_argument("--list", action="store_true", help="the parsers, and who writes to them")
    reader.add_argument("--corpus", type=Path, help="the folder that is kept between runs")
    reader.add_argument("--inputs", type=int, help="of each parser, in all runs together")
    reader.add_argument("--seconds", type=float, default=float("inf"), help="of this run")
    return reader.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Fuzz until every parser has read its inputs or the time is over; return the exit code."""
    given = _arguments(words)
    chosen = [one for one in parsers() if not given.parsers or one.name in given.parsers]
    if given.list or given.corpus is None:
        for one in chosen:
            print(f"{one.name:18} {'strangers' if one.strangers else 'repositories'}")
        return 0
    given.corpus.mkdir(parents=True, exist_ok=True)
    place = given.corpus / "progress.json"
    progress = json.loads(place.read_text()) if place.exists() else {}
    goal = {p.name: given.inputs or (_STRANGERS if p.strangers else _ALL) for p in chosen}
    end = time.monotonic() + given.seconds
    found = 0
    while (
        todo := [p for p in chosen if progress.get(p.name, {}).get("inputs", 0) < goal[p.name]]
    ) and time.monotonic() < end:
        for one in todo:
            state = progress.setdefault(one.name, {"inputs": 0, "seconds": 0.0, "findings": 0})
            count = min(_TURN, goal[one.name] - state["inputs"])
            started = time.monotonic()
            findings = list(_turn(one, given.corpus, state["inputs"], count))
            state["seconds"] = round(state["seconds"] + time.monotonic() - started, 1)
            state["inputs"] += count
            state["findings"] += len(findings)
            found += len(findings)
            place.write_text(json.dumps(progress, indent=1))
            if time.monotonic() >= end:
                break
    for name, state in progress.items():
        print(f"{name:18} {state['inputs']:9,} inputs {state['seconds']:8.0f} s", end="")
        print(f"  {state['findings']} findings" if state["findings"] else "")
    return 1 if found else 0


def _turn(parser: Parser, folder: Path, first: int, count: int) -> Sequence[Finding]:
    found = list(fuzz(parser, Corpus(parser, folder / parser.name), first, count))
    kept = folder / "findings" / parser.name
    for finding in found:
        kept.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(_place(finding).encode()).hexdigest()[:24]
        if (kept / name).exists():
            continue  # one input for each place is enough to mend it
        (kept / name).write_bytes(finding.content)
        (kept / f"{name}.txt").write_text(finding.what)
        print(f"{parser.name}: {finding.what.strip().splitlines()[-1]} ({name})", file=sys.stderr)
    return found


def _place(finding: Finding) -> str:
    """The lines of code of a traceback; without one, what is wrong, without its figures."""
    lines = [line for line in finding.what.splitlines() if line.startswith("  File ")]
    return "\n".join(lines) or re.sub(r"[\d.]+", "", finding.what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
