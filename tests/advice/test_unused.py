"""Written requirements with no trace of use: by the files, and by maintainer."""

from __future__ import annotations

from bot.advice.headers import HeaderFacts
from bot.advice.maintainers import Maintainers
from bot.advice.requests import Job
from bot.advice.unused import unused_requirements
from bot.distro.cache import Cache
from tests.closure.conftest import request
from tests.specs import EMPTY_SECTIONS, built_pool, program, shell, tags

REQUIRED = ("used", "unused", "scripted", "empty", "app-libs = %{version}-%{release}")
APP = f"""\
{tags("app", *(f"Requires: {name}" for name in REQUIRED))}\
%package libs
Summary: s
%description libs
d
{EMPTY_SECTIONS}\
%install
mkdir -p %{{buildroot}}/usr/bin; echo exec used-tool > %{{buildroot}}/usr/bin/app
%post
scripted-tool --now
%files
/usr/bin/app
%files libs
"""


def test_a_requirement_that_nothing_in_its_package_names_is_listed(tmp_path):
    specs = {"app": APP, "empty": f"{tags('empty')}%description\nd\n%files\n", "shell": shell()}
    for name in ("used", "unused", "scripted"):
        specs[name] = program(name, file=f"/usr/bin/{name}-tool")
    pool = built_pool(tmp_path, specs)
    jobs = [Job(pool, request("app")), Job(pool, request("app", "used"))]
    headers = HeaderFacts(Cache(tmp_path / "cache"))
    found = unused_requirements(jobs, headers, [Maintainers({"app": ("ann",)})])
    assert [(u.package, u.capability, u.images, u.looked_into) for u in found] == [
        ("app", "unused", 2, "files")
    ]
    assert found[0].maintainers == ("ann",)
