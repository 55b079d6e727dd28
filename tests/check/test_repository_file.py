"""`.minimize.yaml`: what the external builder needs, and where a mistake is."""

import pytest

from bot.check.repository_file import ExternalBuild, read_repository_file
from bot.distro.quantities import parse_duration
from bot.errors import UsageError

URL = "https://copr.example.org/{owner}-{repo}-{number}/{chroot}/"


def said(text: str) -> str:
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
    found = read_repository_file(external(chroots=chroots).encode()).external
    assert found is not None
    assert found.chroot_of("epel-9", "aarch64") == "epel-9-aarch64"
    assert found.chroot_of("epel-9", "x86_64") is None
    assert found.deadline == 7200.0


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"check": "''"}, ":3: external.check:"),
        ({"check": None}, ":2: external.check: Field required"),
        ({"repository": "'https://h/{sha}/{who}'"}, ":4: external.repository: `{who}`"),
        ({"repository": "'https://h/{owner}/{repo}/'"}, "it is the same for every change"),
        ({"repository": "'http://h/../{sha}'"}, ":4: external.repository: its path"),
        ({"base": "'https://h/{number}/'"}, "external.base: {number} names the change"),
        ({"chroots": "{x86: f}"}, ":5: external.chroots.x86"),
        ({"chroots": "{x86_64: a/b}"}, ":5: external.chroots.x86_64: expected a name such as"),
        ({"chroots": None}, ":2: external: {chroot} stands in the URL"),
        ({"repository": "'https://h/{sha}'"}, "{chroot} stands in no URL"),
        ({"deadline": "soon"}, ":6: external.deadline: expected a duration such as"),
        ({"deadline": "5 s"}, "between `1 min` and `7 d`"),
        ({"deadline": "8 d"}, "between `1 min` and `7 d`"),
        ({"wait": "yes"}, ":6: external.wait: no such field"),
    ],
)
def test_a_mistake_is_told_with_its_place(fields: dict, place: str) -> None:
    assert place in said(external(**{"chroots": "{x86_64: f-x86_64}", **fields}))


def test_the_builder_and_what_it_needs_go_together() -> None:
    whole = external(chroots="{x86_64: f-x86_64}")
    assert "needs `external`" in said("builder: external\n")
    assert "is not `external`" in said(whole.replace("builder: external", "builder: mock"))


def test_other_mistakes_have_their_lines_too() -> None:
    assert ".minimize.yaml:2: workloads:" in said("dist: .el9\nworkloads: nginx\n")
    assert ".minimize.yaml:2: dist: stands twice" in said("dist: .el9\ndist: .el10\n")
    assert ".minimize.yaml:1: not YAML" in said("a: ]")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30 min", 1800), ("2h", 7200), ("1.5 d", 129600), ("90 s", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-1 h", "1 w", "1e3 s", "2 hours"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)
