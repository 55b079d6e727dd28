"""A tiny distribution of real RPM files for two architectures, and a repository of one spec."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.check.change import open_change
from bot.check.plan import CheckOptions
from bot.check.pools import Pools
from bot.check.run import predict_check
from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.load import load_configuration
from bot.git.repository import open_repository
from bot.model.result import CheckResult
from tests.specs import build_repository, tags

ARCHES = ("x86_64", "aarch64")

# The beginning of a spec file with everything in the distribution that a change is not about.
BASE = f"""
{tags("world")}\
%description
%package -n base
Summary: b
Provides: /bin/sh
%description -n base
%files -n base
"""
# All that the change is not about.
WORLD = (
    BASE
    + """\
%package -n perl
Summary: p
Requires: perl-libs
Provides: /usr/bin/perl
%description -n perl
%files -n perl
%package -n perl-libs
Summary: p
%description -n perl-libs
%files -n perl-libs
%package -n addon
Summary: needs a subpackage of the tool
Requires: tool-extra
%description -n addon
%files -n addon
%package -n broken
Summary: cannot be installed
Requires: nobody-provides-this
%description -n broken
%files -n broken
"""
)

TOOL = f"""\
{tags("tool", "Source0: data.txt", "Requires: base")}\
Requires: tool-libs = %{{version}}-%{{release}}
%description
%files
%package libs
Summary: l
%description libs
%files libs
%package extra
Summary: e
BuildArch: noarch
%description extra
%files extra
"""

DOCUMENTS = {
    "repo": """
document: feedback-pipeline-repository
version: 2
data:
  name: tiny
  description: d
  maintainer: m
  source:
    releasever: "1"
    architectures: [x86_64, aarch64]
    repos:
      tiny: {baseurl: "file://%ROOT%/$basearch/"}
""",
    "minimal": """
document: feedback-pipeline-environment
version: 1
data:
  name: minimal
  description: d
  maintainer: m
  repositories: [repo]
  packages: [base]
  labels: [l]
""",
}


def write_documents(config: Path, root: Path, **documents: str) -> Path:
    """Write the documents of this distribution, which stands at `root`, and others by their ids to
    the new folder `config`; it is returned."""
    config.mkdir()
    for id_, text in {**DOCUMENTS, **documents}.items():
        (config / f"{id_}.yaml").write_text(text.replace("%ROOT%", str(root)))
    return config


def workload(*packages: str) -> str:
    return f"""
document: feedback-pipeline-workload
version: 1
data:
  name: w
  description: d
  maintainer: m
  packages: [{", ".join(packages)}]
  labels: [l]
"""


def objective(workload: str, **fields: Any) -> str:
    """A document of an objective for a workload; `fields` are its limits and the like."""
    data = {"name": "small", "description": "d", "maintainer": "m", "workload": workload, **fields}
    return yaml.safe_dump({"document": "minimize-objective", "version": 1, "data": data})


def make_repositories(root: Path) -> None:
    """A repository of real RPM files in `root`, for each architecture."""
    for arch in ARCHES:
        build_repository(root, arch, {"world": WORLD, "tool": TOOL})


@dataclass
class Bench:
    """One test's repository, documents and cache."""

    root: Path
    repositories: Path

    @property
    def config(self) -> Path:
        return self.root / "config"

    def document(self, id_: str, text: str) -> None:
        self.config.mkdir(exist_ok=True)
        (self.config / f"{id_}.yaml").write_text(text.replace("%ROOT%", str(self.repositories)))

    def configuration(self) -> Configuration:
        return load_configuration(self.config)

    def pools(self) -> Pools:
        return Pools(Cache(self.root / "cache"))

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=self.root / "git", check=True, capture_output=True
        )

    def start(self, files: dict[str, str | None]) -> None:
        """A git repository whose first commit has these files."""
        (self.root / "git").mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit(files)

    def commit(self, files: dict[str, str | None]) -> None:
        for name, content in files.items():
            path = self.root / "git" / name
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", "x")

    def check(self, head: dict[str, str | None], **options: Any) -> CheckResult:
        """The prediction for a commit that changes these files."""
        self.commit(head)
        git = open_repository(self.root / "git")
        with open_change(git, "HEAD~1", "HEAD", branch="main") as change:
            prediction = predict_check(
                change, CheckOptions(**options), self.configuration(), self.pools()
            )
        return prediction.result


def documented(root: Path, repositories: Path, **texts: str) -> Bench:
    """A bench with DOCUMENTS and other documents, by id."""
    bench = Bench(root, repositories)
    for id_, text in {**DOCUMENTS, **texts}.items():
        bench.document(id_, text)
    return bench
