"""A real spec file with the reference distribution's own macros, on four architectures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import bot.demo.distribution
from bot.closure.evr import newest
from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.load import load_configuration
from bot.distro.snapshot import open_snapshot
from bot.model.spec import SpecEvaluation
from bot.sandbox.run import sandbox_available
from bot.spec.evaluate import evaluate_spec
from bot.spec.headers import generated_flags
from bot.spec.predict import predict
from bot.spec.setting import setting_of

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here"),
]


def test_one_requirement_more_is_predicted_for_every_architecture(reference, tmp_path):
    cache = Cache(tmp_path / "cache")
    configuration = load_configuration(reference.config_dir)
    (document,) = configuration.repositories.values()
    pools = {
        arch: open_pool(open_snapshot(document, arch, cache), cache)
        for arch in document.architectures
    }
    setting = setting_of(document, pools, cache)
    assert not any("macros" in note for note in setting.notes)
    assert any(name.startswith("rpm-") for name in setting.macros.packages)
    assert setting.definitions["dist"] == reference.dist

    base = Path(bot.demo.distribution.__file__).parent / "nginx"
    head = tmp_path / "head"
    shutil.copytree(base, head)
    text = (head / "nginx.spec").read_text()
    line = next(n for n, t in enumerate(text.split("\n"), 1) if t.startswith("Requires:"))
    rest = text.split("\n")
    rest.insert(line, "Requires: perl-base%{?_isa}")
    (head / "nginx.spec").write_text("\n".join(rest))

    arches = tuple(pools)
    before = evaluate_spec(base, "nginx.spec", arches, setting=setting)
    after = evaluate_spec(head, "nginx.spec", arches, setting=setting)
    isas = {"x86_64": "x86-64", "aarch64": "aarch-64", "ppc64le": "ppc-64", "s390x": "s390-64"}
    for arch, pool in pools.items():
        old, new = before[arch], after[arch]
        assert isinstance(old, SpecEvaluation) and isinstance(new, SpecEvaluation)
        published = newest(pool.published("nginx"), arch)
        prediction = predict(published, old, new, arch, generated_flags(cache))
        main = next(p for p in prediction.head.packages if p.nevra.name == "nginx")
        was = next(p for p in prediction.base.packages if p.nevra.name == "nginx")
        assert main.nevra == was.nevra
        added = set(main.dependencies) - set(was.dependencies)
        assert {d.capability for d in added} == {f"perl-base({isas[arch]})"}
        assert set(was.dependencies) < set(main.dependencies)
        ((origin,),) = prediction.origins.values()
        assert (origin.path, origin.line) == ("nginx.spec", line + 1)
