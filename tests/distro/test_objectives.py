"""Objective documents, and sizes as people write them."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import pytest

from bot.distro.fields import parse_size
from bot.distro.load import check_configuration
from bot.distro.objectives import Growth, Limits, Sizes, Target
from bot.model.surface import KINDS, Surface
from tests.distro.documents import ENVIRONMENT, REPOSITORY, WORKLOAD

OBJECTIVE = """\
document: minimize-objective
version: 1
data:
  name: nginx stays small
  description: what and why
  maintainer: web-sig
  workload: nginx
"""


def test_an_objective_with_everything(load):
    text = (
        OBJECTIVE
        + """\
  environment: minimal
  repository: distro
  architectures: [x86_64]
  limits: {packages: 45, installed_size: 60 MB, layer_size: 25 MiB}
  growth: {bytes: 500 kB, percent: 2}
  unwanted: {perl-interpreter: "30 MB for one script", systemd: null}
  target: {installed_size: 45 MB, by: 2027-03-01}
"""
    )
    nginx, distro = WORKLOAD, REPOSITORY
    objective = load(o=text, nginx=nginx, minimal=ENVIRONMENT, distro=distro).objectives["o"]
    assert objective.limits == Limits(45, 60 * 10**6, 25 * 2**20)
    assert objective.growth == Growth(500_000, 2.0)
    assert objective.unwanted == {"perl-interpreter": "30 MB for one script", "systemd": None}
    assert objective.target == Target(Sizes(installed_size=45 * 10**6), date(2027, 3, 1))
    assert (objective.workload, objective.environment, objective.architectures) == (
        "nginx",
        "minimal",
        ("x86_64",),
    )


def test_an_objective_may_say_little(load):
    objective = load(o=OBJECTIVE, nginx=WORKLOAD).objectives["o"]
    assert (objective.limits, objective.growth, objective.target) == (Limits(), None, None)
    assert objective.environment is None and objective.architectures == ()


def test_limits_of_the_attack_surface_are_allow_lists_and_0_is_an_empty_one(load):
    text = f"{OBJECTIVE}  limits: {{setuid: 0, interpreters: [bash, bash], pam: [/etc/pam.d/su]}}\n"
    limits = load(o=text, nginx=WORKLOAD).objectives["o"].limits
    assert limits == Limits(setuid=(), interpreters=("bash",), pam=("/etc/pam.d/su",))
    assert limits.surface == {"setuid": (), "interpreters": ("bash",), "pam": ("/etc/pam.d/su",)}


def test_each_kind_of_attack_surface_can_be_limited_and_advisories_cannot():
    named = {field.name for field in fields(Limits)} - {field.name for field in fields(Sizes)}
    assert named == set(KINDS)
    assert all(Surface(users=()).items(kind) == () for kind in KINDS)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("limits: {setuid: 3}", "limits.setuid", "expected 0, or a list of what may be there"),
        ("limits: {setuid: [su]}", "limits.setuid", "as the image has them (`/usr/bin/su`)"),
        ("limits: {advisories: 0}", "limits.advisories", "unknown key `advisories`"),
        ("limits: {size: 3}", "limits.size", "unknown key `size`; expected one of packages"),
        ("limits: {installed_size: 60 XB}", "limits.installed_size", "such as `60 MB`"),
        ("limits: {packages: -1}", "limits.packages", "expected 0 or more, not `-1`"),
        ("limits: {packages: many}", "limits.packages", "expected a whole number, not `many`"),
        ("growth: {}", "growth", "expected `bytes`, `percent` or both"),
        ("growth: {percent: x}", "growth.percent", "expected a number, not `x`"),
        ("target: {installed_size: 1 MB}", "target.by", "`by` is missing"),
        ("target: {by: 2027-01-01}", "target", "expected `packages`"),
        ("target: {packages: 1, by: soon}", "target.by", "a date such as 2027-03-01, not `soon`"),
        ("workload: ngnx", "workload", "no workload document is called `ngnx`; did you mean"),
        ("environment: minimum", "environment", "no environment document is called"),
        ("colour: red", "colour", "unknown key `colour`"),
    ],
)
def test_a_wrong_objective_is_refused_with_its_place(folder, text, place, message):
    lines = OBJECTIVE.replace("  workload: nginx\n", "") if "workload" in text else OBJECTIVE
    report = check_configuration(folder(o=f"{lines}  {text}\n", nginx=WORKLOAD))
    (problem,) = report.errors
    assert problem.field == f"data.{place}"
    assert problem.line == (7 if "workload" in text else 8)
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "size"),
    [("60 MB", 60_000_000), ("500kB", 500_000), ("0.1 MB", 100_000), ("1 KiB", 1024),
     ("1.5GiB", 3 * 2**29), ("12", 12), ("12 B", 12)],
)  # fmt: skip
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1 MB", "1 TB MB", "1,5 MB", "1 mbit"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="expected a size such as"):
        parse_size(text)
