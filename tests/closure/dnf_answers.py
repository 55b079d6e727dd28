"""dnf's own answers, for the tests: run by the system's Python, which has dnf.

Reads one JSON object from standard input: `repositories` (id, baseurl, priority, exclude,
module_hotfixes), `arch`, `modules`, `platform`, `work` (a directory) and `workloads` (requests,
groups, weak). Writes a list: for each workload the sorted NEVRAs with the epoch, or null where
dnf refuses it.
"""

import json
import logging
import pathlib
import sys

import dnf


def mend_libcomps():
    """With Python 3.13, Debian 13's libcomps forgets a list while a comprehension goes over it."""
    dnf.comps.Comps.groups_iter = lambda self: map(self._build_group, list(self._i.groups))
    dnf.comps.Group._packages_of_type = lambda self, kind: [
        package for package in list(self.packages) if package.type == kind
    ]


def opened(job, work):
    base = dnf.Base()
    conf = base.conf
    for name in ("installroot", "cachedir", "persistdir", "logdir"):
        directory = pathlib.Path(work, name)
        directory.mkdir(exist_ok=True)
        setattr(conf, name, str(directory))
    conf.best = False
    conf.optional_metadata_types = ["filelists"]
    conf.gpgcheck = False
    conf.ignorearch = True
    conf.install_weak_deps = False
    conf.substitutions.update(arch=job["arch"], basearch=job["arch"], releasever="1")
    if job.get("platform"):
        conf.module_platform_id = job["platform"]
    for source in job["repositories"]:
        repo = dnf.repo.Repo(source["id"], conf)
        repo.baseurl = [source["baseurl"]]
        repo.priority = source.get("priority", 99)
        repo.excludepkgs = list(source.get("exclude", ()))
        repo.includepkgs = list(source.get("include", ()))
        repo.module_hotfixes = source.get("module_hotfixes", False)
        base.repos.add(repo)
    enable_modules(pathlib.Path(conf.installroot, "etc/dnf/modules.d"), job.get("modules", ()))
    base.fill_sack(load_system_repo=True)
    base.read_comps(arch_filter=True)
    return base


def enable_modules(directory, modules):
    """Write the files of `dnf module enable`, which refuses streams that cannot be installed."""
    directory.mkdir(parents=True, exist_ok=True)
    for module in modules:
        name, _, stream = module.partition(":")
        text = f"[{name}]\nname={name}\nstream={stream}\nprofiles=\nstate=enabled\n"
        (directory / f"{name}.module").write_text(text)


def answer(base, workload):
    base.reset(goal=True)
    base._comps_trans = dnf.comps.TransactionBunch()
    base.conf.install_weak_deps = workload.get("weak", False)
    try:
        for request in workload.get("requests", ()):
            base.install(request)
        for group in workload.get("groups", ()):
            base.group_install(group, ("mandatory", "default", "conditional"))
        base.resolve()
    except dnf.exceptions.Error:
        return None
    solvables = base._goal.list_installs()
    return sorted(f"{p.name}-{p.epoch}:{p.version}-{p.release}.{p.arch}" for p in solvables)


def main():
    logging.disable(logging.CRITICAL)
    mend_libcomps()
    job = json.load(sys.stdin)
    base = opened(job, job["work"])
    json.dump([answer(base, workload) for workload in job["workloads"]], sys.stdout)


if __name__ == "__main__":
    main()
