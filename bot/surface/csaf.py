"""CSAF 2.0 documents: the parts that say which packages of which products a CVE affects."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    """A part of a document; other fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Heading(_Part):
    """The document's own properties (3.2.1 of the standard)."""

    category: str
    csaf_version: str = Field(pattern=r"^2\.0$")


class Identification(_Part):
    """The identification of a product elsewhere (3.1.3.3): its CPE, its package URL."""

    cpe: str | None = None
    purl: str | None = None


class Product(_Part):
    """A full product name (3.1.3)."""

    product_id: str
    product_identification_helper: Identification = Identification()


class Branch(_Part):
    """A node of the tree of products (3.1.2): other nodes, or a product."""

    branches: tuple[Branch, ...] = ()
    product: Product | None = None


class Relationship(_Part):
    """A product that is a part of another one, with the name of both together (3.2.2.4)."""

    product_reference: str
    relates_to_product_reference: str
    full_product_name: Product


class ProductTree(_Part):
    """All products of a document (3.2.2)."""

    branches: tuple[Branch, ...] = ()
    relationships: tuple[Relationship, ...] = ()


class ProductStatus(_Part):
    """The products that a vulnerability affects and that have no fix (3.2.3.9)."""

    known_affected: tuple[str, ...] = ()


class Vulnerability(_Part):
    """One vulnerability (3.2.3)."""

    cve: str | None = None
    product_status: ProductStatus = ProductStatus()


class CsafDocument(_Part):
    """A CSAF document (3.2)."""

    document: Heading
    product_tree: ProductTree = ProductTree()
    vulnerabilities: tuple[Vulnerability, ...] = ()
