"""A history of some weeks with everything that pages show: steps of every kind, hostile names."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.distro.objectives import Limits, ObjectiveDocument, Sizes, Target
from bot.model.architecture import DEFAULT_ARCHITECTURES as ARCHITECTURES
from bot.model.closure import RepositoryState, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.model.surface import Advisories, Surface
from bot.objectives.attribution import attribute
from bot.objectives.status import headings, states
from bot.store.history.history import History
from bot.store.history.recording import MovedImage, UnchangedImage
from bot.store.history.values import (
    Acceptance,
    Cause,
    ClosureFacts,
    Contents,
    DocumentedImage,
    DriftIssue,
    EvaluatedImage,
    Link,
    Member,
    MergedChange,
    MergedEffect,
    Place,
)

HOSTILE = '<script>alert("&1")</script>'
ODD = "odd <b>&\"' name/with slash"
NAMES = {
    "nginx": "glibc libgcc openssl-libs zlib pcre2 nginx nginx-core nginx-filesystem libxcrypt",
    "python": "glibc libgcc openssl-libs zlib python3 python3-libs expat libffi sqlite-libs",
    "curl": "glibc libgcc openssl-libs zlib curl libcurl krb5-libs libnghttp2 libssh brotli",
    ODD: f"glibc libgcc {HOSTILE} compat-openssl10 libstdc++ c++-abi",
}
BASE = "bash coreutils filesystem setup tzdata basesystem ncurses-libs ncurses-base"
PERL = "perl perl-libs perl-interpreter perl-Carp perl-Exporter gdbm-libs"


def seed(history: History, *, days: int = 60, now: datetime | None = None) -> list[ImageKey]:
    """Record four workloads on four architectures on each of `days` days until now."""
    return _Seeding(history, days, now or datetime.now(UTC)).run()


class _Seeding:
    def __init__(self, history: History, days: int, now: datetime) -> None:
        self.history, self.days, self.now = history, days, now
        self.random = random.Random(7)
        self.sizes: dict[str, int] = {}
        self.keys = [
            ImageKey(workload, "minimal", "reference", arch)
            for workload in NAMES
            for arch in ARCHITECTURES
        ]
        self.last: dict[ImageKey, EvaluatedImage] = {}
        self.objectives = [
            ObjectiveDocument(
                "nginx-stays-small",
                "nginx stays small",
                "The web server's image must stay small & <simple>.",
                "web-sig",
                "nginx",
                limits=Limits(packages=20, installed_size=60_000_000, interpreters=("bash",)),
                unwanted={"perl": "30 MB for one script"},
                target=Target(
                    Sizes(installed_size=40_000_000),
                    now.date() + timedelta(days=90),
                ),
            ),
            ObjectiveDocument(
                "curl",
                "curl's packages",
                "",
                "web-sig",
                "curl",
                limits=Limits(packages=40, layer_size=20_000_000),
            ),
        ]

    def run(self) -> list[ImageKey]:
        writer = self.history.recorder
        change = self._merge()
        for day in range(self.days + 1):
            at = self.now - timedelta(days=self.days - day)
            run = writer.begin_run(at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            found = [self._image(key, day, [change]) for key in self.keys]
            writer.record(run, found)
            figures = {key: self.last[key].facts for key in self.keys}
            surfaces = {k: e.surface for k, e in self.last.items() if e.surface is not None}
            names = {k: frozenset(m.nevra.name for m in e.members) for k, e in self.last.items()}
            writer.settle_run(
                run,
                dict.fromkeys(self.keys, DocumentedImage("", ())),
                headings(self.objectives),
                states(self.objectives, figures, names.__getitem__, surfaces, at.date()),
            )
            moved = sum(isinstance(one, MovedImage) for one in found)
            failed = ["The repository <x> did not answer."] if day == self.days else []
            writer.finish_run(run, images=len(found), solved=moved, moved=moved, failed=failed)
        self._decisions()
        return self.keys

    def _merge(self) -> MergedChange:
        merged = self.now - timedelta(days=self.days - self.days // 3)
        names = dict.fromkeys(PERL.split(), "came") | {"nginx": "changed"}
        change = MergedChange(
            "github",
            "rpms/nginx",
            7,
            f"Add the perl module {HOSTILE}",
            "alice",
            "https://forge.example/rpms/nginx/pull/7",
            "a" * 40,
            merged.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            None,
            {"nginx": "1.0-2.el9"},
            tuple(
                MergedEffect(key, "rebuilt", 17, 23, 1, 2, names)
                for key in self.keys
                if key.workload == "nginx"
            ),
        )
        return replace(change, id=self.history.recorder.record_merged(change))

    def _decisions(self) -> None:
        writer, at = self.history.recorder, self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        writer.record_acceptance(
            Acceptance(
                at, "github", "rpms/nginx", 7, "a" * 40, "maria", f"Needed-for-modules {HOSTILE}",
                "https://forge.example/rpms/nginx/pull/7", "nginx-stays-small", self.keys[0],
                "installed_size", 58_000_000, 63_000_000, 60_000_000,
            )
        )  # fmt: skip
        writer.record_issue(
            DriftIssue(
                "objective nginx-stays-small", Place("github", "rpms/nginx"), "9",
                "https://forge.example/rpms/nginx/issues/9", "open", at, at, "It is too large.",
            )
        )  # fmt: skip

    def _image(
        self, key: ImageKey, day: int, changes: list[MergedChange]
    ) -> UnchangedImage | MovedImage:
        broken = key.workload == ODD and key.arch == "s390x" and day > self.days - 3
        names = [*BASE.split(), *NAMES[key.workload].split(" " if key.workload != ODD else None)]
        with_perl = key.workload == "nginx" and self.days // 3 < day <= 2 * self.days // 3
        names += PERL.split() if with_perl else []
        members = tuple(
            sorted(self._member(name, key, day, with_perl) for name in dict.fromkeys(names))
        )
        snapshot = SnapshotState(
            f"{key.arch}-{day}", (RepositoryState("baseos", f"r{day}", "2026-01-01T00:00:00Z"),)
        )
        sizes = [m.installed_size for m in members]
        known = sum(size or 0 for size in sizes)
        whole = None if None in sizes else known
        facts = ClosureFacts(
            "ok", len(members), whole, known, None, known // 3, known // 3 if whole else None
        )
        if broken:
            problems = (f"nothing provides {HOSTILE}",)
            causes = tuple(
                UnsolvableCause("missing", HOSTILE, Nevra("strange", 0, version, "1", key.arch))
                for version in "21"
            )
            facts = ClosureFacts(
                "unsolvable", None, None, None, problems=problems, missing=("x",), causes=causes
            )  # fmt: skip
        digest = f"{facts.status}{[(str(m.nevra), m.installed_size) for m in members]}"
        before = self.last.get(key)
        if before is not None and before.digest == digest:
            return UnchangedImage(key, snapshot, f"i{day}")
        evaluated = EvaluatedImage(
            key, snapshot, f"i{day}", digest, facts, tuple(names[:1]), False,
            () if broken else members, () if broken else self._links(members),
            surface=None if broken else _surface(names, key),
        )  # fmt: skip
        self.last[key] = evaluated
        if before is None:
            return MovedImage(evaluated)
        if broken or before.facts.status != "ok":
            change = "unsolvable" if broken else "solvable"
            cause = Cause(names[-1], change, None, None, None, 0, "distribution")
            return MovedImage(evaluated, (cause,))
        contents = Contents(before.members, before.links, before.requests)
        return MovedImage(evaluated, attribute(contents, evaluated, changes).causes)

    def _member(self, name: str, key: ImageKey, day: int, with_perl: bool) -> Member:
        noarch = name in ("setup", "tzdata", "basesystem", "ncurses-base", "filesystem")
        seed = random.Random(f"{name}{'' if noarch else key.arch}")
        size = int(10 ** seed.uniform(4.2, 6.9))
        period = seed.randint(9, 40)
        version = 1 + (day + seed.randint(0, 9)) // period
        lag = 1 if name in ("openssl-libs", "zlib") and key.workload == "curl" else 0
        release = "2.el9" if name.startswith("nginx") and with_perl else "1.el9"
        number = "1.0" if name.startswith("nginx") else f"{max(version - lag, 1)}.{len(name)}"
        unknown = name == HOSTILE and key.arch == "ppc64le"
        return Member(
            Nevra(
                name, int(name == "openssl-libs"), number, release, "noarch" if noarch else key.arch
            ),
            name.split("-", maxsplit=1)[0],
            "baseos",
            None if unknown else int(size * (1 + 0.02 * version)),
            None,
            size // 3,
            name in (*NAMES, "bash", "coreutils", "python3", HOSTILE),
        )

    def _links(self, members: tuple[Member, ...]) -> tuple[Link, ...]:
        place = {member.nevra.name: index for index, member in enumerate(members)}
        links = []
        for name, index in place.items():
            if name not in ("glibc", "libgcc") and "glibc" in place:
                links.append(
                    Link(index, "libc.so.6(GLIBC_2.34)(64bit)", place["glibc"], "requires")
                )
        pairs = [
            ("nginx", "nginx-core"), ("nginx-core", "nginx-filesystem"), ("nginx-core", "pcre2"),
            ("nginx-core", "openssl-libs"), ("nginx-core", "zlib"), ("openssl-libs", "zlib"),
            ("nginx", "perl"), ("perl", "perl-libs"), ("perl", "perl-interpreter"),
            ("perl-interpreter", "perl-Carp"), ("perl-Carp", "perl-Exporter"),
            ("perl-libs", "gdbm-libs"), ("glibc", "libgcc"), ("glibc", "basesystem"),
            ("basesystem", "filesystem"), ("filesystem", "setup"), ("glibc", "tzdata"),
            ("bash", "ncurses-libs"), ("ncurses-libs", "ncurses-base"), ("bash", "filesystem"),
            ("python3", "python3-libs"), ("python3-libs", "expat"), ("python3-libs", "libffi"),
            ("python3-libs", "sqlite-libs"), ("python3-libs", "openssl-libs"),
            ("curl", "libcurl"), ("libcurl", "krb5-libs"), ("libcurl", "libnghttp2"),
            ("libcurl", "libssh"), ("libcurl", "brotli"), ("libssh", "openssl-libs"),
            (HOSTILE, "compat-openssl10"), (HOSTILE, "libstdc++"), ("libstdc++", "c++-abi"),
            ("nginx-core", "libxcrypt"), ("coreutils", "bash"),
        ]  # fmt: skip
        for source, target in pairs:
            if source in place and target in place:
                capability = f'{target} >= "1" & <2'
                links.append(Link(place[source], capability, place[target], "requires"))
        return tuple(sorted(links))


def _surface(names: list[str], key: ImageKey) -> Surface | None:
    """That of the images of s390x was never read; what it has goes by the packages' names."""
    if key.arch == "s390x":
        return None
    return Surface(
        setuid=("/usr/bin/su", f"/usr/bin/{HOSTILE}") if key.workload == ODD else ("/usr/bin/su",),
        interpreters=tuple(sorted({"bash", *(n for n in ("perl", "python3") if n in names)})),
        services=("/usr/lib/systemd/system/nginx.service",) * (key.workload == "nginx"),
        partial=(f"setup: its scriptlets run {HOSTILE}.",),
        programs=len(names),
        advisories=Advisories(days=365, important=2, unrated=1) if key.workload == "curl" else None,
    )
