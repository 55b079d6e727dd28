"""A change of a lock file: what came, left and changed, compared and not solved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.model.result import ImageResult
from bot.report.render import render_comment
from bot.requests.file_images import BaseImage
from tests.check.tiny import Bench, documented

ImageOf = Callable[..., ImageResult]
TABLE = (BaseImage("example.org/tiny:*", "repo", "minimal"),)
REQUEST = "packages:\n- tool\n- perl\ncontext: {image: example.org/tiny:1}\n"


def lock(*nevras: str) -> str:
    """A lock file of x86_64 of packages such as `perl-1-1`."""
    lines = ["lockfileVersion: 1", "arches:", "- arch: x86_64", "  packages:"]
    for text in nevras:
        name, version, release = text.rsplit("-", 2)
        lines.append(
            f"  - {{url: 'https://example.org/{text}.x86_64.rpm', name: {name},"
            f" evr: {version}-{release}, size: 10}}"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture
def web(tmp_path: Path, tiny_repositories: Path) -> Bench:
    bench = documented(tmp_path, tiny_repositories)
    bench.start({"rpms.lock.yaml": lock("tool-1-1", "old-1-1")})
    return bench


def test_what_came_left_and_changed_is_compared(web: Bench, image_of: ImageOf) -> None:
    result = web.check({"rpms.lock.yaml": lock("tool-2-1", "perl-1-1")})
    assert (result.verdict, result.requests) == ("success", ("rpms.lock.yaml",))
    image = image_of(result)
    assert (image.key.workload, image.key.environment) == ("rpms.lock.yaml", "locked")
    assert [str(a.package.nevra) for a in image.added] == ["perl-0:1-1.x86_64"]
    assert [str(p.nevra) for p in image.removed] == ["old-0:1-1.x86_64"]
    assert [(c.name, c.after.version) for c in image.changed_packages] == [("tool", "2")]
    assert (image.head.packages, image.head.installed_size) == (2, None)
    assert image.added[0].package.download_size == 10
    assert image.added[0].spec is None
    text = render_comment(result)
    assert "| named by the lock file | `perl`" in text
    assert "chosen by the solver" not in text


def test_sizes_and_lines_are_known_where_the_request_stands_beside(
    web: Bench, image_of: ImageOf
) -> None:
    web.commit({"rpms.in.yaml": REQUEST})
    result = web.check({"rpms.lock.yaml": lock("tool-1-1", "perl-1-1")}, base_images=TABLE)
    image = image_of(result)
    (perl,) = image.added
    assert perl.spec is not None
    assert "it stays" not in render_comment(result)
    assert (perl.spec.path, perl.spec.line, perl.requested) == ("rpms.in.yaml", 3, True)
    assert image.head.installed_size == 0  # the tiny packages have no files
    assert image.key.repository == "repo"


def test_a_request_that_is_solved_itself_has_no_second_image(web: Bench) -> None:
    web.commit({"rpms.in.yaml": REQUEST.replace("- perl\n", "")})
    both: dict[str, str | None] = {
        "rpms.in.yaml": REQUEST,
        "rpms.lock.yaml": lock("tool-1-1", "perl-1-1"),
    }
    result = web.check(both, base_images=TABLE)
    assert {image.key.workload for image in result.images} == {"rpms.in.yaml"}
    web.commit({"rpms.in.yaml": REQUEST.replace("- perl\n", "")})
    # Nothing says where the request stands.
    result = web.check({"rpms.in.yaml": REQUEST, "rpms.lock.yaml": lock("tool-1-1")})
    assert {image.key.workload for image in result.images} == {"rpms.lock.yaml"}
    assert result.verdict == "neutral"


def test_a_lock_file_that_cannot_be_read_is_named(web: Bench) -> None:
    result = web.check({"rpms.lock.yaml": "arches: no\n"})
    assert result.verdict == "neutral"
    assert result.problems == ("rpms.lock.yaml:1: it has no list `arches`; it was not compared.",)
