"""Sending a layout to a registry, with the bills of materials as referrers of its images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.errors import SurroundingsError, UsageError
from bot.image.oci import INDEX, REFERRERS

if TYPE_CHECKING:
    from oras.container import Container
    from oras.provider import Registry

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_LARGE = 64_000_000
_PATIENCE = 30.0


def push_layout(layout: Path, reference: str) -> None:
    """Sends the one image or index of `layout` to `reference` (`REGISTRY/NAME:TAG`).

    Credentials are those that docker or podman keep. A registry on this machine's loopback is
    spoken to without TLS, as docker does. Raises UsageError for a reference that is none,
    SurroundingsError where the registry refuses or cannot be reached.
    """
    import requests
    from oras.auth import AuthenticationException
    from oras.container import Container
    from oras.provider import Registry

    try:
        container = Container(reference)
    except ValueError as error:
        raise UsageError(f"--push {reference}: this is no REGISTRY/NAME:TAG.") from error
    host = str(container.registry)
    registry = Registry(insecure=host.rpartition(":")[0] in _LOOPBACK or host in _LOOPBACK)
    try:
        # One plain question first: the library would try for minutes to reach nobody.
        registry.session.get(f"{registry.prefix}://{host}/v2/", timeout=_PATIENCE)
        registry.auth.load_configs(container)
        index = json.loads((layout / "index.json").read_bytes())
        top = index["manifests"][0]
        _push_manifest(registry, container, layout, top, str(container.digest or container.tag))
        for digest in index.get("annotations", {}).get(REFERRERS, "").split():
            content = _blob(layout, digest).read_bytes()
            media_type = json.loads(content)["mediaType"]
            descriptor = {"digest": digest, "mediaType": media_type}
            _push_manifest(registry, container, layout, descriptor, digest)
    except (OSError, ValueError, AuthenticationException, requests.RequestException) as error:
        raise SurroundingsError(
            f"{reference} could not be sent: {error}.",
            "Is the registry there, and are you logged in (podman login, docker login)?",
        ) from error


def _push_manifest(
    registry: Registry,
    container: Container,
    layout: Path,
    descriptor: dict[str, Any],
    reference: str,
) -> None:
    """Sends what a manifest or index refers to, then itself, as it is on disk."""
    content = _blob(layout, descriptor["digest"]).read_bytes()
    document = json.loads(content)
    if descriptor["mediaType"] == INDEX:
        for child in document["manifests"]:
            _push_manifest(registry, container, layout, child, child["digest"])
    for blob in _blobs_of(document):
        answer = registry.upload_blob(
            str(_blob(layout, blob["digest"])), container, blob, do_chunked=blob["size"] > _LARGE
        )
        _expect(answer)
    _expect(
        registry.do_request(
            f"{registry.prefix}://{container.manifest_url(reference)}",
            "PUT",
            data=content,
            headers={"Content-Type": descriptor["mediaType"]},
        )
    )


def _blobs_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "config" in document:
        yield document["config"]
    yield from document.get("layers", [])


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _expect(answer: Any) -> None:
    if answer.status_code not in (200, 201, 202):
        raise ValueError(f"HTTP status {answer.status_code}: {answer.text[:300]}")
