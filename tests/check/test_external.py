"""Both sides on packages that somebody else built: what is waited for, taken and compared."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.build.external import ExternalBuilds
from bot.check.change import open_change
from bot.check.external import ExternalPlan, NotCachedError, external_check, look_for, plan_external
from bot.check.plan import CheckOptions
from bot.check.repository_file import ExternalBuild
from bot.check.run import Prediction, predict_check
from bot.demo.distribution.reference import write_repository
from bot.distro.cache import Cache
from bot.errors import SurroundingsError, UsageError
from bot.git.repository import open_repository
from bot.model.result import CheckResult, ImageResult
from bot.settings.operation import BuildService
from tests.build.services import koji_at
from tests.check.tiny import TOOL, Bench
from tests.specs import build

HERE = "https://copr.example.org/results/"
NAMES = {"owner": "rpms", "repo": "tool", "number": "7", "sha": "c" * 40}
# A library that only the build finds, beside a file that makes it heavier.
LINKED = TOOL.replace("Version: 1", "Version: 2").replace(
    "%description\n%files\n",
    "%description\n%install\nmkdir -p %{buildroot}/usr/share\n"
    "head -c 500000 /dev/zero >%{buildroot}/usr/share/big\n%files\n/usr/share/big\n",
    1,
)
FOUND = LINKED.replace("Requires: base\n", "Requires: base\nRequires: perl\n")
ImageOf = Callable[..., ImageResult]


@dataclass
class Elsewhere:
    """A build service's repositories, below one folder."""

    root: Path
    bench: Bench
    chroots: dict[str, str] = field(default_factory=lambda: {"x86_64": "f-x86_64"})

    @property
    def place(self) -> str:
        return f"file://{self.root}/"

    def build(self, spec: str, project: str = "rpms-tool-7", arch: str = "x86_64") -> Path:
        where = self.root / project / f"f-{arch}"
        build(spec, arch, self.root / "work" / project / arch, where)
        write_repository(where, sorted(where.rglob("*.rpm")), revision=9)
        return where

    def settings(self, **more: str) -> ExternalBuild:
        template = HERE + "{owner}-{repo}-{number}/{chroot}/"
        return ExternalBuild(
            "rpm-build:*", template, deadline=60.0, chroots={"": self.chroots}, **more
        )

    @contextmanager
    def change(self, head: str = LINKED) -> Iterator[tuple[object, Prediction]]:
        self.bench.commit({"tool.spec": head})
        git = open_repository(self.bench.root / "git")
        with open_change(git, "HEAD~1", "HEAD", branch="main") as change:
            yield (
                change,
                predict_check(
                    change, CheckOptions(), self.bench.configuration(), self.bench.pools()
                ),
            )

    def builds(self) -> ExternalBuilds:
        return ExternalBuilds(Cache(self.bench.root / "cache"), [self.place])

    def plan(self, prediction: Prediction, **more: str) -> ExternalPlan:
        plan = plan_external(prediction, self.settings(**more), NAMES, [HERE])
        places = (
            replace(p, url=local(p.url, self.place), base=local(p.base, self.place))
            for p in plan.places
        )
        return replace(plan, places=tuple(places))

    def check(self, head: str = LINKED, **more: str) -> CheckResult:
        with self.change(head) as (change, prediction):
            plan = self.plan(prediction, **more)
            return external_check(change, prediction, plan, self.builds()).result


def local(url: str | None, place: str) -> str | None:
    """A service's URL as its folder's: templates are http(s) alone."""
    return None if url is None else url.replace(HERE, place)


@pytest.fixture
def elsewhere(bench: Bench, tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path / "elsewhere", bench)


def test_what_was_built_elsewhere_takes_the_place_of_the_prediction(
    elsewhere: Elsewhere, image_of: ImageOf
) -> None:
    elsewhere.build(FOUND)
    result = elsewhere.check()
    image = image_of(result)
    assert (image.evidence, image.changed) == ("external", True)
    assert [a.package.nevra.name for a in image.added] == ["perl", "perl-libs"]
    assert image.head.installed_size is not None
    assert image.base.installed_size is not None
    assert image.head.installed_size - image.base.installed_size >= 500_000
    assert image.head.layer is not None
    assert image.base.layer is not None
    (build,) = result.builds
    assert (build.side, build.arch, build.outcome) == ("head", "x86_64", "built")
    assert "rpms-tool-7/f-x86_64" in build.message
    assert result.stage == "final"
    assert result.verdict == "success"
    notes = " ".join(result.notes)
    assert "x86_64: tool 2-1 as built elsewhere, compared with 1-1 as published." in notes


def test_the_difference_goes_to_an_architecture_without_a_build(
    elsewhere: Elsewhere, image_of: ImageOf
) -> None:
    elsewhere.build(LINKED)
    other = image_of(elsewhere.check(), arch="aarch64")
    assert other.evidence == "transferred"
    assert other.head.installed_size is not None
    assert other.base.installed_size is not None
    assert other.head.installed_size - other.base.installed_size >= 500_000


def test_each_architecture_has_its_own_build_where_there_is_one(
    elsewhere: Elsewhere, image_of: ImageOf
) -> None:
    elsewhere.chroots = {"x86_64": "f-x86_64", "aarch64": "f-aarch64"}
    elsewhere.build(LINKED)
    with elsewhere.change() as (change, prediction):
        plan = elsewhere.plan(prediction)
        stands = look_for(plan, elsewhere.builds())
        assert [p.arch for p in stands.complete] == ["x86_64"]
        assert "f-aarch64" in stands.missing[0]
        half = external_check(change, prediction, plan, elsewhere.builds()).result
        assert image_of(half, arch="aarch64").evidence == "transferred"
        assert "aarch64: nothing was taken from" in " ".join(half.notes)
        elsewhere.build(LINKED, arch="aarch64")
        assert look_for(plan, elsewhere.builds()).missing == ()
        whole = external_check(change, prediction, plan, elsewhere.builds()).result
        assert {image.evidence for image in whole.images} == {"external"}


def test_the_base_may_have_a_build_of_its_own(elsewhere: Elsewhere, image_of: ImageOf) -> None:
    elsewhere.build(LINKED)
    # Heavier by as much as the head is: nothing of it is the change's.
    elsewhere.build(LINKED.replace("Version: 2", "Version: 1"), project="main")
    result = elsewhere.check(base=HERE + "main/{chroot}/")
    image = image_of(result)
    assert image.evidence == "external"
    assert not image.changed
    assert "compared with 1-1 as built elsewhere" in " ".join(result.notes)


def test_without_the_bases_build_it_is_what_is_published_and_that_is_said(
    elsewhere: Elsewhere, image_of: ImageOf
) -> None:
    elsewhere.build(LINKED)
    result = elsewhere.check(base=HERE + "main/{chroot}/")
    assert image_of(result).changed
    assert "the base's build was not taken from" in " ".join(result.notes)
    assert "compared with 1-1 as published" in " ".join(result.notes)


def test_it_is_said_where_what_is_published_is_not_the_base_branchs(elsewhere: Elsewhere) -> None:
    elsewhere.bench.commit({"tool.spec": TOOL.replace("Release: 1", "Release: 5")})
    elsewhere.build(LINKED)
    notes = " ".join(elsewhere.check().notes)
    assert "what is published of tool is 1-1, the base branch's spec makes 1-5" in notes


def test_nothing_there_is_an_error_that_another_try_may_help(elsewhere: Elsewhere) -> None:
    with pytest.raises(SurroundingsError):
        elsewhere.check()


def test_a_question_uses_what_was_taken_for_that_commit_and_asks_nobody(
    elsewhere: Elsewhere, image_of: ImageOf
) -> None:
    where = elsewhere.build(FOUND)
    with elsewhere.change() as (change, prediction):
        plan, builds = elsewhere.plan(prediction), elsewhere.builds()
        with pytest.raises(NotCachedError):
            external_check(change, prediction, plan, builds, cached_only=True)
        external_check(change, prediction, plan, builds)
        (where / "repodata/repomd.xml").unlink()
        again = external_check(change, prediction, plan, builds, cached_only=True, layers=False)
        assert image_of(again.result).evidence == "external"


def test_a_server_says_where_packages_may_come_from(elsewhere: Elsewhere) -> None:
    template = "https://copr.example.org/results/{owner}-{repo}-{number}/{chroot}/"
    settings = ExternalBuild("x", template, deadline=60.0, chroots={"": {"x86_64": "f-x86_64"}})
    with elsewhere.change() as (_, prediction):
        with pytest.raises(UsageError, match=r"build\.external"):
            plan_external(prediction, settings, NAMES, [])
        with pytest.raises(UsageError, match="takes them from"):
            plan_external(prediction, settings, NAMES, ["https://copr.example.org/results/x/"])
        plan = plan_external(prediction, settings, NAMES, ["https://copr.example.org/results/"])
        (place,) = plan.places
        assert place.url == "https://copr.example.org/results/rpms-tool-7/f-x86_64/"
        assert place.sources == ("tool",)
        with pytest.raises(UsageError, match=r"cannot stand for \{repo\}"):
            hostile = {**NAMES, "repo": "a?b"}
            plan_external(prediction, settings, hostile, ["https://copr.example.org/results/"])


def test_chroots_that_fit_no_architecture_are_told(elsewhere: Elsewhere) -> None:
    elsewhere.chroots = {"s390x": "f-s390x"}
    with (
        elsewhere.change() as (_, prediction),
        pytest.raises(UsageError, match="none of this change's architectures"),
    ):
        elsewhere.plan(prediction)


def test_of_several_repository_documents_it_is_said_which(elsewhere: Elsewhere) -> None:
    text = (elsewhere.bench.config / "repo.yaml").read_text()
    elsewhere.bench.document("zweite", text)
    url = HERE + "{sha}/{chroot}/"
    flat = ExternalBuild("x", url, deadline=60.0, chroots={"": {"x86_64": "f-x86_64"}})
    none = ExternalBuild("x", HERE + "{sha}/", deadline=60.0)
    named = ExternalBuild("x", url, deadline=60.0, chroots={"zweite": {"x86_64": "z-x86_64"}})
    with elsewhere.change() as (_, prediction):
        for settings in (flat, none):
            with pytest.raises(
                UsageError, match="repository documents the packages are built: repo, zwei"
            ):
                plan_external(prediction, settings, NAMES, [HERE])
        (place,) = plan_external(prediction, named, NAMES, [HERE]).places
    assert (place.document, place.url) == ("zweite", f"{HERE}{'c' * 40}/z-x86_64/")


def test_packages_of_a_koji_task_take_the_place_of_the_prediction(
    elsewhere: Elsewhere, image_of: ImageOf, tmp_path: Path
) -> None:
    settings = ExternalBuild("scratch*", service="k")
    built = tmp_path / "built"
    build(FOUND, "x86_64", tmp_path / "work", built)
    rpms = sorted(built.rglob("*.rpm"))
    with koji_at(tmp_path / "koji") as koji, elsewhere.change() as (change, prediction):
        with pytest.raises(
            UsageError, match=r"knows no build service `k`; it knows none .build\.s"
        ):
            plan_external(prediction, settings, NAMES, [])
        with pytest.raises(UsageError, match=r"knows no build service `k`; it knows other"):
            plan_external(prediction, settings, NAMES, [], {"other": koji.service})
        services = {"k": koji.service}
        builds = ExternalBuilds(Cache(elsewhere.bench.root / "cache"), [], services)
        names = {**NAMES, "sha": change.head}
        plan = plan_external(prediction, settings, names, [], services)
        assert (plan.commit, plan.web_url) == (change.head, f"{koji.url}/koji")
        (missing,) = look_for(plan, builds).missing
        assert missing == f"No check links to a build of {koji.url}/koji."
        plan = plan.with_links(["https://elsewhere.org/", koji.link(50)])
        source = f"git+https://g/tool#{change.head}"
        koji.scratch(50, source, "tool-2-1.src.rpm", {}, state="failed")
        koji.results[50] = "BuildError: no"
        progress = look_for(plan, builds)
        assert (progress.complete, progress.missing) == ((), ())
        assert progress.failed == f"Task 50 of {koji.url}/koji failed: BuildError: no"
        koji.scratch(50, source, "tool-2-1.src.rpm", {"x86_64": rpms, "s390x": []})
        assert [p.arch for p in look_for(plan, builds).complete] == ["x86_64"]
        result = external_check(change, prediction, plan, builds).result
        assert image_of(result).evidence == "external"
        assert image_of(result, arch="aarch64").evidence == "transferred"
        assert [a.package.nevra.name for a in image_of(result).added] == ["perl", "perl-libs"]
        notes = " ".join(result.notes)
        assert f"x86_64: the packages are those of {koji.link(50)}." in notes
        assert "tool 2-1 as built elsewhere, compared with 1-1 as published" in notes


def test_chroots_of_a_copr_are_required_and_its_project_is_filled_in(elsewhere: Elsewhere) -> None:
    copr = BuildService(type="copr", web_url="https://c.org", files_url="https://d.org/results/")
    project, chroots = "packit/{owner}-{repo}-{number}", {"": {"x86_64": "f-x86_64"}}
    with elsewhere.change() as (_, prediction):
        with pytest.raises(UsageError, match="`c` is a Copr: `chroots`"):
            plan_external(prediction, ExternalBuild("x", service="c"), NAMES, [], {"c": copr})
        settings = ExternalBuild("x", service="c", project=project, chroots=chroots)
        (place,) = plan_external(prediction, settings, NAMES, [], {"c": copr}).places
    place_values = (place.url, place.service, place.chroot, place.project)
    assert place_values == ("https://c.org", "c", "f-x86_64", "packit/rpms-tool-7")


def minimize(bench: Bench, *arguments: str) -> tuple[int, str, str]:
    """The command, run on the bench's repository; exit code, standard output and error."""
    done = subprocess.run(
        [
            sys.executable, "-c", "from bot.cli import main; main()", "check",
            "--git", str(bench.root / "git"), "--base", "HEAD~1", "--head", "HEAD",
            "--config", str(bench.config), "--cache", str(bench.root / "cache"),
            "--data", str(bench.root / "data"), "--format", "json", *arguments,
        ],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_command_takes_packages_from_a_repository(elsewhere: Elsewhere) -> None:
    own = "builder: external\nexternal: {check: 'x', repository: 'https://h/{sha}/'}\n"
    elsewhere.bench.commit({".minimize.yaml": own})
    elsewhere.bench.commit({"tool.spec": LINKED})
    code, output, _ = minimize(elsewhere.bench)
    predicted = json.loads(output)
    assert code == 0
    assert {image["evidence"] for image in predicted["images"]} == {"predicted"}
    assert "there is no check to wait for" in " ".join(predicted["notes"])
    where = elsewhere.build(LINKED)
    code, output, _ = minimize(elsewhere.bench, "--external-repository", f"x86_64={where}")
    evidence = {image["arch"]: image["evidence"] for image in json.loads(output)["images"]}
    assert (code, evidence) == (0, {"aarch64": "transferred", "x86_64": "external"})
    code, _, errors = minimize(elsewhere.bench, "--external-repository", str(where / "nowhere"))
    assert code == 2
    assert "no such folder" in errors
    shutil.rmtree(where / "repodata")
    code, _, errors = minimize(elsewhere.bench, "--external-repository", where.as_uri())
    assert code == 1
    assert "repomd.xml is not there" in errors
