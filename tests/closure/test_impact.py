"""What breaks when a package or capability is dropped, held against libsolv's installcheck."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.closure.impact import broken_by, broken_without, dropped, image_impacts
from bot.errors import UsageError
from tests.closure.conftest import Tiny


def broken(pool, name):
    return [(b.nevra.name, b.capability) for b in broken_without(pool, dropped(pool, name))]


def test_what_leads_to_a_dropped_package_breaks_and_what_was_broken_does_not_count(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib"])
    base.package("site-0:1-1.x86_64", requires=["app"])
    base.package("old-0:1-1.x86_64", requires=["lib", "nobody-has-this"])
    base.package("lib-0:1-1.x86_64", provides=["lib.so"]).package("other-0:1-1.x86_64")
    pool = tiny.pool(base)
    assert broken(pool, "lib") == [("app", "lib"), ("site", "app")]
    assert broken(pool, "lib.so") == []
    (package,) = broken_without(pool, dropped(pool, "app"))
    assert (package.repository, package.arch, package.origin) == ("d", "x86_64", "base")
    with pytest.raises(UsageError, match="emacs"):
        dropped(pool, "emacs")
    # Afterwards all is as it was.
    assert h.names(pool.solve(h.request("site"))) == [
        "app-1-1.x86_64", "lib-1-1.x86_64", "site-1-1.x86_64"
    ]  # fmt: skip


def test_a_capability_or_path_that_nobody_has_any_more(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["lib.so >= 1", "/usr/share/x/y"])
    base.package("lib-0:1-1.x86_64", provides=["lib.so = 1", "more"], files=["/usr/share/x/y"])
    base.package("user-0:1-1.x86_64", requires=["more"])
    pool = tiny.pool(base)
    for name in ("lib.so", "/usr/share/x/y"):
        assert [package for package, _ in broken(pool, name)] == ["app"]
    assert pool.solve(h.request("app", "user")).status == "ok"


def test_another_provider_helps_unless_it_is_in_conflict(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", requires=["mta"])
    base.package("both-0:1-1.x86_64", requires=["mta", "shell"])
    base.package("mail-0:1-1.x86_64", provides=["mta"])
    base.package("zmail-0:1-1.x86_64", provides=["mta"], conflicts=["shell"])
    base.package("shell-0:1-1.x86_64")
    pool = tiny.pool(base)
    assert [name for name, _ in broken(pool, "mail")] == ["both"]
    impacts = list(image_impacts(pool, [h.request("app")], dropped(pool, "mail")))
    assert [(i.status, [p.nevra.name for p in i.added]) for i in impacts] == [("ok", ["zmail"])]
    (impact,) = image_impacts(pool, [h.request("both")], dropped(pool, "mail"))
    assert (impact.status, [c.capability for c in impact.causes]) == ("unsolvable", ["shell"])
    assert list(image_impacts(pool, [h.request("shell")], dropped(pool, "mail"))) == []


def test_what_a_changes_packages_lack_breaks_packages_of_the_repository(tiny, h):
    base = tiny.repository()
    base.package("app-0:1-1.x86_64", source="app-1-1", provides=["app(abi) = 1"])
    base.package("app-extra-0:1-1.x86_64", source="app-1-1", requires=["app = 0:1-1"])
    base.package("addon-0:1-1.x86_64", requires=["app-extra"])
    base.package("plugin-0:1-1.x86_64", requires=["app(abi) = 1"])
    base.package("user-0:1-1.x86_64", requires=["app"])
    pool = tiny.pool(base)
    head = h.overlay(h.package("app-0:2-1.x86_64", "app", provides=["app(abi) = 2"]))
    broken = broken_by(pool, h.unchanged(pool, "app"), head)
    assert [(b.nevra.name, b.capability) for b in broken] == [
        ("addon", "app-extra"), ("plugin", "app(abi) = 1")
    ]  # fmt: skip
    worse = h.overlay(h.package("app-0:1-1.x86_64", "app", requires=["nobody-has-this"]))
    broken = {b.nevra.name for b in broken_by(pool, h.unchanged(pool, "app"), worse)}
    assert broken == {"app", "addon", "plugin", "user"}


NAMES = "abcdef"
NEEDS = st.lists(st.sampled_from([*NAMES, "x", "y", "x >= 2", "(a or x)", "(b if c)"]), max_size=3)
PROVIDES = st.lists(st.sampled_from(["x = 1", "x = 2", "y"]), max_size=2)
CONFLICTS = st.lists(st.sampled_from(NAMES), max_size=1)
WORLD = st.lists(st.tuples(NEEDS, PROVIDES, CONFLICTS), min_size=6, max_size=6)


@pytest.mark.skipif(shutil.which("installcheck") is None, reason="libsolv's tools are not there")
@settings(max_examples=60)
@given(world=WORLD, gone=st.sampled_from(NAMES))
def test_it_breaks_what_installcheck_says(tmp_path_factory, world, gone):
    root = tmp_path_factory.mktemp("world")
    pool = Tiny(root).pool(repository(root, "base", world))
    before = cannot_be_installed(repository(root, "base", world))
    after = cannot_be_installed(repository(root, "less", world, gone))
    names = {b.nevra.name for b in broken_without(pool, dropped(pool, gone))}
    assert names == after - before - {gone}


def repository(root: Path, name: str, world, gone: str = ""):
    repository_ = Tiny(root).repository(name)
    for each, (needs, provides, conflicts) in zip(NAMES, world, strict=True):
        if each != gone:
            others = [c for c in conflicts if c != each]
            repository_.package(
                f"{each}-0:1-1.x86_64", requires=needs, provides=provides, conflicts=others
            )
    return repository_


def cannot_be_installed(repository_) -> set[str]:
    repository_.write()
    primary = next((repository_.root / "repodata").glob("*primary*"))
    for stale in (repository_.root / "repodata").glob("*primary*"):
        primary = max(primary, stale, key=lambda path: path.stat().st_mtime_ns)
    done = subprocess.run(
        ["installcheck", "x86_64", str(primary)], check=False, capture_output=True, text=True
    )
    return set(re.findall(r"^can't install (\w+)-1-1", done.stdout, re.MULTILINE))
