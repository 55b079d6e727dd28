"""CVEs without a fix are read from a vendor's VEX documents, CSAF 2.0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.distro.cache import Cache
from bot.distro.documents import VexSource
from bot.errors import SurroundingsError
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.surface import vex
from bot.surface.vex import unfixed_cves

CPE = "cpe:/o:vendor:linux:9"


def product(id_: str, **helper: str) -> dict[str, Any]:
    named = {"product_id": id_, "name": id_, "product_identification_helper": helper}
    return {"category": "product_version", "name": id_, "product": named}


def together(component: str, product: str) -> dict[str, Any]:
    return {
        "category": "default_component_of",
        "full_product_name": {"product_id": f"{product}:{component}", "name": "both"},
        "product_reference": component,
        "relates_to_product_reference": product,
    }


def document(cve: str, **status: list[str]) -> dict[str, Any]:
    """A document about openssl's source and one binary package, in two products."""
    branches = [
        {"category": "product_family", "name": "f", "branches": [
            product("linux_9", cpe=CPE), product("linux_9_base", cpe=f"{CPE}::base"),
            product("linux_90", cpe=f"{CPE}0"),
        ]},
        product("openssl", purl="pkg:rpm/vendor/openssl?arch=src"),
        product("tool", purl="pkg:rpm/vendor/tool@2?arch=x86_64"),
        product("image", purl="pkg:oci/openssl"),
    ]  # fmt: skip
    pairs = [
        together(component, one)
        for component in ("openssl", "tool", "image")
        for one in ("linux_9", "linux_9_base", "linux_90")
    ]
    return {
        "document": {"category": "csaf_vex", "csaf_version": "2.0", "title": "t"},
        "product_tree": {"branches": [{"category": "vendor", "name": "v", "branches": branches}],
                         "relationships": pairs},
        "vulnerabilities": [{"cve": cve, "product_status": status}],
    }  # fmt: skip


class Folder:
    """A folder of documents, and the CVEs of one package of openssl and of a tool."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root / "vex" / "2026", Cache(root / "cache")
        self.root.mkdir(parents=True)

    def write(self, name: str, content: object) -> None:
        (self.root / name).write_text(json.dumps(content))

    def cves(self, source: str = "openssl", name: str = "openssl-libs") -> tuple[str, ...]:
        cves = unfixed_cves(VexSource(str(self.root.parent), (CPE,)), self.cache)
        return cves.of([Package(Nevra(name, 0, "3", "1", "x86_64"), source, "baseos")])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_what_is_known_to_be_affected_has_no_fix_and_everything_else_does_not_count(folder) -> None:
    folder.write("a.json", document("CVE-1", known_affected=["linux_9:openssl"]))
    folder.write("b.json", document("CVE-2", fixed=["linux_9:openssl"]))
    folder.write("c.json", document("CVE-3", known_not_affected=["linux_9:openssl"]))
    folder.write("d.json", document("CVE-4", under_investigation=["linux_9:openssl"]))
    folder.write("e.json", document("CVE-5", known_affected=["linux_9_base:openssl"]))
    assert folder.cves() == ("CVE-1", "CVE-5")
    assert folder.cves(source="other") == ()


def test_another_product_and_what_is_no_package_do_not_count(folder) -> None:
    folder.write("a.json", document("CVE-1", known_affected=["linux_90:openssl", "linux_9:image"]))
    assert folder.cves() == ()


def test_a_binary_package_is_matched_by_its_name_and_a_source_by_its_source(folder) -> None:
    folder.write("a.json", document("CVE-1", known_affected=["linux_9:tool"]))
    assert folder.cves(source="toolbox", name="tool") == ("CVE-1",)
    assert folder.cves(source="tool", name="tool-libs") == ()


def test_advisories_in_the_folder_are_not_read_as_vex(folder) -> None:
    other = document("CVE-1", known_affected=["linux_9:openssl"])
    other["document"]["category"] = "csaf_security_advisory"
    folder.write("a.json", other)
    assert folder.cves() == ()


def test_documents_are_read_again_only_when_one_changed(folder, monkeypatch) -> None:
    folder.write("a.json", document("CVE-1", known_affected=["linux_9:openssl"]))
    read = []
    whole = vex._document
    monkeypatch.setattr(vex, "_document", lambda path: read.append(path.name) or whole(path))
    assert folder.cves() == folder.cves() == ("CVE-1",)
    assert read == ["a.json"]
    folder.write("b.json", document("CVE-2", known_affected=["linux_9:openssl"]))
    assert folder.cves() == ("CVE-1", "CVE-2")
    assert read == ["a.json", "a.json", "b.json"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"document": {"category": "csaf_vex", "csaf_version": "1.2"}}, "document.csaf_version"),
        ({"vulnerabilities": []}, "document"),
        ([], "the file"),
    ],
)
def test_what_is_no_document_is_named_with_its_place(folder, content, place) -> None:
    folder.write("a.json", content)
    with pytest.raises(SurroundingsError, match=r"a\.json is no CSAF document") as caught:
        folder.cves()
    assert f": {place}: " in caught.value.what


def test_a_folder_that_is_not_there_is_named(folder, tmp_path) -> None:
    with pytest.raises(SurroundingsError, match=r"no folder of VEX documents at .*/nowhere"):
        unfixed_cves(VexSource(str(tmp_path / "nowhere"), (CPE,)), folder.cache)
