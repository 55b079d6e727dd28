"""Random module documents: the same packages as with dnf, the same documents as libmodulemd."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest
import yaml

from bot.closure.modules import read_modules

NAMES = ("web", "db", "lang")
STREAMS = ("1", "2", "2-beta")
WORLDS = 25
FIRST = 0  # another one draws others


def document(kind: str, version: int, data: dict) -> str:
    text = yaml.safe_dump({"document": kind, "version": version, "data": data}, sort_keys=False)
    return f"---\n{text}...\n"


def artifact(name: str, stream: str, version: int) -> str:
    """Each stream's version has a package of its own: its stream and version, in one release."""
    return f"{name}-0:{stream[0]}.{version}-1.module{len(stream)}.x86_64"


def requirements(chance: random.Random, name: str) -> dict:
    requires: dict = {"platform": chance.choice([["el9"], ["el9"], ["el9", "el8"], ["-el8"], []])}
    for other in NAMES:
        if other != name and chance.random() < 0.3:
            requires[other] = chance.choice([["1"], ["2"], ["1", "2"], ["-1"], []])
    return requires


def streams(chance: random.Random) -> list[str]:
    texts = []
    for name in NAMES:
        for stream in chance.sample(STREAMS, chance.randint(1, 3)):
            same = requirements(chance, name)
            for version in range(1, chance.randint(1, 2) + 1):
                data = {
                    "name": name,
                    "stream": stream,
                    "version": version,
                    "context": chance.choice(["c1", "c2"]),
                    "arch": "x86_64",
                    "summary": "s",
                    "description": "d",
                    "license": {"module": ["MIT"]},
                    "dependencies": [{"requires": same}],
                    "artifacts": {"rpms": [artifact(name, stream, version)]},
                }
                if chance.random() < 0.2:
                    data["static_context"] = True
                if chance.random() < 0.15:
                    data["demodularized"] = {"rpms": [name]}
                texts.append(document("modulemd", 2, data))
    return texts


def defaults(chance: random.Random) -> list[str]:
    texts = []
    for name in NAMES:
        if chance.random() < 0.6:
            data = {"module": name, "stream": chance.choice(STREAMS)}
            if chance.random() < 0.5:
                data["modified"] = chance.choice([202001010000, 202101010000])
            if chance.random() < 0.15:
                del data["stream"]
            texts.append(document("modulemd-defaults", 1, data))
    return texts


def obsoletes(chance: random.Random) -> list[str]:
    if chance.random() < 0.6:
        return []
    data = {
        "modified": "2021-01-01T00:00Z",
        "module": chance.choice(NAMES),
        "stream": chance.choice(STREAMS),
        "message": "old",
    }
    if chance.random() < 0.5:
        data["obsoleted_by"] = {"module": chance.choice(NAMES), "stream": chance.choice(STREAMS)}
    return [document("modulemd-obsoletes", 1, data)]


def world(tiny, chance: random.Random):
    """Two repositories: modular packages, plain ones of the same names, and what needs them."""
    base, more = tiny.repository("base"), tiny.repository("more")
    for repository in (base, more):
        texts = defaults(chance)
        if repository is base or chance.random() < 0.4:
            texts += streams(chance)
        texts += obsoletes(chance)
        chance.shuffle(texts)
        repository.modules = "".join(texts)
    for name in NAMES:
        for stream in STREAMS:
            for version in (1, 2):
                base.package(artifact(name, stream, version), provides=[f"{name}-api"])
        base.package(f"{name}-0:9-1.x86_64").package(f"{name}-user-0:1-1.x86_64", requires=[name])
        base.package(f"{name}-provider-0:1-1.x86_64", provides=[f"{name} = 99"])
        more.package(f"{name}-0:10-1.x86_64")
    if chance.random() < 0.3:
        more.options["module_hotfixes"] = True
    return base, more


def test_random_modules_filter_as_with_dnf(tiny, h, dnf_answers):
    requests = [r for n in NAMES for r in (n, f"{n}-user", f"{n}-provider", f"{n}-api", f"{n}-9")]
    installable = 0
    for seed in range(FIRST, FIRST + WORLDS):
        chance = random.Random(seed)
        tiny.root = tiny.root.parent / f"world{seed}"
        base, more = world(tiny, chance)
        modules = [f"{n}:{chance.choice(STREAMS)}" for n in NAMES if chance.random() < 0.3]
        pool = tiny.pool(base, more, modules=modules, platform="platform:el9")
        answers = dnf_answers(
            repositories=[{"id": r.name, "baseurl": r.write(), **r.options} for r in (base, more)],
            workloads=[{"requests": [r]} for r in requests],
            modules=modules,
            platform="platform:el9",
        )
        for request, answer in zip(requests, answers, strict=True):
            closure = pool.solve(h.request(request))
            ok = closure.status == "ok"
            nevras = sorted(str(p.nevra) for p in closure.packages) if ok else None
            assert nevras == answer, (seed, modules, request, base.modules, more.modules)
            installable += ok
    assert installable > WORLDS * 5


READ = """
import json, sys
import gi
gi.require_version("Modulemd", "2.0")
from gi.repository import Modulemd

def resolved(texts):
    merger = Modulemd.ModuleIndexMerger.new()
    for text in texts:
        index = Modulemd.ModuleIndex.new()
        index.update_from_string(text, False)
        merger.associate_index(index, 0)
    merged = merger.resolve()
    merged.upgrade_streams(Modulemd.ModuleStreamVersionEnum.TWO)
    return merged

def streams_of(index):
    for name in index.get_module_names():
        for stream in index.get_module(name).get_all_streams():
            requires = [
                {m: sorted(d.get_runtime_streams(m)) for m in sorted(d.get_runtime_modules())}
                for d in stream.get_dependencies()
            ]
            yield [
                name, stream.get_stream_name(), stream.get_version(), stream.get_context(),
                stream.get_arch(), requires, sorted(stream.get_rpm_artifacts()),
                sorted(stream.get_demodularized_rpms()),
            ]

found = []
for texts in json.load(sys.stdin):
    # As libdnf: the streams of each repository by itself, the defaults of all together.
    streams = [stream for text in texts for stream in streams_of(resolved([text]))]
    found.append([streams, resolved(texts).get_default_streams()])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def libmodulemd():
    """Asks libmodulemd of the system, through its Python binding; skips where there is none."""
    probe = "import gi; gi.require_version('Modulemd', '2.0'); from gi.repository import Modulemd"
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode:
        pytest.skip("libmodulemd's Python binding is not here (deploy/test installs it on Debian)")

    def wanted(worlds: list[list[str]]):
        finished = subprocess.run(
            [python, "-c", READ],
            input=json.dumps(worlds),
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return json.loads(finished.stdout)

    return wanted


def ours(tmp_path: Path, texts: list[str]):
    files = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        files.append((f"r{number}", path))
    read, chosen = read_modules(files)
    streams = {
        json.dumps(
            [
                s.name, s.stream, s.version, s.context, s.arch,
                [{m: sorted(w) for m, w in alternative} for alternative in s.requires],
                sorted(s.artifacts), sorted(s.demodularized),
            ]
        )
        for s in read
    }  # fmt: skip
    return streams, chosen


def test_random_documents_are_read_as_libmodulemd_reads_them(tmp_path, tiny, libmodulemd):
    worlds = []
    for seed in range(200):
        base, more = world(tiny, random.Random(seed))
        worlds.append([base.modules, more.modules])
    for number, (texts, (streams, chosen)) in enumerate(
        zip(worlds, libmodulemd(worlds), strict=True)
    ):
        mine, my_defaults = ours(tmp_path, texts)
        assert my_defaults == chosen, (number, texts)
        assert mine == {json.dumps(s) for s in streams}, number
