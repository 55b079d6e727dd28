"""Lists of ids for statements whose texts are few."""

from hypothesis import given
from hypothesis import strategies as st

from bot.engine.engine import even_batches


@given(st.integers(0, 1000))
def test_all_ids_are_there_in_lists_of_few_lengths(count: int) -> None:
    ids = [str(number) for number in range(count)]
    batches = list(even_batches(ids))
    assert {len(one) for one in batches} <= {3, 30, 300}
    assert {each for one in batches for each in one} == set(ids)
