"""NEVRAs, their versions, and the names of source packages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.nevra import Nevra, parse_evr, parse_nevra, source_name


def test_an_epoch_is_what_rpm_may_have() -> None:
    assert parse_evr("3:1.2-4") == (3, "1.2", "4")
    assert parse_evr("1.2-4") == (0, "1.2", "4")
    assert parse_evr("7") == (0, "7", "")
    assert parse_evr("4294967296:1-1") == parse_evr("x:1-1") == (0, "1", "1")


@pytest.mark.parametrize(
    "nevra", [Nevra("a-b", 0, "1:2", "3", "noarch"), Nevra("a", 1, "", "", "x86_64")]
)
def test_an_odd_nevra_is_read_as_it_was_written(nevra: Nevra) -> None:
    assert parse_nevra(str(nevra)) == nevra


WORDS = st.text("ab1.+_~^", min_size=1, max_size=4)
NEVRAS = st.builds(
    Nevra,
    st.lists(WORDS, min_size=1, max_size=3).map("-".join),
    st.integers(0, 2**32 - 1),
    WORDS,
    WORDS,
    st.sampled_from(["noarch", "x86_64", "i686", "src"]),
)


@given(NEVRAS)
def test_a_nevra_is_read_as_it_was_written(nevra: Nevra) -> None:
    assert parse_nevra(str(nevra)) == nevra
    assert parse_nevra(nevra.nvra).nvra == nevra.nvra
    assert parse_evr(nevra.evr) == parse_evr(nevra.rpm_evr)
    assert parse_evr(nevra.evr) == (nevra.epoch, nevra.version, nevra.release)
    assert source_name(f"{nevra.name}-{nevra.version_release}.src.rpm") == nevra.name


@pytest.mark.parametrize("text", ["", "a", "a-1", "a-1-2", "a-1-2.x-y"])
def test_what_is_no_nevra_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a NEVRA"):
        parse_nevra(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nginx-core-1.26-2.el9.src.rpm", "nginx-core"),
        ("glibc-2-1.nosrc.rpm", "glibc"),
        ("nginx-1.26-2.el9.x86_64.rpm", ""),
        ("nginx.src.rpm", ""),
        ("", ""),
    ],
)
def test_the_name_of_a_source_package(text: str, name: str) -> None:
    assert source_name(text) == name
