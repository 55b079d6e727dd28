"""A check's result: its JSON and back, and what older releases stored."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bot.errors import MinimizeError
from bot.model.closure import Edge, RepositoryState, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.result import (
    Acceptance,
    Added,
    ChangedPackage,
    CheckResult,
    ConfigurationChange,
    FieldChange,
    FileChange,
    ImageResult,
    JudgedImage,
    LayerSize,
    ObjectiveResult,
    Side,
)
from bot.model.result_json import VERSION, check_from_json, check_to_json, check_to_store
from bot.model.spec import BuildNote, SpecLine
from bot.model.suggestion import Saving, Suggestion
from tests.conftest import run_python

STORED = Path(__file__).parent / "stored"
SIZES = st.none() | st.integers(0, 1 << 40)
TEXTS = st.text(max_size=5)
NEVRAS = st.builds(
    Nevra,
    st.sampled_from(["glibc", "perl-Getopt-Long", "libstdc++", "python3.12"]),
    st.integers(0, 3),
    st.text("0123456789.~^abc", max_size=3),
    st.text("0123456789.el", max_size=3),
    st.sampled_from(["x86_64", "noarch"]),
)
# A line has lines: two levels, as the bot writes them, not as deep as the strategy goes.
FEEDS = st.builds(SpecLine, TEXTS, st.integers(1), TEXTS, st.just(()))
LINES = st.builds(SpecLine, TEXTS, st.integers(1), TEXTS, st.lists(FEEDS, max_size=2).map(tuple))
PACKAGES = st.builds(Package, NEVRAS, TEXTS, TEXTS, installed_size=SIZES, download_size=SIZES)
st.register_type_strategy(Nevra, NEVRAS)
st.register_type_strategy(Package, PACKAGES)
st.register_type_strategy(SpecLine, LINES)
st.register_type_strategy(float, st.floats(0, 1e6))
RESULTS = st.from_type(CheckResult)


def one_of_each() -> CheckResult:
    """The result that two earlier commits stored: the files in `stored` are named after them."""

    def nevra(name: str) -> Nevra:
        return Nevra(name, 0, "1", "2", "x86_64")

    def package(name: str) -> Package:
        return Package(nevra(name), name, "baseos", installed_size=5, download_size=2)

    key = ImageKey("nginx", "minimal", "r", "x86_64")
    line = SpecLine("nginx.spec", 31, "Requires: perl")
    chain = (Edge(nevra("nginx"), "perl", nevra("perl"), "requires"),)
    objective = ObjectiveResult(
        name="small", id="small-id", metric="packages", before=1, value=2, limit=1, met=False,
        worse=True, target=1, target_by="2027-03-01",
    )  # fmt: skip
    base = Side("ok", packages=1, installed_size=5, known_size=5, layer=LayerSize(3, 2, 1))
    image = ImageResult(
        key=key,
        snapshot=SnapshotState("s", (RepositoryState("baseos", "9", "2024-05-06T04:00:00Z"),)),
        changed=True,
        evidence="rebuilt",
        base=base,
        head=Side("ok", packages=2, known_size=10),
        added=(Added(package("perl"), False, (chain,), line, (line,)),),
        removed=(package("gone"),),
        changed_packages=(ChangedPackage("nginx", "x86_64", nevra("nginx"), nevra("nginx"), None),),
        objectives=(objective,),
        files=(FileChange("perl", "/usr/bin/perl", None, 5),),
    )
    return CheckResult(
        base="b",
        head="h",
        merge_base="b",
        specs=("nginx.spec",),
        sources={"nginx": "1-2"},
        verdict="failure",
        only_limits=True,
        accepted=Acceptance("u", "why", "2024-05-06T04:00:00Z"),
        problems=("problem",),
        notes=("note",),
        images=(image,),
        suggestions=(Suggestion(line, "Recommends: perl", (Saving(key, 1, 5),)),),
        builds=(BuildNote("head", "nginx.spec", "x86_64", "built", "", "/log", 1.5),),
        configuration=ConfigurationChange(
            ".minimize.yaml",
            "changed",
            fields=(FieldChange("dist", None, ".el9"),),
            more=(key,),
            verdict="failure",
            images=(JudgedImage(key, True, (objective,)),),
            notes=("note",),
        ),
    )


@settings(max_examples=50, deadline=None)
@given(RESULTS)
def test_a_result_comes_back_from_its_json(result):
    assert check_from_json(json.loads(json.dumps(check_to_store(result)))) == result


@pytest.mark.parametrize("commit", ["87eb2d5", "ceff415"])
def test_a_result_that_an_older_release_stored_is_read(commit):
    stored = json.loads((STORED / f"{commit}.json").read_text())
    assert check_from_json(stored) == one_of_each()


def test_the_json_of_a_result_is_that_of_older_releases_with_new_fields():
    older = json.loads((STORED / "ceff415.json").read_text())
    now = check_to_json(one_of_each())
    assert now.pop("rpm_versions") == {}
    assert now.pop("unverified") == []
    assert now.pop("broken") == []
    assert now.pop("refused") == []
    assert now.pop("with") == []
    assert now.pop("predicted_verdict") is None
    assert now.pop("awaited") == []
    assert [build.pop("emulated") for build in now["builds"]] == [False]
    (checked,) = now["images"]
    assert checked.pop("without") == []
    assert [added.pop("generated") for added in checked["added"]] == [None]
    assert [checked.pop(name) for name in ("alone", "alone_with", "only_together")] == [
        None,
        [],
        None,
    ]
    assert [checked[side].pop("surface") for side in ("base", "head")] == [None, None]
    for side in ("base", "head"):
        names = ("beneath_packages", "beneath_size", "more_causes")
        assert [checked[side].pop(name) for name in names] == [0, None, 0]
    assert now.pop("requests") == []
    assert now.pop("advice") == []
    assert now.pop("spec_edits") == []
    assert now.pop("edits") == []
    (suggestion,) = now["suggestions"]
    added = [suggestion.pop(name) for name in ("edits", "kind", "evidence", "diff_line")]
    assert added == [[], "weaken", None, None]
    (image,) = older["configuration"]["images"]
    (objective,) = image["objectives"]
    image["objectives"] = [{"name": objective.pop("name"), "id": "small-id", **objective}]
    assert now.pop("reproduction") is None
    assert json.dumps(now) == json.dumps(older)


def test_a_result_of_a_later_release_is_refused_with_a_hint():
    stored = {**check_to_store(one_of_each()), "version": VERSION + 1}
    with pytest.raises(MinimizeError, match="Run the release that wrote it"):
        check_from_json(stored)


def test_a_field_of_a_later_release_of_the_same_version_is_passed_over():
    stored = {**check_to_store(one_of_each()), "colour": "red"}
    assert check_from_json(stored) == one_of_each()


def test_names_that_are_no_text_come_back():
    # Paths of a git repository are bytes; `os.fsdecode` has a lone surrogate for each that is none.
    result = replace(one_of_each(), specs=("\udcff.spec",))
    assert check_from_json(json.loads(json.dumps(check_to_store(result)))) == result


def test_lists_are_sorted_where_a_value_is_made():
    (image,) = one_of_each().images
    others = tuple(
        replace(image, key=replace(image.key, arch=arch)) for arch in ("s390x", "aarch64")
    )
    result = replace(one_of_each(), images=(*others, image))
    assert [i["arch"] for i in check_to_json(result)["images"]] == ["aarch64", "s390x", "x86_64"]
    assert [i.key.arch for i in result.images] == ["aarch64", "s390x", "x86_64"]


def test_fields_that_stand_in_line_are_properties_before_any_json_is_made():
    code = "from bot.model.result import Added, ImageResult; print(Added.nevra, ImageResult.arch)"
    done = run_python(code)
    assert done.stdout.count("<property") == 2
    assert not hasattr(Added, "dependencies")


def test_a_value_that_is_there_already_is_taken_as_it_is():
    (saving,) = one_of_each().suggestions[0].saves
    assert TypeAdapter(tuple[Saving, ...]).validate_python([saving]) == (saving,)


def test_the_model_does_not_load_pydantic():
    code = "import sys; import bot.model.result; print('pydantic' in sys.modules)"
    done = run_python(code)
    assert done.stdout.strip() == "False"
