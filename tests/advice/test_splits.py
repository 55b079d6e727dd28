"""Splits: exactly the files that need a capability, solved as the pair that they make."""

from __future__ import annotations

from dataclasses import replace

from bot.advice.advise import Wish, advise
from bot.advice.edits import Edit
from bot.advice.headers import Facts, HeaderFacts, OwnedFile
from bot.advice.requests import Job
from bot.advice.split_text import split_text
from bot.distro.cache import Cache
from bot.model.nevra import parse_nevra
from bot.model.package import Dependency, Overlay
from tests.closure.conftest import request
from tests.specs import EMPTY_SECTIONS, built_pool, program, shell, tags

APP = """\
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/lib/app %{buildroot}/etc/app
mkdir -p %{buildroot}/usr/lib/systemd/system
echo text > %{buildroot}/usr/bin/app
printf '#!/usr/bin/heavy\\n' > %{buildroot}/usr/lib/app/plugin
printf '#!/usr/bin/heavy\\n' > %{buildroot}/etc/app/hook
printf '#!/usr/bin/heavy\\n' > %{buildroot}/usr/lib/systemd/system/app-extra.service
head -c 300 /dev/zero >> %{buildroot}/usr/lib/app/plugin
chmod 755 %{buildroot}/usr/lib/app/plugin %{buildroot}/etc/app/hook
chmod 755 %{buildroot}/usr/lib/systemd/system/app-extra.service
MORE
%post
touch /var/lib/app/hook
%files
/usr/bin/app
/usr/lib/app/plugin
/usr/lib/systemd/system/app-extra.service
%config(noreplace) /etc/app/hook
LISTED
"""
MOVED = ("/etc/app/hook", "/usr/lib/app/plugin", "/usr/lib/systemd/system/app-extra.service")


def image(root, more: str = "true", listed: str = "", head: str = "", requires: str = ""):
    app = APP.replace("MORE", more).replace("LISTED", listed)
    specs = {
        "app": tags("app", *filter(None, [head])) + EMPTY_SECTIONS + app,
        "heavy": program("heavy", size=900_000),
        "shell": shell(),
        "user": program("user", f"Requires: {requires or 'app'}"),
    }
    pool = built_pool(root, specs)
    headers = HeaderFacts(Cache(root / "cache"))
    (advised,) = advise([Job(pool, request("app", "user"))], Wish(1), headers)
    return pool, advised


def test_the_files_that_need_a_program_go_with_it(tmp_path):
    pool, found = image(tmp_path)
    (plan,) = found.plans
    (change,) = plan.changes
    assert (change.kind, change.package, change.capability) == ("split", "app", "/usr/bin/heavy")
    assert change.files == MOVED
    assert (change.written, change.evidence.use, change.evidence.integrity) == (False, (), True)
    assert plan.proved
    # The pair, made and solved here by hand.
    app = next(p for p in pool.published("app") if p.nevra.name == "app")
    sizes = {"/etc/app/hook": 17, "/usr/lib/app/plugin": 317, MOVED[2]: 17}
    kept = tuple(d for d in app.dependencies if d.capability != "/usr/bin/heavy")
    parent = replace(
        app, dependencies=kept, installed_size=app.installed_size - sum(sizes.values())
    )
    child = replace(
        app, nevra=parse_nevra("app-heavy-0:1-1.x86_64"), installed_size=sum(sizes.values()),
        dependencies=(Dependency("requires", "/usr/bin/heavy"),),
    )  # fmt: skip
    pair = Overlay("x86_64", frozenset({"app"}), (parent, child), "predicted")
    installed = pool.solve(request("app", "user"), pair).packages
    assert len(installed) == plan.packages
    assert sum(p.installed_size for p in installed) == plan.installed_size


def test_the_text_of_a_split_has_upgrade_configuration_units_and_scriptlets(tmp_path):
    (change,) = image(tmp_path)[1].plans[0].changes
    lines = change.to.splitlines()
    assert "Recommends: app-heavy = %{version}-%{release}" in lines
    assert "%package -n app-heavy" in lines
    assert "Obsoletes: app <= 1-1" in lines
    assert "%systemd_post app-extra.service" in lines
    assert "%config(noreplace) /etc/app/hook" in lines
    assert "# %post of app names hook: move that part." in lines
    assert lines[-1] == MOVED[2]


def test_a_program_that_the_image_is_for_is_not_moved(tmp_path):
    more = "printf '#!/usr/bin/heavy\\n' > %{buildroot}/usr/bin/tool"
    more += "; chmod 755 %{buildroot}/usr/bin/tool"
    assert kinds(image(tmp_path, more, "/usr/bin/tool")) == []


def test_a_requirement_that_somebody_wrote_too_is_not_split(tmp_path):
    assert "split" not in kinds(image(tmp_path, head="Requires: /usr/bin/heavy"))


def test_what_another_package_requires_is_not_moved(tmp_path):
    assert "split" not in kinds(image(tmp_path, requires="/usr/lib/app/plugin"))


def kinds(found) -> list[str]:
    return [c.kind for plan in found[1].plans for c in plan.changes]


def test_a_file_that_speaks_of_what_moves_is_a_trace(tmp_path):
    more = "echo exec /usr/lib/app/plugin > %{buildroot}/usr/bin/caller"
    (change,) = image(tmp_path, more, "/usr/bin/caller")[1].plans[0].changes
    assert change.evidence.use == ("/usr/bin/caller",)


def test_files_of_some_architectures_are_listed_for_those():
    edit = Edit("split", "app", "app", "heavy", files=("/usr/lib/app/a", "/usr/lib/app/x"))
    known = {
        arch: Facts(frozenset(), files=tuple(map(OwnedFile, paths)))
        for arch, paths in {
            "aarch64": ("/usr/lib/app/a",),
            "x86_64": ("/usr/lib/app/a", "/usr/lib/app/x"),
        }.items()
    }
    lines = split_text(edit, parse_nevra("app-0:1-1.x86_64"), known).splitlines()
    assert lines[-5:] == [
        "%files -n app-heavy", "/usr/lib/app/a", "%ifarch x86_64", "/usr/lib/app/x", "%endif",
    ]  # fmt: skip
