"""The corpus of real specs: a run, and its figures.

    MINIMIZE_CORPUS_SPECS=/specs MINIMIZE_CORPUS_MACROS=/macros \\
    MINIMIZE_CORPUS_REPOSITORIES=/baseos:/appstream \\
    python -m tests.corpus --count 1000 --seed 1 --output /results

`MINIMIZE_CORPUS_SPECS` is a folder of `NAME.spec` files, or of `NAME/NAME.spec` with the sources
that evaluation reads beside it; `MINIMIZE_CORPUS_MACROS` an rpm-md repository of the distribution's
macro packages, with the packages; `MINIMIZE_CORPUS_REPOSITORIES` folders of rpm-md metadata of the
content that images are made of, packages not needed. None of it is part of this project.

Each spec drawn gets a repository of two commits, the second with one more `Requires`: the name of a
published package, by the seed. The check of that change runs in a process of its own, with a time
limit. Where the source is published, an image that asks for its main package is compared with what
dnf installs from the same repositories, with the changed package in the published one's place.
Written are `runs.jsonl` while it runs (a second run goes on from there), `figures.json` and
`figures.md`. With `--part 1/2` and `--part 2/2` two processes share the work; a run without it then
counts. The exit code is 1 where something hung, crashed, was wrong or differed from dnf.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.check.pools import Pools
from bot.distro.cache import Cache
from bot.model.nevra import parse_nevra
from tests.corpus.checking import Checker, Corpus, SpecRun, run_of
from tests.corpus.counterfactual import Question, dnf_images
from tests.corpus.drawn import Drawn, corpus_specs, draw
from tests.corpus.figures import Verdict, evaluation_class, figures, judge, markdown

VARIABLES = ("MINIMIZE_CORPUS_SPECS", "MINIMIZE_CORPUS_MACROS", "MINIMIZE_CORPUS_REPOSITORIES")


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of the corpus."""

    specs: Path
    corpus: Corpus


def folders_of(environment: Mapping[str, str]) -> Folders | None:
    """The folders that the variables name; None where one is not set."""
    named = [environment.get(name, "") for name in VARIABLES]
    if not all(named):
        return None
    repositories = tuple(Path(each).resolve() for each in named[2].split(":"))
    return Folders(Path(named[0]), Corpus(Path(named[1]).resolve(), repositories))


def question_of(run: SpecRun) -> Question | None:
    """Return the question to dnf about a run; None where nothing can be compared."""
    main = [text for text in run.overlay if parse_nevra(text).name == run.name]
    if not run.published or evaluation_class(run) != "whole" or run.excluded or len(main) != 1:
        return None
    return Question(run.name, main[0], run.requirement, run.overlay)


def judged(corpus: Corpus, runs: Sequence[SpecRun]) -> tuple[Verdict, ...]:
    """The verdict of each run, in their order; dnf is asked once, about all of them."""
    asked = {run.name: question for run in runs if (question := question_of(run)) is not None}
    images = dict(zip(asked, dnf_images(corpus, tuple(asked.values())), strict=True))
    return tuple(judge(run, images.get(run.name)) for run in runs)


def checked(checker: Checker, drawn: Sequence[Drawn], place: Path) -> Iterator[SpecRun]:
    """The runs of all specs drawn; those that `place` has are not repeated, new ones go there."""
    known: dict[str, SpecRun] = {}
    if place.is_file():
        known = {run.name: run for run in map(run_of, place.read_text().splitlines())}
    with place.open("a") as stream:
        for each in drawn:
            if each.name in known:
                yield known[each.name]
                continue
            for run in checker.run([each]):
                stream.write(run.as_json() + "\n")
                stream.flush()
                yield run


def main(arguments: Sequence[str]) -> int:
    """Run the corpus with the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0, help="time limit of one spec")
    parser.add_argument("--published", action="store_true", help="draw only published sources")
    parser.add_argument("--part", default="1/1", help="K/N: run every Nth of the specs only")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="default: a folder in --output")
    given = parser.parse_args(arguments)
    folders = folders_of(os.environ)
    if folders is None:
        print(f"Set {', '.join(VARIABLES)}.", file=sys.stderr)
        return 2
    given.output.mkdir(parents=True, exist_ok=True)
    cache = Cache(given.cache or given.output / "cache")
    pools = partial(Pools, cache, max_age=float("inf"))
    checker = Checker(folders.corpus, pools, given.seed, given.seconds)
    specs = corpus_specs(folders.specs)
    if given.published:
        specs = tuple(spec for spec in specs if checker.is_published(spec.name))
    part, parts = (int(number) for number in given.part.split("/"))
    drawn = draw(specs, given.count, given.seed)[part - 1 :: parts]
    runs = []
    for number, run in enumerate(checked(checker, drawn, given.output / "runs.jsonl"), 1):
        runs.append(run)
        said = f"{number}/{len(drawn)} {run.name}: {evaluation_class(run)}, {run.verdict}"
        print(said, file=sys.stderr)
    if parts > 1:
        return 0
    found = figures(judged(folders.corpus, runs), given.seed)
    (given.output / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
    table = markdown(found)
    (given.output / "figures.md").write_text(table)
    print(table)
    return 1 if found["wrong"] or found["different"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
