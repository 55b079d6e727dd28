"""How long images take, beside dnf, tar and gzip on the same packages, as ratios in one run.

    ./deploy/test --benchmarks

What must be reached, on the reference distribution's nginx image for x86_64: a first composition
with nothing cached no slower than `dnf --installroot` (no scriptlets, no documentation), `tar` and
`gzip -6`; a head after its base with one package changed at most a fifth of that, its sizes alone
at most a twentieth; sizes from cached headers of four architectures below 50 ms; below 200 MB of
memory for an image of 1 GB.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.closure.pool import open_pool
from bot.distro.cache import Cache
from bot.distro.images import image_keys, image_request
from bot.distro.load import load_configuration
from bot.distro.packages import fetch_package
from bot.distro.snapshot import open_snapshot
from bot.image.layer import compose_layer, write_blob
from bot.image.listing import listing
from bot.image.measure import closure_layer
from bot.image.payload import read_payload
from bot.model.closure import Closure
from tests.image.crafted import File, write_rpm

pytestmark = [pytest.mark.benchmark, pytest.mark.reference]
MINIMIZE = Path(sys.executable).with_name("minimize")
REQUESTS = ["base-files", "coreutils", "dash", "filesystem", "libc-bin", "mawk", "nginx"]


def once(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def closures(reference, cache: Cache) -> dict[str, Closure]:
    configuration = load_configuration(reference.config_dir)
    found = {}
    for key in image_keys(configuration, workloads=["nginx"]):
        document = configuration.repositories[key.repository]
        pool = open_pool(open_snapshot(document, key.arch, cache), cache)
        found[key.arch] = pool.solve(image_request(configuration, key))
    return found


@pytest.fixture(scope="module")
def theirs(reference, tmp_path_factory) -> float:
    """Seconds of dnf, tar and gzip, the median of three runs with dnf's metadata cached."""
    if shutil.which("dnf") is None:
        pytest.skip("dnf 4 is not installed: nothing to compare with")
    place = tmp_path_factory.mktemp("dnf")

    def installed() -> None:
        root = place / "root"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        done = subprocess.run(
            [
                "dnf",
                f"--installroot={root}",
                "--setopt=reposdir=/dev/null",
                f"--setopt=cachedir={place / 'cache'}",
                "--releasever=1",
                f"--repofrompath=reference,{reference.repositories['x86_64']}",
                "--setopt=install_weak_deps=0",
                "--setopt=tsflags=nodocs,noscripts",
                "--setopt=metadata_expire=-1",
                "--nogpgcheck",
                "-y",
                "install",
                *REQUESTS,
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        packed = f"tar -C {root} -cf - . | gzip -6 >{place / 'layer.tar.gz'}"
        subprocess.run(["sh", "-c", packed], check=True)

    installed()
    return statistics.median(once(installed) for _ in range(3))


def report(name: str, ours: float, theirs: float, most: float) -> None:
    print(
        f"{name}: {ours * 1000:.0f} ms; dnf, tar and gzip {theirs * 1000:.0f} ms;"
        f" ratio {ours / theirs:.3f}, at most {most}"
    )
    assert ours / theirs <= most


def test_the_first_composition_from_a_cold_process(reference, theirs, tmp_path):
    # Nothing at all is cached: documents are read and metadata is parsed too.
    def composed() -> None:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        subprocess.run(
            [
                MINIMIZE,
                "image",
                "nginx",
                "--arch=x86_64",
                f"--output=oci:{tmp_path / 'image'}",
                f"--config={reference.config_dir}",
                f"--cache={tmp_path / 'cache'}",
            ],
            check=True,
            capture_output=True,
        )

    ours = statistics.median(once(composed) for _ in range(3))
    report("first composition, whole command", ours, theirs, 1.0)


def rebuilt(closure: Closure, cache: Cache, place: Path) -> Iterator[Closure]:
    """The closure with nginx built anew, each time with another program in it."""
    (package,) = [p for p in closure.packages if p.nevra.name == "nginx"]
    found = listing(package, cache)
    contents: dict[int, bytes] = {}

    def take(index: int, _: int, content: Iterator[bytes]) -> None:
        contents[index] = b"".join(content)

    read_payload("nginx", fetch_package(package, cache), found, take)
    number = 0
    while True:
        number += 1
        files = [
            File(
                entry.path,
                contents[index] + (b"%d" % number if entry.path.endswith("/nginx") else b"")
                if entry.mode & 0o100000
                else b"",
                entry.mode,
                entry.link,
                flags=entry.flags,
            )
            for index, entry in enumerate(found.files)
        ]
        made = write_rpm(place / f"nginx-{number}.rpm", files, name="nginx")
        made = replace(made, nevra=package.nevra, source=package.source)
        others = tuple(p for p in closure.packages if p is not package)
        yield replace(closure, packages=(*others, made))


def test_the_head_after_its_base_with_one_package_changed(reference, theirs, tmp_path):
    cache = Cache(tmp_path / "cache")
    base = closures(reference, cache)["x86_64"]
    write_blob(compose_layer(base.packages, cache), "gzip", tmp_path / "base")
    heads = rebuilt(base, cache, tmp_path)

    def composed(head: Closure) -> None:
        write_blob(compose_layer(head.packages, cache), "gzip", tmp_path / "head")

    taken = [once(partial(composed, next(heads))) for _ in range(5)]
    report("head after base", statistics.median(taken), theirs, 0.2)
    taken = [once(partial(closure_layer, next(heads), cache)) for _ in range(7)]
    report("sizes of the head after base", statistics.median(taken), theirs, 0.05)


MEMORY = """
import os, resource, sys
from pathlib import Path
from bot.distro.cache import Cache
from bot.image.compose import compose_images
from bot.image.lock import read_lock
lock = read_lock(Path(sys.argv[1]))
made = compose_images(lock.images, Cache(Path(sys.argv[2])), Path(sys.argv[3]), Path(sys.argv[4]))
print(made.images[0].layer.uncompressed)
# Not ru_maxrss: after vfork and exec that is at least what the parent had (Linux's exec_mmap).
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
LARGE = """
import os, random, sys
from pathlib import Path
from tests.image.crafted import File, write_rpm
from bot.image.lock import ImageDescription, write_lock
from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
place = Path(sys.argv[1])
chance = random.Random(int(sys.argv[2]))
piece = chance.randbytes(3_000_000)
files = [
    File(f"/opt/{sys.argv[2]}/{n}", b"".join(piece[i:i+60_000] for i in
         (chance.randrange(len(piece)) for _ in range(870))))
    for n in range(5)
]
package = write_rpm(place / f"{sys.argv[2]}.rpm", files, name="large" + sys.argv[2])
image = ImageDescription(ImageKey("w", "e", "r", "x86_64"), SnapshotState("s", ()), (), (package,))
write_lock(place / f"{sys.argv[2]}.lock", [image], "")
"""


def test_memory_does_not_grow_with_the_image(tmp_path):
    import json

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    documents = []
    for number in range(4):
        making = [sys.executable, "-c", LARGE, str(tmp_path), str(number)]
        subprocess.run(making, check=True, env=environment)
        documents.append(json.loads((tmp_path / f"{number}.lock").read_bytes()))
    whole = documents[0]
    for document in documents[1:]:
        whole["images"][0]["packages"] += document["images"][0]["packages"]
    (tmp_path / "lock").write_text(json.dumps(whole))
    places = [tmp_path / name for name in ("lock", "cache", "image", "out.lock")]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, places)],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    )
    taken = time.perf_counter() - start
    size, own, children = map(int, done.stdout.split())
    print(
        f"an image of {size / 1e6:.0f} MB in {taken:.1f} s: {own / 1000:.0f} MB of memory,"
        f" its largest child {children / 1000:.0f} MB; at most 200"
    )
    assert size > 950_000_000
    assert max(own, children) * 1024 < 200_000_000
