"""Results as JSON: the contract's names, and back again."""

import json
from dataclasses import replace

import pytest

from bot.distro.load import ConfigurationReport, DocumentProblem
from bot.model.closure import (
    Closure,
    Edge,
    RepositoryState,
    Requirement,
    SnapshotState,
    UnsolvableCause,
    WhatIf,
    Why,
)
from bot.model.package import Dependency, Package
from bot.model.result import LayerSize, Side
from bot.model.result_json import check_from_json, check_to_json
from bot.report.jsonform import (
    closures_to_json,
    configuration_to_json,
    json_text,
    what_if_to_json,
    why_to_json,
)
from tests.conftest import run_python

NAMES = (
    "predicted", "rebuilt", "one_differs", "unsolvable", "shrinks", "many_images",
    "many_packages", "not_evaluated", "bad_spec",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_check_survives_the_way_through_json(samples, name):
    result = samples.all[name]()
    assert check_from_json(json.loads(json_text(check_to_json(result)))) == result


def test_layers_stale_repositories_and_unknown_sizes_survive_too(samples):
    image = samples.image("x86_64", samples.perl("x86_64"))
    stale = RepositoryState("baseos", "1", "2024-01-01T00:00:00Z", "since yesterday: timed out")
    image = replace(
        image,
        head=replace(image.head, installed_size=None, layer=LayerSize(3, 2, 1)),
        snapshot=SnapshotState("id", (stale,)),
    )
    result = samples.result(image, interrupted=True)
    assert check_from_json(check_to_json(result)) == result


def unsolvable(samples) -> Side:
    """A head with a cause of each kind, and with all that a cause may lack."""
    nginx, perl, old = (samples.nevra(name, "x86_64") for name in ("nginx", "perl", "old"))
    way = (Edge(nginx, "perl", perl, "requires"),)
    return Side(
        "unsolvable",
        ("nothing provides libnothere >= 3 needed by perl",),
        causes=(
            UnsolvableCause("missing", "libnothere >= 3", perl, way, samples.SPEC),
            UnsolvableCause("missing", "nosuch", None),
            UnsolvableCause("conflict", "old", nginx, (), None, True, old, way),
        ),
    )


def test_what_else_brings_a_package_and_the_files_of_a_requirement_survive_too(samples):
    (first, *_) = samples.perl("x86_64")
    edge = replace(first.chains[0][0], files=("/usr/bin/one", "/usr/bin/two"))
    added = replace(
        first,
        chains=((edge,),),
        alternatives=(samples.SPEC,),
        together_with=(samples.SPEC,),
        stays_by=(edge,),
        instead=(edge.target,),
    )
    result = samples.result(samples.image("x86_64", (added,)))
    value = check_to_json(result)
    (back,) = check_from_json(json.loads(json_text(value))).images[0].added
    assert back == added
    assert back.chains[0][0].files == back.stays_by[0].files == edge.files
    plain = check_to_json(samples.predicted())["images"][0]["added"][0]["chains"][0][0]
    assert "files" not in plain


def test_the_causes_of_an_unsolvable_side_survive_too(samples):
    image = samples.image("x86_64", ())
    result = samples.result(replace(image, head=unsolvable(samples)))
    value = check_to_json(result)
    assert check_from_json(json.loads(json_text(value))) == result
    first, request, conflict = value["images"][0]["head"]["causes"]
    assert first == {
        "kind": "missing",
        "capability": "libnothere >= 3",
        "needed_by": "perl-0:1.0-2.x86_64",
        "chain": [
            {
                "from": "nginx-0:1.0-2.x86_64",
                "capability": "perl",
                "to": "perl-0:1.0-2.x86_64",
                "kind": "requires",
            }
        ],
        "spec": {"path": "nginx.spec", "line": 31, "text": "Requires:       perl"},
        "arch_only": False,
        "conflicts_with": None,
        "conflicts_with_chain": [],
        "incompatible": None,
        "removed": None,
    }
    assert (request["needed_by"], request["spec"]) == (None, None)
    assert (conflict["conflicts_with"], conflict["arch_only"]) == ("old-0:1.0-2.x86_64", True)


def test_a_result_that_an_earlier_release_stored_has_no_causes(samples):
    result = samples.result(replace(samples.image("x86_64", ()), head=unsolvable(samples)))
    value = check_to_json(result)
    for side in ("base", "head"):
        del value["images"][0][side]["causes"]
    (image,) = check_from_json(value).images
    assert (image.head.causes, image.head.problems) == ((), unsolvable(samples).problems)


def test_an_unsolvable_closure_has_its_causes(samples):
    side = unsolvable(samples)
    broken = closure(samples, status="unsolvable", packages=(), edges=(), causes=side.causes)
    (image,) = closures_to_json([broken])["images"]
    assert [cause["capability"] for cause in image["causes"]] == [
        "libnothere >= 3",
        "nosuch",
        "old",
    ]
    (image,) = closures_to_json([closure(samples)])["images"]
    assert image["causes"] == []


def test_only_dependencies_and_files_of_packages_are_not_stored(samples):
    perl = samples.package("perl", "x86_64", 5)
    full = replace(perl, dependencies=(Dependency("requires", "x"),), files=("/x",))
    with_full = samples.result(samples.image("x86_64", (), removed=(full,)))
    without = samples.result(samples.image("x86_64", (), removed=(perl,)))
    assert check_from_json(check_to_json(with_full)) == without


def test_a_check_has_the_fields_of_the_contract(samples):
    value = check_to_json(samples.rebuilt())
    assert set(value) >= {
        "base", "head", "merge_base", "specs", "verdict", "problems", "images", "suggestions",
    }  # fmt: skip
    image = value["images"][-1]
    assert (image["workload"], image["environment"], image["arch"]) == (
        "nginx",
        "minimal",
        "x86_64",
    )
    assert image["evidence"] == "rebuilt"
    assert set(image["base"]) == {
        "status", "problems", "causes", "more_causes", "packages", "installed_size", "known_size",
        "beneath_packages", "beneath_size", "layer", "surface",
    }  # fmt: skip
    assert image["head"]["layer"] is None
    added = {a["nevra"]: a for a in image["added"]}
    perl = added["perl-interpreter-0:1.0-2.x86_64"]
    assert perl["spec"] == {"path": "nginx.spec", "line": 31, "text": "Requires:       perl"}
    assert perl["leaves_with"] == [perl["spec"]]
    assert perl["chains"] == [
        [
            {
                "from": "nginx-0:1.0-2.x86_64",
                "capability": "perl",
                "to": "perl-interpreter-0:1.0-2.x86_64",
                "kind": "requires",
            }
        ]
    ]
    assert added["libxslt-0:1.0-2.x86_64"]["spec"] is None
    assert image["changed_packages"] == [
        {
            "name": "nginx",
            "arch": "x86_64",
            "from": "nginx-0:1.26-2.x86_64",
            "to": "nginx-0:1.26-2.x86_64",
            "installed_size_delta": 4096,
        }
    ]
    objective = image["objectives"][0]
    assert [objective[k] for k in ("target", "target_by", "due")] == [None, None, False]
    assert {k: objective[k] for k in ("name", "metric", "limit", "met")} == {
        "name": "nginx stays small",
        "metric": "installed_size",
        "limit": 60_000_000,
        "met": False,
    }
    saving = value["suggestions"][0]["saves"][0]
    assert saving["packages"] == 5
    assert saving["installed_size"] == 31_002_000


def test_the_order_of_the_input_does_not_show(samples):
    result = samples.rebuilt()
    turned = replace(result, images=tuple(reversed(result.images)))
    assert json_text(check_to_json(turned)) == json_text(check_to_json(result))


def closure(samples, **others):
    nginx, zlib = samples.nevra("nginx", "x86_64"), samples.nevra("zlib", "x86_64")
    values = {
        "key": samples.key("x86_64"),
        "snapshot": SnapshotState("s", (RepositoryState("baseos", "9", "2024-01-01T00:00:00Z"),)),
        "status": "ok",
        "packages": (
            Package(nginx, "nginx", "appstream", installed_size=10, download_size=4),
            Package(zlib, "zlib", "baseos", installed_size=7, download_size=2),
        ),
        "requested": frozenset({nginx}),
        "edges": (Edge(nginx, "libz.so.1()(64bit)", zlib, "requires"),),
    }
    return Closure(**{**values, **others})


def test_a_closure_has_the_fields_of_the_contract(samples):
    (image,) = closures_to_json([closure(samples)])["images"]
    assert image["totals"] == {
        "packages": 2,
        "installed_size": 17,
        "known_size": 17,
        "installed_size_nodocs": None,
        "download_size": 6,
    }
    nginx, zlib = image["packages"]
    assert nginx["requested"] and not zlib["requested"]
    assert nginx["required_by"] == []
    assert zlib == {
        "nevra": "zlib-0:1.0-2.x86_64",
        "name": "zlib",
        "epoch": 0,
        "version": "1.0",
        "release": "2",
        "arch": "x86_64",
        "source": "zlib",
        "from": "baseos",
        "installed_size": 7,
        "installed_size_nodocs": None,
        "download_size": 2,
        "requested": False,
        "required_by": [
            {
                "nevra": "nginx-0:1.0-2.x86_64",
                "capability": "libz.so.1()(64bit)",
                "kind": "requires",
            }
        ],
    }


def test_a_total_that_lacks_a_part_is_null_with_what_is_known(samples):
    packages = closure(samples).packages
    lacking = closure(samples, packages=(packages[0], replace(packages[1], installed_size=None)))
    totals = closures_to_json([lacking])["images"][0]["totals"]
    assert totals["installed_size"] is None
    assert totals["known_size"] == 10


def test_an_unsolvable_closure_has_problems_and_no_packages(samples):
    unsolvable = closure(
        samples, status="unsolvable", packages=(), edges=(), problems=("p",), missing=("m",)
    )
    (image,) = closures_to_json([unsolvable])["images"]
    assert image["packages"] is None
    assert image["totals"] is None
    assert (image["problems"], image["missing"]) == (["p"], ["m"])


def test_why_and_what_if_have_the_fields_of_the_contract(samples):
    key, nginx = samples.key("x86_64"), samples.nevra("nginx", "x86_64")
    edge = samples.edge("nginx", "perl", "perl", "x86_64")
    (why,) = why_to_json(
        [Why(key, edge.target, (nginx,), ((edge,),), (Requirement(nginx, "perl"),))]
    )["images"]
    assert why["roots"] == ["nginx-0:1.0-2.x86_64"]
    assert why["chains"][0][0]["to"] == "perl-0:1.0-2.x86_64"
    assert why["leaves_with"] == [{"nevra": "nginx-0:1.0-2.x86_64", "capability": "perl"}]
    assert why_to_json([Why(key, None)])["images"][0]["nevra"] is None
    perl = samples.package("perl", "x86_64", 5)
    (what_if,) = what_if_to_json([WhatIf(key, "ok", removed=(perl,), added=(), saved=5)])["images"]
    assert what_if["saved"] == 5
    assert what_if["removed"][0]["installed_size"] == 5
    assert what_if["added"] == []


def test_a_configuration_report_has_the_fields_of_the_contract():
    error = DocumentProblem("a.yaml", 3, "data.name", "is missing")
    unused = DocumentProblem("v.yaml", 1, "document", "views need a buildroot")
    assert configuration_to_json(ConfigurationReport(2, (error,), (unused,))) == {
        "documents": 2,
        "errors": [{"file": "a.yaml", "line": 3, "field": "data.name", "message": "is missing"}],
        "unused": [
            {"file": "v.yaml", "line": 1, "field": "document", "message": "views need a buildroot"}
        ],
    }


def test_an_unsolvable_side_is_null_not_zero(samples):
    images = check_to_json(samples.unsolvable())["images"]
    (broken,) = (i for i in images if i["changed"])
    assert broken["head"]["packages"] is None
    assert broken["head"]["installed_size"] is None
    assert Side("unsolvable").known_size is None


def test_json_does_not_load_the_renderers():
    code = (
        "import sys; from bot.report.jsonform import closures_to_json, json_text;"
        "print([m for m in ('rich', 'jinja2', 'markupsafe', 'pydantic') if m in sys.modules])"
    )
    done = run_python(code)
    assert done.stdout.strip() == "[]"


def test_plain_text_of_closures_does_not_load_rich_either():
    code = "import sys; from bot.report.answers import closures_text; print('rich' in sys.modules)"
    done = run_python(code)
    assert done.stdout.strip() == "False"
