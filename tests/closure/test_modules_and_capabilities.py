"""Module streams as dnf treats them; capabilities and versions as rpm reads them."""

from __future__ import annotations

import pytest

from bot.closure.affected import could_enter
from bot.closure.evr import compare_evr, newest
from bot.model.nevra import parse_nevra
from bot.model.package import Package


def stream(name, stream, *artifacts, version=1, context="c1", requires="", extra=""):
    rpms = "".join(f"\n      - {a}" for a in artifacts)
    return (
        f"---\ndocument: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: {stream}\n"
        f"  version: {version}\n  context: {context}\n  arch: x86_64\n  summary: s\n"
        f"  description: d\n  license:\n    module: [MIT]\n"
        f"  dependencies:\n  - requires: {{platform: [el9]{requires}}}\n{extra}"
        f"  artifacts:\n    rpms:{rpms}\n...\n"
    )


def default(name, stream):
    return (
        f"---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: {name}\n"
        f"  stream: {stream}\n...\n"
    )


@pytest.fixture
def base(tiny):
    """web: 1.0 default, 2.0 neither; a plain web package; db 5 and 6, which needs web 2.0."""
    base = tiny.repository()
    base.package("web-0:1.0-1.module.x86_64").package("web-0:2.0-1.module.x86_64")
    base.package("web-0:9.0-1.x86_64").package("web-tool-0:9.0-1.x86_64", provides=["web = 9.1"])
    base.package("db-1:5-1.module.x86_64").package("db-1:6-1.module.x86_64")
    base.package("other-0:1-1.x86_64", requires=["web"])
    base.package("release-0:9-1.noarch", provides=["system-release", "base-module(platform:el9)"])
    base.modules = (
        stream("web", "1.0", "web-0:1.0-1.module.x86_64")
        + stream("web", "2.0", "web-0:2.0-1.module.x86_64")
        + stream("db", "5", "db-1:5-1.module.x86_64")
        + stream("db", "6", "db-1:6-1.module.x86_64", requires=", web: ['2.0']")
        + default("web", "'1.0'")
    )
    return base


def packages_of(tiny, h, base, name, **options):
    closure = tiny.pool(base, **options).solve(h.request(name))
    return h.names(closure) if closure.status == "ok" else None


CASES = [
    ("web", (), ["web-1.0-1.module.x86_64"]),
    ("other", (), ["other-1-1.x86_64", "web-1.0-1.module.x86_64"]),
    ("web-tool", (), None),
    ("db", (), None),
    ("web", ("web:2.0",), ["web-2.0-1.module.x86_64"]),
    ("db", ("db:5",), ["db-1:5-1.module.x86_64"]),
    ("db", ("db:6",), ["db-1:6-1.module.x86_64"]),
    ("web", ("db:6",), ["web-2.0-1.module.x86_64"]),
    ("db", ("db:6", "web:1.0"), None),
    ("web-9.0", (), None),
]


@pytest.mark.parametrize(("name", "modules", "expected"), CASES)
def test_streams_that_are_active(tiny, h, base, name, modules, expected):
    assert packages_of(tiny, h, base, name, modules=modules) == expected


STATES = [
    *((modules, None) for modules in sorted({modules for _, modules, _ in CASES})),
    (("nosuch:1",), None),
    (("web:3",), None),
    (("db:6",), "platform:el8"),
    ((), "platform:el8"),
]


@pytest.mark.parametrize("disagreeing", [False, True])
@pytest.mark.parametrize(("modules", "platform"), STATES, ids=str)
def test_streams_are_active_as_with_dnf(tiny, h, base, dnf_answers, modules, platform, disagreeing):
    requests = ["web", "other", "web-tool", "db", "web-9.0", "release"]
    other = tiny.repository("other").package("web-0:3.0-1.x86_64")
    other.modules = default("web", "'2.0'") if disagreeing else ""
    pool = tiny.pool(base, other, modules=modules, platform=platform)
    answers = dnf_answers(
        repositories=[{"id": r.name, "baseurl": r.write()} for r in (base, other)],
        workloads=[{"requests": [r]} for r in requests],
        modules=list(modules),
        platform=platform,
    )
    for request, answer in zip(requests, answers, strict=True):
        closure = pool.solve(h.request(request))
        nevras = sorted(str(p.nevra) for p in closure.packages) if closure.status == "ok" else None
        assert nevras == answer, request


def test_a_hotfix_repository_is_not_filtered(tiny, h, base):
    fixes = tiny.repository("fixes", module_hotfixes=True).package("web-0:3-1.x86_64")
    closure = tiny.pool(base, fixes).solve(h.request("web"))
    assert h.names(closure) == ["web-3-1.x86_64"]


def test_the_platform_may_be_said(tiny, h, base):
    assert packages_of(tiny, h, base, "web", platform="platform:el8") == ["web-9.0-1.x86_64"]
    assert packages_of(tiny, h, base, "web", platform="platform:el9") == ["web-1.0-1.module.x86_64"]


def test_a_demodularized_package_is_free_again(tiny, h):
    base = tiny.repository().package("web-0:1-1.module.x86_64").package("web-0:9-1.x86_64")
    base.modules = stream(
        "m", "s", "web-0:1-1.module.x86_64", extra="  demodularized:\n    rpms: [web]\n"
    ) + default("m", "s")
    assert packages_of(tiny, h, base, "web", platform="platform:el9") == ["web-9-1.x86_64"]


def test_modules_that_are_not_yaml_are_refused_by_name(tiny, base):
    from bot.errors import SurroundingsError

    base.modules = "a: [1\nb"
    with pytest.raises(SurroundingsError, match="repository base"):
        tiny.pool(base)


def test_an_overlay_is_above_modular_filtering(tiny, h, base):
    overlay = h.overlay(h.package("web-0:0.1-1.x86_64", "web"))
    closure = tiny.pool(base).solve(h.request("other"), overlay)
    assert h.names(closure) == ["other-1-1.x86_64", "web-0.1-1.x86_64"]


@pytest.mark.parametrize(
    ("include", "exclude"),
    [(("web*",), ()), (("web-1*", "other"), ()), (("nothing",), ()), (("web*",), ("web-2*",))],
)
def test_included_packages_as_with_dnf(tiny, h, dnf_answers, include, exclude):
    base = tiny.repository("base", include=include, exclude=exclude, priority=99)
    base.package("web-0:1-1.noarch").package("web-0:2-1.noarch").package("other-0:1-1.noarch")
    more = tiny.repository("more", priority=99).package("third-0:1-1.noarch", requires=["web"])
    requests = ["web", "other", "third", "web-2"]
    answers = dnf_answers(
        repositories=[{"id": r.name, "baseurl": r.write(), **r.options} for r in (base, more)],
        workloads=[{"requests": [r]} for r in requests],
    )
    pool = tiny.pool(base, more)
    for request, answer in zip(requests, answers, strict=True):
        closure = pool.solve(h.request(request))
        ok = closure.status == "ok"
        assert (sorted(str(p.nevra) for p in closure.packages) if ok else None) == answer, request


# -- versions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1-1", "1-2"),
        ("1.9-1", "1.10-1"),
        ("9-1", "1:1-1"),
        ("1~rc1-1", "1-1"),
        ("1-1", "1^git1-1"),
    ],
)
def test_versions_are_compared_as_rpm_does(older, newer):
    assert (compare_evr(older, newer), compare_evr(newer, older)) == (-1, 1)
    assert compare_evr(newer, newer) == 0 == compare_evr("0:1-1", "1-1")


def test_the_newest_of_each_name():
    texts = ("a-0:1-1.x86_64", "a-0:2-1.noarch", "a-0:2-1.x86_64", "a-0:3-1.i686", "b-0:1-1.noarch")
    packages = [Package(parse_nevra(text), "s", "r") for text in texts]
    for order in (packages, packages[::-1]):
        assert [str(p.nevra) for p in newest(order, "x86_64")] == [
            "a-0:2-1.x86_64",
            "b-0:1-1.noarch",
        ]
        assert [str(p.nevra) for p in newest(order)] == ["a-0:3-1.i686", "b-0:1-1.noarch"]


# -- whether an overlay matters -----------------------------------------------------------------


@pytest.fixture
def image(tiny):
    base = tiny.repository().package("top-0:1-1.noarch", requires=["lib", "(extra if plugin)"])
    base.package("lib-0:1-1.noarch", source="lib-1-1").package("extra-0:1-1.noarch")
    base.package("waiting-0:1-1.noarch", requires=["never-seen"])
    base.package("app-0:1-1.noarch", source="app-1-1")
    return base


@pytest.mark.parametrize(
    ("overlay", "weak", "expected"),
    [
        ({"nevra": "app-0:2-1.noarch", "source": "app"}, False, False),
        ({"nevra": "lib-0:2-1.noarch", "source": "lib"}, False, True),
        ({"nevra": "app-0:2-1.noarch", "source": "app", "provides": ["lib"]}, False, True),
        ({"nevra": "app-0:2-1.noarch", "source": "app", "provides": ["plugin = 1"]}, False, True),
        ({"nevra": "app-0:2-1.noarch", "source": "app", "obsoletes": ["lib < 9"]}, False, True),
        ({"nevra": "app-0:2-1.noarch", "source": "app", "supplements": ["top"]}, False, False),
        ({"nevra": "app-0:2-1.noarch", "source": "app", "supplements": ["top"]}, True, True),
        ({"nevra": "top-0:2-1.noarch", "source": "app"}, False, True),
        ({"nevra": "app-0:2-1.noarch", "source": "app", "provides": ["never-seen"]}, False, True),
    ],
)
def test_whether_an_overlay_could_enter_an_image(tiny, h, image, overlay, weak, expected):
    pool = tiny.pool(image)
    wanted = h.request("top", weak=weak)
    closure = pool.solve(wanted)
    assert could_enter(pool, closure, h.overlay(h.package(**overlay)), wanted) is expected


def test_what_cannot_be_installed_could_always_change(tiny, h, image):
    pool = tiny.pool(image)
    wanted = h.request("waiting")
    overlay = h.overlay(h.package("app-0:2-1.noarch", "app"))
    assert could_enter(pool, pool.solve(wanted), overlay, wanted)
