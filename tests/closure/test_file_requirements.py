"""Requirements on paths: filelists.xml is read only where primary.xml cannot answer."""

from __future__ import annotations

import pytest

from bot.closure.filelists import files_of, in_primary, matching, owners


@pytest.fixture
def base(tiny):
    base = tiny.repository()
    base.package("plain-0:1-1.noarch", requires=["/usr/bin/sh", "/etc/sh.conf"])
    base.package("sh-0:1-1.noarch", files=["/usr/bin/sh", "/etc/sh.conf", "/usr/lib/sh/x"])
    base.package("deep-0:1-1.noarch", requires=["/usr/lib/sh/x"])
    base.package("above-0:1-1.noarch", requires=["deep"])
    base.package("beside-0:1-1.noarch", requires=["(/usr/lib/sh/x or nosuch)"])
    base.package("never-0:1-1.noarch", requires=["/usr/lib/nobody"])
    return base


def read(tiny):
    return [type_ for _, type_ in tiny.fetched if type_ == "filelists"]


def test_paths_that_primary_lists_need_no_filelists(tiny, h, base):
    pool = tiny.pool(base)
    assert h.names(pool.solve(h.request("plain"))) == ["plain-1-1.noarch", "sh-1-1.noarch"]
    assert read(tiny) == []


@pytest.mark.parametrize("name", ["deep", "above", "beside"])
def test_other_paths_read_them_when_they_are_met(tiny, h, base, name):
    pool = tiny.pool(base)
    assert "sh-1-1.noarch" in h.names(pool.solve(h.request(name)))
    assert read(tiny) == ["filelists"]
    assert "sh-1-1.noarch" in h.names(pool.solve(h.request("deep")))
    assert read(tiny) == ["filelists"]


def test_what_was_read_is_stored_for_the_next_process(tiny, h, base):
    first = tiny.pool(base).solve(h.request("deep"))
    tiny.fetched.clear()
    assert tiny.pool(base).solve(h.request("deep")) == first
    assert read(tiny) == []


def test_a_path_that_nobody_has_is_unsolvable(tiny, h, base):
    closure = tiny.pool(base).solve(h.request("never"))
    assert closure.problems == ("nothing provides /usr/lib/nobody needed by never-1-1.noarch",)


def test_a_repository_without_filelists_has_none(tiny, h, base):
    from bot.closure.pool import open_pool
    from bot.distro.documents import RepositoryDocument, RepoSource
    from bot.distro.snapshot import open_snapshot, repository_file

    source = RepoSource("base", "base", (base.write(),))
    document = RepositoryDocument("d", "D", "", "", "9", ("x86_64",), (source,))
    snapshot = open_snapshot(document, "x86_64", tiny.cache)

    def without(repository, type_):
        return None if type_ == "filelists" else repository_file(repository, type_)

    pool = open_pool(snapshot, tiny.cache, file_of=without)
    assert pool.solve(h.request("deep")).status == "unsolvable"
    assert pool.solve(h.request("plain")).status == "ok"


def test_provides_answers_for_capabilities_and_paths(tiny, base):
    pool = tiny.pool(base.package("lib-0:2-1.noarch", provides=["api = 3"]))
    for capability in ("lib", "lib = 2", "api >= 2", "/usr/bin/sh", "/usr/lib/sh/x", "(api or b)"):
        assert pool.provides(capability), capability
    for capability in ("nosuch", "lib > 2", "api = 2", "/usr/bin/nosuch", "/usr/lib/nobody"):
        assert not pool.provides(capability), capability


def test_what_primary_lists():
    assert (
        in_primary("/etc/passwd") and in_primary("/usr/sbin/ip") and in_primary("/usr/lib/sendmail")
    )
    assert not in_primary("/usr/lib/sh/x") and not in_primary("/usr/etc/x")


def test_owners_are_found_with_markup_and_types(tmp_path):
    path = tmp_path / "filelists.xml"
    path.write_text(
        '<filelists><package pkgid="aa" name="a" arch="noarch"><version/>\n'
        '<file>/usr/a&amp;b</file><file type="dir">/usr/d</file></package>'
        '<package pkgid="bb" name="b"><file type="ghost">/usr/d</file></package></filelists>'
    )
    assert owners(path, ["/usr/a&b", "/usr/d", "/nosuch"]) == {
        "/usr/a&b": ["aa"],
        "/usr/d": ["aa", "bb"],
    }
    assert matching(path, lambda name: name.startswith("/usr/a")) == {"/usr/a&b": ["aa"]}
    path.write_bytes(b"")
    assert owners(path, ["/usr/d"]) == {}


def test_owners_below_a_directory_are_found_in_filelists_and_remembered(tiny, base):
    base.package("mac-1-1.noarch", files=["/usr/lib/rpm/macros.d/macros.m", "/usr/lib/rpm/x"])
    base.package("etc-1-1.noarch", files=["/a", "/etc/rpm/macros.e", "/z"])
    base.package("near-1-1.noarch", files=["/usr/lib/rpmfoo", "/opt/usr/lib/rpm/x", "/usr/lib/rpm"])
    directories = ("/usr/lib/rpm/", "/etc/rpm/")
    pool = tiny.pool(base)
    nevras = pool.owning_below(directories)
    assert sorted(nevra.name for nevra in nevras) == ["etc", "mac"]
    assert read(tiny) != []
    tiny.fetched.clear()
    assert tiny.pool(base).owning_below(directories) == nevras
    assert read(tiny) == []
    assert {nevra.name for nevra in pool.owning_below(("/etc/rpm/",))} == {"etc"}


def test_a_directory_or_ghost_below_a_directory_makes_no_owner(tmp_path):
    from bot.closure.filelists import owners_below

    path = tmp_path / "filelists.xml"
    path.write_text(
        '<filelists><package pkgid="a" name="a"><file type="dir">/usr/lib/rpm/x</file></package>'
        '<package pkgid="b" name="b"><file type="ghost">/usr/lib/rpm/g</file></package>'
        '<package pkgid="c" name="c"><file>/usr/lib/rpm/f</file><file>/usr/lib/rpm/g</file>'
        "</package></filelists>"
    )
    assert owners_below(path, ["/usr/lib/rpm/"]) == ["c"]
    path.write_text("")
    assert owners_below(path, ["/usr/lib/rpm/"]) == []


def test_what_is_published_has_all_its_paths(tiny, h, base):
    pool = tiny.pool(base)
    (package,) = pool.newest_published("sh")
    assert package.files == ("/etc/sh.conf", "/usr/bin/sh", "/usr/lib/sh/x")
    overlay = h.overlay(package)
    assert h.names(pool.solve(h.request("deep"), overlay)) == ["deep-1-1.noarch", "sh-1-1.noarch"]


def test_of_two_builds_each_has_its_own_paths(tiny):
    base = tiny.repository()
    base.package("lib-0:1-1.noarch", source="lib-1-1", files=["/usr/lib/old"])
    base.package("lib-0:2-1.noarch", source="lib-2-1", files=["/usr/lib/new & <shiny>"])
    base.package("other-0:1-1.noarch", files=["/usr/lib/other"])
    files = {p.nevra.version: p.files for p in tiny.pool(base).published("lib")}
    assert files == {"1": ("/usr/lib/old",), "2": ("/usr/lib/new & <shiny>",)}


def test_files_of_packages_are_found_with_markup_and_types(tmp_path):
    path = tmp_path / "filelists.xml"
    path.write_text(
        '<filelists><package pkgid="aa" name="a" arch="noarch"><version/>\n'
        '<file>/usr/a&amp;b</file><file type="dir">/usr/d</file></package>'
        '<package pkgid="bb" name="b"><file type="ghost">/usr/d</file></package>'
        '<package pkgid="cc" name="c"></package></filelists>'
    )
    assert files_of(path, ["aa", "cc", "nosuch"]) == {"aa": ["/usr/a&b", "/usr/d"], "cc": []}
    path.write_bytes(b"")
    assert files_of(path, ["aa"]) == {}
