"""Every field that CONTRACT names is in the API, with its type."""

import pytest

from tests.web.sites import NGINX, STRANGE, prepare

KEY = {"workload": str, "environment": str, "repository": str, "arch": str}
EDGE = {"from": str, "capability": str, "to": str, "kind": str}
MAYBE = (int, type(None))
IMAGE = KEY | {"status": str, "problems": [str], "missing": [str],
    "snapshot": {"id": str, "repositories": [{"id": str, "revision": str, "timestamp": str}]},
    "totals": {"packages": int, "installed_size": MAYBE, "installed_size_nodocs": MAYBE,
               "download_size": MAYBE}}  # fmt: skip
PACKAGE = {"nevra": str, "name": str, "epoch": int, "version": str, "release": str, "arch": str,
    "source": str, "from": str, "installed_size": MAYBE, "installed_size_nodocs": MAYBE,
    "download_size": MAYBE, "requested": bool,
    "required_by": [{"nevra": str, "capability": str, "kind": str}]}  # fmt: skip
WHY = KEY | {"nevra": str, "roots": [str], "chains": [[EDGE]],
    "leaves_with": [{"nevra": str, "capability": str}]}  # fmt: skip
LISTED = (*MAYBE, list)  # a limit of the attack surface is an allow-list
STANDING = KEY | {"metric": str, "value": LISTED, "limit": LISTED, "target": MAYBE,
    "met": (bool, type(None)), "trend_per_week": (float, int, type(None))}  # fmt: skip
SIDE = {"status": str, "problems": [str], "packages": MAYBE, "installed_size": MAYBE,
    "known_size": MAYBE, "layer": (dict, type(None))}  # fmt: skip
LINE = {"path": str, "line": int, "text": str}
CHECK = {"base": str, "head": str, "merge_base": str, "specs": [str], "verdict": str,
    "problems": [str],
    "images": [KEY | {"changed": bool, "evidence": str, "snapshot": dict, "base": SIDE,
        "head": SIDE, "added": [{"nevra": str, "installed_size": MAYBE, "requested": bool,
            "chains": [[EDGE]], "spec": (dict, type(None)), "leaves_with": [LINE]}],
        "removed": [{"nevra": str, "installed_size": MAYBE}],
        "changed_packages": [{"name": str, "arch": str, "from": str, "to": str,
            "installed_size_delta": MAYBE}],
        "objectives": [{"name": str, "metric": str, "before": MAYBE, "value": MAYBE,
            "limit": MAYBE, "met": (bool, type(None))}]}],
    "suggestions": [{"spec": LINE, "replace_with": str,
        "saves": [KEY | {"packages": int, "installed_size": MAYBE}]}]}  # fmt: skip
OBJECTS = {
    "/images": {"images": [IMAGE]},
    NGINX: IMAGE | {"packages": [PACKAGE]},
    "/packages/zlib": {"images": [WHY]},
    "/objectives": {"objectives": [{"name": str, "images": [STANDING]}]},
    "/checks/over": CHECK,
}


def shape_errors(value, wanted, place="") -> list[str]:
    """The places where a JSON value differs from a shape; it may have more fields."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [f"{place} is no object"]
        gone = [f"{place}.{name} is missing" for name in wanted.keys() - value.keys()]
        there = wanted.keys() & value.keys()
        return gone + [m for n in there for m in shape_errors(value[n], wanted[n], f"{place}.{n}")]
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [f"{place} is no list"]
        return [
            m for i, one in enumerate(value) for m in shape_errors(one, wanted[0], f"{place}[{i}]")
        ]
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    return [] if fits else [f"{place} is {value!r}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("site"), days=6)


@pytest.mark.parametrize(("path", "wanted"), OBJECTS.items())
async def test_the_api_has_what_the_contract_names(site, path, wanted) -> None:
    value = await (await site.get(f"/api{path}")).json()
    if path == "/images":
        # One that cannot be installed has no totals.
        value["images"] = [i for i in value["images"] if i["status"] == "ok"]
    assert shape_errors(value, wanted) == []


async def test_an_image_that_cannot_be_installed_has_no_totals(site) -> None:
    listed = (await (await site.get("/api/images?status=unsolvable")).json())["images"]
    assert {image["totals"] for image in listed} == {None}
    value = await (await site.get(f"/api{STRANGE}")).json()
    assert (value["totals"], value["packages"]) == (None, None)


async def test_requirements_that_keep_a_package_are_in_each_image_and_on_the_pages(site) -> None:
    value = await (await site.get("/api/packages/libssh")).json()
    (drop,) = next(i for i in value["images"] if i["arch"] == "x86_64")["leaves_with"]
    assert drop["nevra"].startswith("libcurl-0:")
    assert drop["capability"] == 'libssh >= "1" & <2'
    page = await (await site.get("/packages/libssh")).text()
    assert "libssh &gt;= &#34;1&#34; &amp; &lt;2 of libcurl" in page
    curl = "/images/reference/minimal/curl/x86_64?package=libssh"
    value = await (await site.get(f"/api{curl}")).json()
    assert value["highlight"]["leaves_with"] == [drop]
    assert "It would leave without" in await (await site.get(curl)).text()


async def test_what_is_requested_leaves_with_nothing_else(site) -> None:
    value = await (await site.get("/api/packages/bash")).json()
    assert all(image["requested"] and image["leaves_with"] == [] for image in value["images"])
