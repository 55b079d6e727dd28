"""Written requirements with no trace of use: by the files, and by maintainer."""

from __future__ import annotations

from bot.advice.headers import HeaderFacts
from bot.advice.maintainers import Maintainers
from bot.advice.requests import Job
from bot.advice.unused import unused_requirements
from bot.distro.cache import Cache
from tests.advice.test_written import OTHER, opened
from tests.closure.conftest import request

APP = """\
Name: app
Version: 1
Release: 1
Summary: s
License: MIT
Requires: used
Requires: unused
Requires: scripted
Requires: empty
Requires: app-libs = %{version}-%{release}
%package libs
Summary: s
%description libs
d
%description
d
%prep
%build
%install
mkdir -p %{buildroot}/usr/bin; echo exec used-tool > %{buildroot}/usr/bin/app
%post
scripted-tool --now
%files
/usr/bin/app
%files libs
"""
EMPTY = """\
Name: empty
Version: 1
Release: 1
Summary: s
License: MIT
%description
d
%files
"""


def test_a_requirement_that_nothing_in_its_package_names_is_listed(tmp_path):
    specs = {"app": APP, "empty": EMPTY}
    for name in ("used", "unused", "scripted"):
        specs[name] = OTHER.replace("NAME", name).replace("PROGRAM", f"{name}-tool")
        specs[name] = specs[name].replace("SIZE", "9")
    shell = OTHER.replace("NAME", "shell").replace("SIZE", "9").replace("PROGRAM", "sh")
    specs["shell"] = shell.replace("License", "Provides: /bin/sh\nLicense")
    pool = opened(tmp_path, specs)
    jobs = [Job(pool, request("app")), Job(pool, request("app", "used"))]
    headers = HeaderFacts(Cache(tmp_path / "cache"))
    found = unused_requirements(jobs, headers, [Maintainers({"app": ("ann",)})])
    assert [(u.package, u.capability, u.images, u.looked_into) for u in found] == [
        ("app", "unused", 2, "files")
    ]
    assert found[0].maintainers == ("ann",)
