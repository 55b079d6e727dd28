"""A change of a Containerfile, from a commit to the result."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.model.result import CheckResult, ImageResult
from bot.report.render import render_comment
from bot.requests.file_images import BaseImage
from tests.check.tiny import DOCUMENTS, Bench, documented

ImageOf = Callable[..., ImageResult]
TABLE = (BaseImage("example.org/tiny:*", "repo", "minimal"),)
LAYERED = "FROM example.org/tiny:1\nRUN dnf install -y tool && dnf clean all\n"
ROOT = """\
FROM example.org/tiny:1 AS builder
RUN dnf install -y --installroot /mnt --setopt=install_weak_deps=False --nodocs \\
      base \\
      tool && dnf clean all --installroot /mnt
FROM scratch
COPY --from=builder /mnt /
"""


@pytest.fixture
def web(tmp_path, tiny_repositories) -> Bench:
    bench = documented(tmp_path, tiny_repositories)
    bench.start({"Containerfile": LAYERED})
    return bench


def check(web: Bench, text: str, **options: object) -> CheckResult:
    return web.check({"Containerfile": text}, base_images=TABLE, **options)


def test_a_layered_image_has_the_sizes_of_its_layer(web: Bench, image_of: ImageOf) -> None:
    result = check(web, LAYERED.replace("tool", "tool perl", 1))
    assert (result.verdict, result.requests) == ("success", ("Containerfile",))
    image = image_of(result)
    assert (image.key.workload, image.key.environment) == ("Containerfile", "minimal")
    # The environment's `base` lies beneath.
    assert (image.base.packages, image.head.packages) == (2, 4)
    assert (image.head.beneath_packages, image.head.beneath_size) == (1, 0)
    assert [a.package.nevra.name for a in image.added] == ["perl", "perl-libs"]
    assert {a.spec.line for a in image.added if a.spec} == {2}
    assert any("approximate" in note for note in result.notes)
    assert "Containerfile:2" in render_comment(result)


def test_an_image_of_an_empty_folder_begins_with_nothing(web: Bench, image_of: ImageOf) -> None:
    web.commit({"Containerfile": ROOT})
    image = image_of(check(web, ROOT.replace("base \\\n", "base \\\n      perl \\\n")))
    assert (image.key.environment, image.base.packages, image.head.packages) == ("scratch", 3, 5)
    assert {a.spec.line for a in image.added if a.spec} == {4}
    assert {a.spec.text for a in image.added if a.spec} == {"perl"}


def test_a_line_that_cannot_be_read_makes_the_image_neutral(web: Bench) -> None:
    result = check(web, LAYERED.replace("tool", "$TOOL", 1))
    assert (result.verdict, result.images) == ("neutral", ())
    assert result.problems == ("Containerfile:2: not evaluated: a value is not known.",)


def test_a_base_image_that_nothing_maps_is_named(web: Bench) -> None:
    result = check(web, LAYERED.replace("example.org/tiny:1", "other", 1))
    assert result.verdict == "neutral"
    assert result.problems[0].startswith("Containerfile:1: not evaluated: nothing says which")


def test_the_repositorys_own_file_says_where_its_images_stand(
    web: Bench, image_of: ImageOf
) -> None:
    own = "images: [{file: 'Container*', repository: repo, environment: minimal}]\n"
    web.commit({".minimize.yaml": own})
    result = web.check({"Containerfile": LAYERED.replace("tool", "perl", 1)})
    assert [a.package.nevra.name for a in image_of(result).added] == ["perl", "perl-libs"]


def test_a_change_that_asks_for_the_same_changes_no_image(web: Bench) -> None:
    result = check(web, LAYERED.replace("&& dnf clean all", "&& \\\n    dnf clean all", 1))
    assert (result.verdict, result.images, result.problems) == ("success", (), ())


def test_install_lines_have_the_advice_of_the_talk(web: Bench) -> None:
    result = check(web, "FROM example.org/tiny:1\nRUN dnf install -y tool perl\n")
    kinds = {(a.kind, a.line.line) for a in result.advice if a.key.arch == "x86_64"}
    # No package of the tiny distribution has documentation.
    assert kinds == {("caches", 2)}
    assert "caches" in render_comment(result)


def test_what_a_command_removes_leaves_with_its_line(web: Bench, image_of: ImageOf) -> None:
    web.commit({"Containerfile": LAYERED.replace("tool", "tool perl", 1)})
    text = LAYERED.replace("tool", "tool perl", 1) + "RUN dnf remove -y perl\n"
    image = image_of(check(web, text))
    assert sorted(p.nevra.name for p in image.removed) == ["perl", "perl-libs"]
    assert (image.base.packages, image.head.packages) == (4, 2)


def test_a_removed_package_that_others_need_makes_the_image_neutral(web: Bench) -> None:
    result = check(web, LAYERED + "RUN dnf remove -y tool-libs\n")
    assert result.verdict == "neutral"
    assert any("a command removes `tool-libs`" in problem for problem in result.problems)


def test_a_swapped_package_of_the_image_beneath_comes_into_the_layer(
    tmp_path, tiny_repositories, image_of: ImageOf
) -> None:
    bench = documented(tmp_path, tiny_repositories)
    bench.document("minimal", DOCUMENTS["minimal"].replace("[base]", "[base, perl]"))
    bench.start({"Containerfile": LAYERED})
    image = image_of(check(bench, LAYERED + "RUN dnf swap -y perl perl-libs\n"))
    # perl-libs lies beneath already, and stays.
    assert (image.base.packages, image.head.packages) == (2, 2)
    assert check(bench, LAYERED + "RUN dnf swap -y perl-libs addon\n").verdict == "neutral"


def test_a_module_that_the_document_does_not_enable_is_named(web: Bench) -> None:
    result = check(web, LAYERED.replace("dnf install", "dnf module enable -y x:1 && dnf install"))
    assert (result.verdict, result.images) == ("neutral", ())
    assert result.problems[0].endswith("does not enable the module `x:1`.")
