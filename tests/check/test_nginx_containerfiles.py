"""nginx in a container five times, as talks on small images show it, on the reference distribution.

Installed into an image of the distribution, into an empty folder, into one with what makes it
small; copied onto an image without packages (distroless), and beside busybox's tools.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.demo.distribution.reference import ReferenceDistribution
from bot.model.result import CheckResult
from bot.model.suggestion import LineAdvice
from bot.report.render import render_comment
from bot.requests.file_images import BaseImage
from tests.check.tiny import Bench

TABLE = (BaseImage("example.org/reference:*", "reference", "full"),)
FULL = """\
document: content-resolver-environment
version: 1
data:
  name: An image of the distribution
  description: With a shell and its package manager
  maintainer: m
  repositories: [reference]
  packages: [base-files, bash, coreutils, filesystem, gawk, grep, libc-bin, rpm, sed, tar]
  labels: [full]
"""
FILES = {
    "plain": """\
FROM example.org/reference:12
RUN dnf install -y nginx
CMD ["nginx", "-g", "daemon off;"]
""",
    "scratch": """\
FROM example.org/reference:12 AS builder
RUN dnf install -y --installroot /mnt \\
      base-files bash coreutils gawk rpm \\
      nginx
FROM scratch
COPY --from=builder /mnt /
""",
    "minimized": """\
FROM example.org/reference:12 AS builder
RUN dnf install -y --installroot /mnt --setopt=install_weak_deps=False --nodocs \\
      base-files dash coreutils mawk \\
      nginx && \\
    dnf clean all --installroot /mnt
FROM scratch
COPY --from=builder /mnt /
""",
    "busybox": """\
FROM example.org/reference:12 AS builder
RUN dnf install -y --installroot /mnt --setopt=install_weak_deps=False --nodocs \\
      dash nginx && dnf clean all --installroot /mnt
FROM docker.io/library/busybox
COPY --from=builder /mnt /
""",
    "distroless": """\
FROM example.org/reference:12 AS builder
RUN dnf install -y --installroot /mnt --setopt=install_weak_deps=False --nodocs nginx \\
    && dnf clean all --installroot /mnt
FROM gcr.io/distroless/static
COPY --from=builder /mnt/ /
""",
}


def sizes(result: CheckResult) -> dict[str, int]:
    advices = {}
    for image in result.images:
        assert image.head.status == "ok", (image.key, image.head.problems)
        assert image.head.installed_size is not None
        advices[image.key.workload.split(".")[0]] = image.head.installed_size + (
            image.head.beneath_size or 0
        )
    return advices


@pytest.fixture(scope="module")
def bench(reference: ReferenceDistribution, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("nginx"), Path())
    shutil.copytree(reference.config_dir, bench.config)
    bench.document("full", FULL)
    bench.start({"README": "nothing\n"})
    return bench


def check(bench: Bench, files: dict[str, str]) -> CheckResult:
    """The check of a change that adds these files, on x86_64."""
    written = {f"{name}.Containerfile": text for name, text in files.items()}
    return bench.check(dict(written), base_images=TABLE, arches=("x86_64",))


@pytest.fixture(scope="module")
def result(bench: Bench) -> CheckResult:
    return check(bench, FILES)


def of(result: CheckResult, name: str) -> dict[str, LineAdvice]:
    """The advice on one of the files, by kind."""
    return {a.kind: a for a in result.advice if a.key.workload == f"{name}.Containerfile"}


def test_each_step_of_the_talk_makes_the_image_smaller(result: CheckResult) -> None:
    sizes_ = sizes(result)
    assert sorted(sizes_, key=sizes_.__getitem__, reverse=True) == [
        "plain",
        "scratch",
        "minimized",
        "busybox",
        "distroless",
    ]
    assert sizes_["plain"] > 3 * sizes_["minimized"]
    assert result.problems == ()


def test_each_piece_of_advice_stands_on_its_line(result: CheckResult) -> None:
    lines = {
        name: {kind: line.line.line for kind, line in of(result, name).items()} for name in FILES
    }
    assert lines == {
        "plain": {"empty-folder": 1, "documentation": 2, "caches": 2},
        "scratch": {"weak-dependencies": 2, "documentation": 2, "caches": 2, "package-manager": 3},
        "minimized": {},
        "busybox": {},
        "distroless": {},
    }
    documentation = of(result, "scratch")["documentation"].saves
    assert documentation is not None and 10_000_000 < documentation < sizes(result)["scratch"]
    comment = render_comment(result).replace("\N{NO-BREAK SPACE}", " ")
    assert "1.6 MB on 189 MB" in comment
    assert "plain.Containerfile:1" in comment and "installed into an empty folder" in comment


def test_each_saving_is_what_the_edited_file_saves(bench: Bench, result: CheckResult) -> None:
    scratch = FILES["scratch"]
    option = "--installroot /mnt"
    edited = {
        "weak-dependencies": scratch.replace(option, f"{option} --setopt=install_weak_deps=0"),
        "package-manager": scratch.replace(" rpm ", " "),
    }
    sizes_ = sizes(check(bench, edited))
    before = sizes(result)
    for kind, text in edited.items():
        assert text != scratch
        assert before["scratch"] - sizes_[kind] == of(result, "scratch")[kind].saves
    alone = {"alone": FILES["distroless"].replace(" --setopt=install_weak_deps=False", "")}
    assert (
        before["plain"] - sizes(check(bench, alone))["alone"]
        == of(result, "plain")["empty-folder"].saves
    )
