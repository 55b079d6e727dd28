"""The manifests of Kubernetes and of compose, and the settings that come with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bot.settings.values import load_settings

HOME = Path(__file__).parents[2]
KUBERNETES = HOME / "deploy/kubernetes"
CONTAINER = HOME / "deploy/container"


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if "apiVersion" in document and document["kind"] != "Kustomization":
                yield f"{path.name} {document['kind']}", document


ALL = dict(manifests())


@pytest.mark.parametrize("name", ALL)
def test_a_manifest_is_of_kubernetes_own_schema(name: str) -> None:
    kubernetes_validate.validate(ALL[name], kubernetes_validate.latest_version(), strict=True)


def test_a_manifest_with_a_misspelled_key_is_refused() -> None:
    wrong = {**ALL["namespace.yaml Namespace"], "metdata": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_kustomize_lists_each_file() -> None:
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    files = {path.name for path in KUBERNETES.glob("*.yaml")}
    assert files == {*kustomization["resources"], "kustomization.yaml", "bot.yaml"}


def test_the_settings_in_the_manifests_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIZE_DATABASE_URL", "postgresql://minimize:x@database/minimize")
    settings = load_settings(KUBERNETES / "bot.yaml")
    image = (CONTAINER / "Containerfile").read_text()
    assert f"COPY config {settings.config}" in image
    mounted = {m["mountPath"] for m in container("server.yaml Deployment")["volumeMounts"]}
    assert {str(settings.data), str(settings.cache)} < mounted


def container(name: str) -> dict[str, Any]:
    found: dict[str, Any] = ALL[name]["spec"]["template"]["spec"]["containers"][0]
    return found


def test_compose_names_the_image_s_paths_and_no_secret() -> None:
    compose = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"server", "worker", "database", "proxy"}
    build = services["server"]["build"]
    assert (CONTAINER / build["context"] / build["dockerfile"]).resolve().is_file()
    volumes = {v.split(":")[0] for s in services.values() for v in s["volumes"] if v[0] not in "./"}
    assert volumes == set(compose["volumes"])
    assert not re.search(r"(?i)(password|secret|token): [a-z0-9]", yaml.safe_dump(compose))


def test_the_image_takes_what_its_build_copies() -> None:
    """What a COPY names is there, and is not held back from the build."""
    image = (CONTAINER / "Containerfile").read_text()
    taken = (CONTAINER / "Containerfile.dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*)$", image, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (HOME / source).exists()
            assert f"!{source}" in taken
    assert "USER minimize" in image
