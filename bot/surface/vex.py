"""CVEs that a vendor has not fixed, from its VEX documents: CSAF 2.0, profile `csaf_vex`.

The format is OASIS' (https://docs.oasis-open.org/csaf/csaf/v2.0/os/csaf-v2.0-os.html); a component
is matched by its purl, a product by its CPE, as Red Hat's guide for scanners says
(https://redhatproductsecurity.github.io/security-data-guidelines/scanning-vendors). A document has
one CVE; what it calls known to be affected has no fix.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bot.distro.documents import VexSource
from bot.errors import SurroundingsError
from bot.model.package import Package

if TYPE_CHECKING:
    from bot.distro.cache import Cache
    from bot.surface.csaf import Branch, CsafDocument

_INDEX = 1  # the format of the cached index
_PURL = "pkg:rpm/"


@dataclass(frozen=True, slots=True)
class UnfixedCves:
    """CVEs without a fix, by source package, and by binary package if a document names that."""

    sources: Mapping[str, tuple[str, ...]]
    packages: Mapping[str, tuple[str, ...]]

    def of(self, packages: Collection[Package]) -> tuple[str, ...]:
        """Return the CVEs of some packages, sorted."""
        cves: set[str] = set()
        for package in packages:
            cves.update(self.sources.get(package.source, ()))
            cves.update(self.packages.get(package.nevra.name, ()))
        return tuple(sorted(cves))


def unfixed_cves(source: VexSource, cache: Cache) -> UnfixedCves:
    """Return the CVEs that a directory's documents say affect the products without a fix.

    Documents are read only after one of them changed; else the cached index is used. Raises
    SurroundingsError where the directory or a document cannot be read.
    """
    files = _documents(Path(source.folder))
    state = _state(source, files)
    place = hashlib.sha256(f"{source.folder}\0{source.products}".encode()).hexdigest()[:32]
    index = cache.directory("vex") / f"{place}.json"
    cached = _read_index(index, state)
    if cached is not None:
        return cached
    sources: dict[str, set[str]] = {}
    packages: dict[str, set[str]] = {}
    for path in files:
        for cve, name, is_source in _affected(_document(path), source.products):
            (sources if is_source else packages).setdefault(name, set()).add(cve)
    cves = UnfixedCves(_sorted(sources), _sorted(packages))
    content = {"state": state, "sources": cves.sources, "packages": cves.packages}
    cache.write(index, json.dumps(content).encode())
    return cves


def _sorted(cves_by_name: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sorted(cves)) for name, cves in sorted(cves_by_name.items())}


def _documents(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SurroundingsError(
            f"There is no folder of VEX documents at {folder}.",
            "Name the folder of the vendor's JSON files in `vex: {folder: ...}`, or remove it.",
        )
    return sorted(path for path in folder.rglob("*.json") if path.is_file())


def _state(source: VexSource, files: Iterable[Path]) -> str:
    """Return a key of the documents that changes when a file is added, removed or changed."""
    text = [f"{_INDEX}\0{source.products}"]
    for path in files:
        status = path.stat()
        text.append(f"{path}\0{status.st_size}\0{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


def _read_index(path: Path, state: str) -> UnfixedCves | None:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    if content["state"] != state:
        return None
    sides = ({n: tuple(c) for n, c in content[side].items()} for side in ("sources", "packages"))
    return UnfixedCves(*sides)


def _document(path: Path) -> CsafDocument:
    from pydantic import ValidationError

    from bot.surface.csaf import CsafDocument

    try:
        return CsafDocument.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise SurroundingsError(
            f"{path} is no CSAF document: {place}: {first['msg']}.",
            "Fetch it from the vendor again, or remove it from the folder.",
        ) from error
    except OSError as error:
        raise SurroundingsError(f"{path} cannot be read: {error.strerror}.") from error


def _affected(document: CsafDocument, products: Collection[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield the CVEs of a document, each with an affected package without a fix.

    It is a package of the products; true marks a source package.
    """
    if document.document.category != "csaf_vex":
        return
    names = {}
    product_ids = set()
    for branch in _all_branches(document.product_tree.branches):
        product = branch.product
        if product is None:
            continue
        helper = product.product_identification_helper
        if helper.purl is not None and helper.purl.startswith(_PURL):
            names[product.product_id] = _package(helper.purl)
        if helper.cpe is not None and any(_within(helper.cpe, prefix) for prefix in products):
            product_ids.add(product.product_id)
    pairs = {
        relationship.full_product_name.product_id: names[relationship.product_reference]
        for relationship in document.product_tree.relationships
        if relationship.relates_to_product_reference in product_ids
        and relationship.product_reference in names
    }
    for vulnerability in document.vulnerabilities:
        status = vulnerability.product_status
        for product_id in status.known_affected:
            if vulnerability.cve is not None and product_id in pairs:
                yield (vulnerability.cve, *pairs[product_id])


def _all_branches(branches: Iterable[Branch]) -> Iterator[Branch]:
    for branch in branches:
        yield branch
        yield from _all_branches(branch.branches)


def _package(purl: str) -> tuple[str, bool]:
    """Return the package of `pkg:rpm/redhat/openssl@3.0?arch=src`: `openssl`, a source package."""
    path, _, qualifiers = purl.removeprefix(_PURL).partition("?")
    name = unquote(path.partition("@")[0].rpartition("/")[2])
    return name, "arch=src" in qualifiers.split("&")


def _within(cpe: str, product: str) -> bool:
    """Return whether a CPE is a product's, or one of its parts (`...:9::baseos` of `...:9`)."""
    return cpe == product or cpe.startswith(f"{product}:")
