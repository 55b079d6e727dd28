"""Predicted overlays: published packages plus the difference between two spec files."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from bot.model.nevra import Nevra
from bot.model.package import Dependency, DependencyKind, Package
from bot.model.spec import SpecDependency, SpecEvaluation, SpecLine, SpecPackage
from bot.spec.difference import changed_lines
from bot.spec.headers import GeneratedFlags
from bot.spec.predict import predict

ARCH = "x86_64"


def dep(text: str, generated: bool | None = None) -> Dependency:
    """`requires libz.so.1` as a Dependency."""
    kind, _, capability = text.partition(" ")
    return Dependency(kind, capability, generated=generated)


def published(name: str, evr: str = "0:1.0-1", *deps: str, arch: str = ARCH, source: str = "app"):
    epoch, _, vr = evr.partition(":")
    version, _, release = vr.partition("-")
    nevra = Nevra(name, int(epoch), version, release, arch)
    text = nevra.evr if nevra.epoch else vr
    own = [f"provides {name} = {text}"]
    if arch == "x86_64":
        own.append(f"provides {name}(x86-64) = {text}")
    return Package(
        nevra, source, "base", tuple(map(dep, (*own, *deps))), installed_size=1000, download_size=10
    )


def spec(evr: str, packages: dict[str, list[str]], *, arch: str = ARCH, noarch=(), unbuilt=()):
    """An evaluation; a dependency is `kind capability[@line]`."""
    epoch, _, vr = evr.partition(":")
    version, _, release = vr.partition("-")
    dependencies = []
    for name, deps in packages.items():
        origins = []
        for text in deps:
            plain, _, line = text.partition("@")
            origin = SpecLine("app.spec", int(line), plain) if line else None
            origins.append(SpecDependency(dep(plain), origin))
        nevra = Nevra(name, int(epoch), version, release, "noarch" if name in noarch else arch)
        dependencies.append(SpecPackage(nevra, tuple(origins), name not in unbuilt))
    return SpecEvaluation(
        "app.spec", arch, "app", (int(epoch), version, release), tuple(dependencies)
    )


def no_headers(package):
    raise AssertionError("the header was not to be asked for")


def unreadable(package):
    return None


def flags(*entries: str):
    generated = frozenset(tuple(entry.split(" ", 1)) for entry in entries)
    return lambda package: GeneratedFlags(generated)


def of(overlay, name: str = "app") -> Package:
    return next(package for package in overlay.packages if package.nevra.name == name)


def capabilities(package: Package, kind: str = "requires") -> list[str]:
    return [d.capability for d in package.dependencies if d.kind == kind]


def test_an_added_requirement_joins_the_automatic_ones():
    before = published("app", "0:1.0-1", "requires libz.so.1()(64bit)")
    result = predict(
        [before],
        spec("0:1.0-1", {"app": []}),
        spec("0:1.0-1", {"app": ["requires perl@31"]}),
        ARCH,
        no_headers,
    )
    assert capabilities(of(result.base)) == ["libz.so.1()(64bit)"]
    assert capabilities(of(result.head)) == ["libz.so.1()(64bit)", "perl"]
    assert result.head.sources == {"app"}
    assert result.head.evidence == "predicted"
    head = of(result.head)
    added = next(d for d in head.dependencies if d.capability == "perl")
    assert result.origins[head.nevra, added] == (SpecLine("app.spec", 31, "requires perl"),)


def test_without_a_difference_head_is_what_is_published():
    before = published("app", "1:1.0-1", "provides api = 1:1.0-1", "requires libz.so.1()(64bit)")
    evaluation = spec("1:1.0-1", {"app": ["provides api = 1:1.0-1"]})
    result = predict([before], evaluation, evaluation, ARCH, no_headers)
    assert of(result.head) == of(result.base)
    assert of(result.base).dependencies == before.dependencies


def test_a_mere_version_bump_moves_only_the_own_version():
    packages = [
        published("app", "0:1.0-1", "requires app-libs = 1.0-1", "provides api = 1.0-1"),
        published("app-libs", "0:1.0-1", "requires libc.so.6"),
    ]
    base = spec(
        "0:1.0-1", {"app": ["requires app-libs = 1.0-1", "provides api = 1.0-1"], "app-libs": []}
    )
    head = spec(
        "0:1.1-1", {"app": ["requires app-libs = 1.1-1", "provides api = 1.1-1"], "app-libs": []}
    )
    result = predict(packages, base, head, ARCH, no_headers)
    assert str(of(result.head).nevra) == "app-0:1.1-1.x86_64"
    assert capabilities(of(result.head)) == ["app-libs = 1.1-1"]
    assert capabilities(of(result.head), "provides") == [
        "app = 1.1-1",
        "app(x86-64) = 1.1-1",
        "api = 1.1-1",
    ]
    assert capabilities(of(result.head, "app-libs"), "provides") == [
        "app-libs = 1.1-1",
        "app-libs(x86-64) = 1.1-1",
    ]
    assert result.base.packages[0].nevra.version == "1.0"
    assert changed_lines(base, head) == ()


def test_published_newer_than_head_is_still_the_base_of_the_prediction():
    result = predict(
        [published("app", "0:2.0-1", "requires libz.so.1()(64bit)", "requires app-data = 2.0-1")],
        spec("0:1.0-1", {"app": ["requires app-data = 1.0-1"]}),
        spec("0:1.0-1", {"app": ["requires app-data = 1.0-1", "requires perl"]}),
        ARCH,
        no_headers,
    )
    head = of(result.head)
    assert head.nevra.version_release == "2.0-1"
    assert capabilities(head) == ["libz.so.1()(64bit)", "app-data = 2.0-1", "perl"]
    assert any("2.0" in note and "1.0" in note for note in result.notes)


def test_published_older_than_base_takes_heads_version_if_the_specs_differ_in_it():
    result = predict(
        [published("app", "0:0.9-1", "requires app-data = 0.9-1", "requires app-doc = 0.9")],
        spec(
            "0:1.0-1",
            {"app": ["requires app-data = 1.0-1", "requires app-doc = 1.0"], "app-doc": []},
        ),
        spec(
            "0:1.1-1",
            {"app": ["requires app-data = 1.1-1", "requires app-doc = 1.1"], "app-doc": []},
        ),
        ARCH,
        no_headers,
    )
    assert capabilities(of(result.head)) == ["app-data = 1.1-1", "app-doc = 1.1"]


def test_a_version_of_another_project_that_happens_to_be_ours_is_left_alone():
    result = predict(
        [published("app", "0:1.0-1", "requires other >= 1.0")],
        spec("0:1.0-1", {"app": ["requires other >= 1.0"]}),
        spec("0:1.1-1", {"app": ["requires other >= 1.0"]}),
        ARCH,
        no_headers,
    )
    assert capabilities(of(result.head)) == ["other >= 1.0"]


def test_a_removed_line_removes_its_requirement_by_any_spelling_of_the_epoch():
    result = predict(
        [published("app", "0:1.0-1", "requires foo >= 2-1", "requires bar")],
        spec("0:1.0-1", {"app": ["requires foo >= 0:2-1", "requires bar"]}),
        spec("0:1.0-1", {"app": ["requires bar"]}),
        ARCH,
        flags(),
    )
    assert capabilities(of(result.head)) == ["bar"]


def test_a_removed_line_leaves_what_a_generator_also_made():
    base = spec("0:1.0-1", {"app": ["requires /usr/bin/perl", "requires foo"]})
    head = spec("0:1.0-1", {"app": []})
    before = published("app", "0:1.0-1", "requires /usr/bin/perl", "requires foo")
    result = predict([before], base, head, ARCH, flags("requires /usr/bin/perl"))
    assert capabilities(of(result.head)) == ["/usr/bin/perl"]


def test_where_the_header_cannot_be_read_the_prediction_says_so():
    base = spec("0:1.0-1", {"app": ["requires /usr/bin/perl", "requires foo"]})
    before = published("app", "0:1.0-1", "requires /usr/bin/perl", "requires foo")
    result = predict([before], base, spec("0:1.0-1", {"app": []}), ARCH, unreadable)
    assert capabilities(of(result.head)) == ["/usr/bin/perl"]
    notes = [note for note in result.notes if "cannot be read" in note]
    assert len(notes) == 2
    assert "`/usr/bin/perl`" in notes[0] and notes[0].endswith("retained.")
    assert "`foo`" in notes[1] and notes[1].endswith("removed.")


def test_a_requirement_that_becomes_weak_changes_its_kind():
    result = predict(
        [published("app", "0:1.0-1", "requires perl")],
        spec("0:1.0-1", {"app": ["requires perl@4"]}),
        spec("0:1.0-1", {"app": ["recommends perl@4"]}),
        ARCH,
        flags(),
    )
    assert capabilities(of(result.head)) == []
    assert capabilities(of(result.head), "recommends") == ["perl"]


@pytest.mark.parametrize("kind", get_args(DependencyKind))
def test_every_kind_of_dependency_comes_and_goes(kind):
    result = predict(
        [published("app", "0:1.0-1", f"{kind} old")],
        spec("0:1.0-1", {"app": [f"{kind} old"]}),
        spec("0:1.0-1", {"app": [f"{kind} new < 3"]}),
        ARCH,
        flags(),
    )
    capabilities_ = capabilities(of(result.head), kind)
    assert "old" not in capabilities_
    assert "new < 3" in capabilities_


def test_an_epoch_bump_reaches_provides_and_versioned_requirements():
    packages = [
        published(
            "app",
            "0:1.0-1",
            "requires app-libs = 1.0-1",
            "provides config(app) = 1.0-1",
            "requires config(app) = 1.0-1",
        ),
        published("app-libs", "0:1.0-1"),
    ]
    base = spec("0:1.0-1", {"app": ["requires app-libs = 1.0-1"], "app-libs": []})
    head = spec("1:1.0-1", {"app": ["requires app-libs = 1:1.0-1"], "app-libs": []})
    result = predict(packages, base, head, ARCH, flags())
    app = of(result.head)
    assert str(app.nevra) == "app-1:1.0-1.x86_64"
    assert capabilities(app) == ["config(app) = 1:1.0-1", "app-libs = 1:1.0-1"]
    assert "config(app) = 1:1.0-1" in capabilities(app, "provides")
    assert "app = 1:1.0-1" in capabilities(app, "provides")
    assert "app-libs(x86-64) = 1:1.0-1" in capabilities(of(result.head, "app-libs"), "provides")


def test_a_removed_subpackage_is_gone_and_a_renamed_one_obsoletes_it():
    packages = [published("app", "0:1.0-1", "requires app-old"), published("app-old")]
    base = spec("0:1.0-1", {"app": ["requires app-old"], "app-old": []})
    head = spec(
        "0:1.0-1",
        {"app": ["requires app-new"], "app-new": ["obsoletes app-old < 1.0-1", "requires libx"]},
    )
    result = predict(packages, base, head, ARCH, flags())
    assert [package.nevra.name for package in result.head.packages] == ["app", "app-new"]
    assert [package.nevra.name for package in result.base.packages] == ["app", "app-old"]
    new = of(result.head, "app-new")
    assert new.installed_size is None and new.download_size is None
    assert new.source == "app"
    assert capabilities(new, "provides") == ["app-new = 1.0-1", "app-new(x86-64) = 1.0-1"]
    assert capabilities(new, "obsoletes") == ["app-old < 1.0-1"]
    assert capabilities(new) == ["libx"]


def test_a_new_subpackage_of_an_unchanged_version_has_the_published_one():
    base = spec("0:1.0-2", {"app": []})
    head = spec("0:1.0-2", {"app": ["requires app-x = 1.0-2"], "app-x": ["requires app = 1.0-2"]})
    result = predict([published("app", "0:1.0-7")], base, head, ARCH, no_headers)
    assert str(of(result.head, "app-x").nevra) == "app-x-0:1.0-7.x86_64"
    assert capabilities(of(result.head, "app-x")) == ["app = 1.0-7"]
    assert capabilities(of(result.head)) == ["app-x = 1.0-7"]


def test_a_subpackage_without_files_is_not_built():
    base = spec("0:1.0-1", {"app": [], "app-a": [], "app-b": []}, unbuilt=["app-b"])
    head = spec("0:1.0-1", {"app": [], "app-a": [], "app-b": []}, unbuilt=["app-a", "app-b"])
    packages = [published("app"), published("app-a"), published("app-b")]
    result = predict(packages, base, head, ARCH, no_headers)
    # app-b is published although neither side seems to build it: no difference, so it stays.
    assert [package.nevra.name for package in result.head.packages] == ["app", "app-b"]


def test_a_published_package_that_neither_side_makes_leaves_on_both():
    stale = published("app-ancient", "0:0.1-1", "requires app-libs = 0.1-1")
    base, head = spec("0:1.0-1", {"app": []}), spec("0:1.1-1", {"app": []})
    result = predict([published("app"), stale], base, head, ARCH, no_headers)
    assert [p.nevra.name for p in result.base.packages] == ["app"]
    assert [p.nevra.name for p in result.head.packages] == ["app"]
    (note,) = result.notes
    assert note == (
        "Published packages that the spec file of app no longer makes are left out on both"
        " sides: app-ancient."
    )
    other = frozenset({"app-ancient"})
    result = predict([published("app"), stale], base, head, ARCH, no_headers, elsewhere=other)
    assert result.notes == ()


def test_what_is_published_where_both_sides_leave_the_architecture_out_stays():
    noarch = published("app", arch="noarch")
    base, head = spec("0:1.0-1", {}), spec("0:1.0-2", {})
    result = predict([noarch], base, head, ARCH, no_headers)
    assert [p.nevra for p in result.base.packages] == [noarch.nevra]
    assert [p.nevra for p in result.head.packages] == [noarch.nevra]


def test_a_source_that_is_not_published_has_its_own_spec_as_base():
    base = spec("0:1.0-1", {"app": ["requires app-libs = 1.0-1"], "app-libs": []})
    head = spec("0:1.0-2", {"app": ["requires app-libs = 1.0-2"], "app-libs": ["requires x"]})
    result = predict([], base, head, ARCH, no_headers)
    assert capabilities(of(result.base)) == ["app-libs = 1.0-1"]
    assert capabilities(of(result.head)) == ["app-libs = 1.0-2"]
    assert capabilities(of(result.head, "app-libs")) == ["x"]
    assert of(result.base).installed_size is None


def test_a_package_that_base_makes_and_nobody_published_yet_is_on_both_sides():
    base = spec("0:1.0-7", {"app": [], "app-new": ["requires app = 1.0-7"]})
    head = spec("0:1.0-8", {"app": [], "app-new": ["requires app = 1.0-8", "requires x"]})
    result = predict([published("app", "0:1.0-5")], base, head, ARCH, no_headers)
    assert of(result.base).nevra.evr == "0:1.0-5"
    assert capabilities(of(result.base, "app-new")) == ["app = 1.0-5"]
    assert capabilities(of(result.head, "app-new")) == ["app = 1.0-8", "x"]


IN_FLIGHT = [
    # published, base's spec, head's spec, what head then is
    ("0:1.0-5", "0:1.0-7", "0:1.0-8", "0:1.0-8"),
    ("0:1.0-5", "0:1.0-7", "0:1.0-7", "0:1.0-5"),
    ("0:0.9-1", "0:1.0-7", "0:1.1-1", "0:1.1-1"),
    ("0:2.0-1", "0:1.0-7", "0:1.0-8", "0:2.0-1"),  # published is newer than both
    ("0:2.0-1", "0:1.0-7", "0:2.1-1", "0:2.1-1"),
    ("0:1.0-7", "0:1.0-7", "0:0.9-1", "0:0.9-1"),  # a step back of the change's own
    ("1:1.0-5", "2:1.0-7", "2:1.0-7", "1:1.0-5"),
    ("1:1.0-5", "2:1.0-7", "2:1.0-8", "1:1.0-8"),
    ("0:1.0-5", "0:1.0-5", "1:1.0-6", "1:1.0-6"),
]


def sides(evr: str, style: str, own: str, *, new: bool = False):
    """A spec whose main package requires siblings, one of which has a version of its own."""
    epoch, _, vr = evr.partition(":")
    version, _, release = vr.partition("-")
    full = f"{epoch}:{vr}" if int(epoch) else vr
    sub = f"{own}-{release}"
    text = {
        "vr": f"app-libs = {vr}",
        "evr": f"app-libs(x86-64) = {full}",
        "v": f"app-libs >= {version}",
        "rich": f"(app-libs = {version} if base)",
        "own": f"app-sub = {epoch}:{sub}" if int(epoch) else f"app-sub = {sub}",
        "virtual": f"dist(app) = {version}",
    }[style]
    evaluation = spec(
        evr,
        {
            "app": [f"requires {text}"],
            "app-libs": [f"provides dist(app) = {version}"],
            **({"app-new": [f"requires {text}"]} if new else {}),
        },
    )
    nevra = Nevra("app-sub", int(epoch), own, release, ARCH)
    packages = (*evaluation.packages, SpecPackage(nevra, ()))
    return text, dataclasses.replace(evaluation, packages=packages), f"{epoch}:{sub}"


def meets(packages, requirement: Dependency) -> bool:
    """Whether one of the packages provides what is required, version and all."""
    inner = requirement.capability.strip("()").partition(" if ")[0]
    name, _, evr = inner.split(" ")
    epoch, _, vr = evr.rpartition(":")
    for package in packages:
        for provided in package.of_kind("provides"):
            has, _, version = provided.capability.partition(" = ")
            if has != name:
                continue
            own_epoch, _, own = version.rpartition(":")
            if epoch and epoch != (own_epoch or "0"):
                continue
            if own == vr or ("-" not in vr and own.partition("-")[0] == vr):
                return True
    return False


@pytest.mark.parametrize(("there", "base", "head", "final"), IN_FLIGHT)
@pytest.mark.parametrize("style", ["vr", "evr", "v", "rich", "own", "virtual"])
@pytest.mark.parametrize("new", [False, True], ids=["", "new"])
def test_siblings_require_what_the_overlay_has(there, base, head, final, style, new):
    text, _, sub = sides(there, style, "3.1")
    version = there.partition(":")[2].partition("-")[0]
    packages = [
        published("app", there, f"requires {text}"),
        published("app-libs", there, f"provides dist(app) = {version}"),
        published("app-sub", sub),
    ]
    before, after = sides(base, style, "3.1")[1], sides(head, style, "3.1", new=new)[1]
    result = predict(packages, before, after, ARCH, flags())
    assert of(result.head).nevra.evr == final
    needs = [d for p in result.head.packages for d in p.of_kind("requires")]
    assert len(needs) == 1 + new
    assert all(meets(result.head.packages, need) for need in needs), needs


def test_noarch_to_arch_and_back():
    base = spec("0:1.0-1", {"app": [], "app-data": []}, noarch=["app-data"])
    head = spec("0:1.0-1", {"app": [], "app-data": []}, noarch=["app"])
    packages = [published("app"), published("app-data", arch="noarch")]
    result = predict(packages, base, head, ARCH, no_headers)
    data, app = of(result.head, "app-data"), of(result.head)
    assert data.nevra.arch == "x86_64"
    assert capabilities(data, "provides") == ["app-data = 1.0-1", "app-data(x86-64) = 1.0-1"]
    assert app.nevra.arch == "noarch"
    assert capabilities(app, "provides") == ["app = 1.0-1"]


def test_a_deleted_spec_leaves_no_package_and_a_new_one_brings_its_own():
    evaluation = spec("0:1.0-1", {"app": ["requires perl"]})
    prediction = predict([published("app")], evaluation, None, ARCH, no_headers)
    assert prediction.head.packages == () and len(prediction.base.packages) == 1
    assert prediction.head.sources == {"app"}
    new = predict([], None, evaluation, ARCH, no_headers)
    assert new.base.packages == ()
    assert capabilities(of(new.head)) == ["perl"]
    assert of(new.head).installed_size is None


def test_a_spec_that_is_new_here_keeps_what_its_published_package_requires():
    before = published("app", "0:0.9-1", "requires libz.so.1()(64bit)")
    result = predict([before], None, spec("0:1.0-1", {"app": ["requires perl"]}), ARCH, no_headers)
    assert capabilities(of(result.head)) == ["libz.so.1()(64bit)", "perl"]
    assert of(result.head).nevra.version == "1.0"
    assert any("new here" in note for note in result.notes)


def test_an_excluded_architecture_loses_its_packages():
    base = spec("0:1.0-1", {"app": []})
    head = SpecEvaluation("app.spec", ARCH, "app", (0, "1.0", "1"), (), excluded=True)
    result = predict([published("app")], base, head, ARCH, no_headers)
    assert result.head.packages == ()


def test_debug_packages_and_other_architectures_are_dropped():
    packages = [
        published("app"),
        published("app-debuginfo"),
        published("app-debugsource"),
        published("app-libs", arch="i686"),
    ]
    evaluation = spec("0:1.0-1", {"app": []})
    result = predict(packages, evaluation, evaluation, ARCH, no_headers)
    assert [p.nevra.name for p in result.base.packages] == ["app"]
    assert [p.nevra.name for p in result.head.packages] == ["app"]


def test_changed_lines_name_what_was_added_and_removed_where():
    base = spec("0:1.0-1", {"app": ["requires a@1", "requires b@2"]})
    head = spec("0:1.0-2", {"app": ["requires a@1", "requires c@2"], "app-x": ["requires d@9"]})
    stated = [
        (c.package_name, c.dependency.capability, c.origin.line, c.kind)
        for c in changed_lines(base, head)
    ]
    assert stated == [
        ("app", "c", 2, "added"),
        ("app", "b", 2, "removed"),
        ("app-x", "d", 9, "added"),
    ]
    assert [c.kind for c in changed_lines(None, head)] == ["added"] * 3


def test_rich_dependencies_are_compared_whatever_their_spaces():
    before = published("app", "0:1.0-1", "requires (a >= 1.0-1 or b)")
    base = spec("0:1.0-1", {"app": ["requires (a >= 0:1.0-1 or  b)"]})
    head = spec("0:1.1-1", {"app": ["requires (a >= 1.1-1 or b)"]})
    result = predict([before], base, head, ARCH, no_headers)
    assert capabilities(of(result.head)) == ["(a >= 1.1-1 or b)"]
