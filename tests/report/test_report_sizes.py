"""Sizes as people read them."""

import pytest

from bot.report.sizes import (
    count_span,
    delta_span,
    format_count_delta,
    format_delta,
    format_size,
    size_span,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (85, "85 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1500, "1.5 kB"),
        (99_950, "100 kB"),
        (570_400, "570 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (31_200_000, "31.2 MB"),
        (60_000_000, "60 MB"),
        (1_234_000_000, "1.2 GB"),
        (-12_000_000, "\N{MINUS SIGN}12 MB"),
        (None, "not known"),
    ],
)
def test_sizes_are_powers_of_1000_with_three_figures(size, text):
    assert format_size(size) == text


def test_differences_carry_their_sign():
    assert format_delta(31_200_000) == "+31.2 MB"
    assert format_delta(-500) == "\N{MINUS SIGN}500 B"
    assert format_delta(0) == "0 B"
    assert format_delta(None) == "not known"
    assert [format_count_delta(n) for n in (3, 0, -3)] == ["+3", "0", "\N{MINUS SIGN}3"]


def test_a_range_says_its_unit_once():
    assert size_span([31_200_000, 30_900_000]) == "30.9 to 31.2 MB"
    assert size_span([900_000, 1_200_000]) == "900 kB to 1.2 MB"
    assert delta_span([30_900_000, 31_200_000]) == "+30.9 to +31.2 MB"
    assert count_span([85, 84, 84]) == "84 to 85"


def test_values_that_look_the_same_are_no_range():
    assert size_span([31_200_000, 31_210_000]) == "31.2 MB"


def test_one_unknown_value_makes_the_range_unknown():
    assert size_span([None, 1]) == "not known"
    assert count_span([]) == "not known"
