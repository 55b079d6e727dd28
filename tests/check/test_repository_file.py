"""`.minimize.yaml`: what the external builder needs, and where a mistake is."""

from datetime import date

import pytest

from bot.check.repository_file import ExternalBuild, read_repository_file
from bot.distro.fields import parse_duration
from bot.distro.objectives import Sizes, Target
from bot.errors import UsageError

URL = "https://copr.example.org/{owner}-{repo}-{number}/{chroot}/"


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_repository_file(text.encode())
    return caught.value.what


def external(**fields: object) -> str:
    lines = ["builder: external", "external:"]
    all_fields = {"check": "'rpm-build:*'", "repository": f"'{URL}'", **fields}
    return "\n".join([*lines, *(f"  {n}: {v}" for n, v in all_fields.items() if v is not None)])


def test_the_external_builder_as_it_is_written() -> None:
    text = external(chroots="{x86_64: fedora-41-x86_64}", deadline="90 min")
    assert read_repository_file(text.encode()).external == ExternalBuild(
        check="rpm-build:*",
        repository=URL,
        deadline=5400.0,
        chroots={"": {"x86_64": "fedora-41-x86_64"}},
    )


def test_chroots_for_each_repository_document() -> None:
    chroots = "{fedora-41: {x86_64: fedora-41-x86_64}, epel-9: {aarch64: epel-9-aarch64}}"
    external_ = read_repository_file(external(chroots=chroots).encode()).external
    assert external_ is not None
    assert external_.chroot_of("epel-9", "aarch64") == "epel-9-aarch64"
    assert external_.chroot_of("epel-9", "x86_64") is None
    assert external_.deadline == 7200.0


def test_a_build_service_stands_in_the_place_of_a_repository() -> None:
    fields = {"repository": None, "service": "fedora-copr", "chroots": "{x86_64: f-x86_64}"}
    text = external(**fields, project="'packit/{owner}-{repo}-{number}'")
    external_ = read_repository_file(text.encode()).external
    assert external_ is not None
    assert (external_.repository, external_.service) == (None, "fedora-copr")
    assert external_.project == "packit/{owner}-{repo}-{number}"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"service": "k"}, ":2: external: give one of `repository` and `service`"),
        ({"repository": None}, ":2: external: give one of `repository` and `service`"),
        ({"project": "'{owner}/{sha}'", "chroots": "{x86_64: f}"}, "is set, but no `service`"),
        (
            {"repository": None, "service": "c", "project": "'a/b'"},
            ":6: external.project: without {number} or {sha}",
        ),
        ({"repository": None, "service": "c", "project": "'a{sha}'"}, "expected an owner and a pr"),
        ({"repository": None, "service": "c", "project": "'a/{who}'"}, "`{who}` is no placeholder"),
        ({"check": "''"}, ":3: external.check:"),
        ({"check": None}, ":2: external.check: `check` is missing"),
        ({"repository": "'https://h/{sha}/{who}'"}, ":4: external.repository: `{who}`"),
        ({"repository": "'https://h/{owner}/{repo}/'"}, "it is the same for every change"),
        ({"repository": "'http://h/../{sha}'"}, ":4: external.repository: its path"),
        ({"base": "'https://h/{number}/'"}, "external.base: {number} names the change"),
        ({"chroots": "{x86: f}"}, ":5: external.chroots.x86"),
        ({"chroots": "{x86_64: a/b}"}, ":5: external.chroots.x86_64: expected a name such as"),
        ({"chroots": None}, ":2: external: the URL contains {chroot}"),
        ({"repository": "'https://h/{sha}'"}, "no URL contains {chroot}"),
        ({"deadline": "soon"}, ":6: external.deadline: expected a duration such as"),
        ({"deadline": "5 s"}, "between `1 min` and `7 d`"),
        ({"deadline": "8 d"}, "between `1 min` and `7 d`"),
        ({"wait": "yes"}, ":6: external.wait: unknown key `wait`; expected one of check"),
    ],
)
def test_a_mistake_is_told_with_its_place(fields: dict, place: str) -> None:
    assert place in refusal(external(**{"chroots": "{x86_64: f-x86_64}", **fields}))


def test_the_builder_and_what_it_needs_go_together() -> None:
    whole = external(chroots="{x86_64: f-x86_64}")
    assert "needs `external`" in refusal("builder: external\n")
    assert "is not `external`" in refusal(whole.replace("builder: external", "builder: mock"))


def test_objectives_need_neither_description_nor_maintainer() -> None:
    text = "objectives:\n- name: n\n  workload: w\n  limits: {packages: 4}\n"
    text += "  target: {packages: 3, by: 2027-03-01}\n- {name: o, workload: w}\n"
    first, second = read_repository_file(text.encode()).objectives
    assert (first.id, second.id) == (".minimize.yaml#1", ".minimize.yaml#2")
    assert first.target == Target(Sizes(packages=3), date(2027, 3, 1))
    assert (first.limits.packages, first.maintainer) == (4, "")
    assert ":4: objectives.0.limits.size: unknown key" in refusal(
        text.replace("packages: 4", "size: 1")
    )
    assert ":2: objectives.0: expected a mapping, not `x`" in refusal("objectives:\n- x\n")


def test_repositories_by_branch_or_for_every_one() -> None:
    every = read_repository_file(b"repository: [a, b]\n")
    assert every.repositories_of("main") == ("a", "b")
    by_branch = read_repository_file(b"repository: {c9s: a, 'c*': [b, c]}\n")
    assert by_branch.repositories_of("c9s") == ("a",)
    assert by_branch.repositories_of("c10s") == ("b", "c")
    assert by_branch.repositories_of("main") == ()
    assert ":1: repository.c9s.0: expected text, not a list" in refusal("repository: {c9s: [[a]]}")
    assert ":1: repository.0: expected text, not a list" in refusal("repository: [[a]]")


def test_other_mistakes_have_their_lines_too() -> None:
    assert ".minimize.yaml:2: workloads:" in refusal("dist: .el9\nworkloads: nginx\n")
    assert ".minimize.yaml:2: dist: is repeated" in refusal("dist: .el9\ndist: .el10\n")
    assert ".minimize.yaml:1: not YAML" in refusal("a: ]")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30 min", 1800), ("2h", 7200), ("1.5 d", 129600), ("90 s", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-1 h", "1 w", "1e3 s", "2 hours"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)
