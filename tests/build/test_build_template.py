"""URL templates of repositories: what they may say, and that nothing leaves the allowed places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.build.url_template import allowed_place, expand, template_problem
from bot.distro.connections import is_inside
from bot.errors import UsageError

PLACE = "https://copr.example.org/results/packit/"
TEMPLATE = PLACE + "{owner}-{repo}-{number}/{chroot}/"
VALUES = {
    "owner": "o",
    "repo": "r",
    "number": "7",
    "sha": "a" * 40,
    "arch": "x86_64",
    "chroot": "fedora-41-x86_64",
}


def test_placeholders_are_replaced_and_a_slash_ends_it() -> None:
    assert expand(TEMPLATE, VALUES, [PLACE]) == f"{PLACE}o-r-7/fedora-41-x86_64/"
    assert expand(PLACE + "{sha}/{arch}", VALUES, [PLACE]) == f"{PLACE}{'a' * 40}/x86_64/"
    nested = {**VALUES, "owner": "group/sub"}
    assert expand(TEMPLATE, nested, [PLACE]) == f"{PLACE}group-sub-r-7/fedora-41-x86_64/"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("ftp://h/{sha}/", "begins with https"),
        ("file:///etc/{sha}", "begins with https"),
        ("https://{owner}.example.org/{sha}", "plain name"),
        ("https://me:pw@h/{sha}", "plain name"),
        ("https:///{sha}", "plain name"),
        ("https://h/{sha}/../x", "`..`"),
        ("https://h/./{sha}", "empty segment"),
        ("https://h//{sha}", "empty segment"),
        ("https://h/{sha}?x=1", "character"),
        ("https://h/{sha}#x", "character"),
        ("https://h/%2e%2e/{sha}", "character"),
        ("https://h/{sha}\\x", "character"),
        ("https://h/{sha} x", "character"),
        ("https://h/{sha}\n", "character"),
        ("https://h/{", "character"),
        ("https://h/{sha!r}", "no placeholder"),
        ("https://h/{sha.__class__}", "no placeholder"),
        ("https://h/{}", "no placeholder"),
    ],
)
def test_what_is_no_template_is_refused(template: str, said: str) -> None:
    assert said in (template_problem(template) or "")
    with pytest.raises(UsageError):
        expand(template, VALUES, ["https://h/", "ftp://h/", "file:///"])


@pytest.mark.parametrize(
    "template",
    [
        "https://copr.example.org/results/packit-evil/{sha}/",
        "https://copr.example.org/results/{owner}/{sha}/",
        "https://copr.example.org.evil.org/results/packit/{sha}/",
        "http://copr.example.org/results/packit/{sha}/",
        "http://169.254.169.254/{sha}/",
        "https://COPR.example.org/results/packit/{sha}/",
    ],
)
def test_a_template_elsewhere_is_refused_and_told_where_packages_come_from(template: str) -> None:
    assert not allowed_place(template, [PLACE])
    with pytest.raises(UsageError, match="takes them from https"):
        expand(template, VALUES, [PLACE])


def test_without_places_nothing_is_taken() -> None:
    with pytest.raises(UsageError, match=r"build\.external"):
        expand(TEMPLATE, VALUES, [])


@pytest.mark.parametrize(
    "value", ["..", ".", "a/../..", "a?b", "a#b", "a b", "%2e%2e", "a\\b", "", "é", "\n", "x" * 300]
)
def test_hostile_values_leave_nothing(value: str) -> None:
    # Alone in its segment, so that dots would count.
    template = PLACE + "{repo}/{sha}/"
    found = None
    try:
        found = expand(template, {**VALUES, "repo": value}, [PLACE])
    except UsageError:
        return
    assert found == f"{PLACE}a-..-../{'a' * 40}/"  # the slashes are gone, so are the steps


@given(
    st.text(max_size=12), st.text(max_size=12), st.sampled_from(["{repo}", "{repo}.", ".{repo}"])
)
def test_no_value_leaves_the_place(owner: str, repo: str, segment: str) -> None:
    try:
        url = expand(
            f"{PLACE}{{owner}}/{segment}/x/", {**VALUES, "owner": owner, "repo": repo}, [PLACE]
        )
    except UsageError:
        return
    assert url.startswith(PLACE)
    path = url.removeprefix(PLACE)
    assert path.count("/") == 3
    assert not {".", "..", ""} & set(path.split("/")[:-1])
    assert not set(path) & set("?#\\% ")


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        (PLACE + "a/b.rpm", True),
        (PLACE + "../other/b.rpm", False),
        (PLACE + "%2E%2e/other/b.rpm", False),
        (PLACE + "a%2f..%2f..%2fb.rpm", False),
        (PLACE + "..\\b.rpm", False),
        ("https://evil.example.org/b.rpm", False),
        ("http://copr.example.org/results/packit/b.rpm", False),
        ("http://[::1", False),
    ],
)
def test_where_a_server_sends_us_on_to(url: str, inside: bool) -> None:
    assert is_inside(url, [PLACE]) is inside
