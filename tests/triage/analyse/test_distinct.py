"""Sketches of distinct customers: exact when small, within 2 % at 100,000, and their union is the sketch of everybody."""

from __future__ import annotations

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.distinct import EXACT, estimate, hashes_of, sketch_of, united


def people(first: int, last: int) -> np.ndarray:
    return hashes_of(f"customer-{n}" for n in range(first, last))


@given(st.lists(st.integers(0, 3_000), max_size=500))
def test_few_customers_are_counted_exactly(numbers: list[int]) -> None:
    assert estimate(sketch_of(hashes_of(map(str, numbers)))) == len(set(numbers))


MANY = [(n, seed) for n in (4_095, 5_000, 20_000, 100_000) for seed in range(3)]


@pytest.mark.parametrize(("number", "seed"), [*MANY, *(pytest.param(1_000_000, seed, marks=pytest.mark.slow) for seed in range(3))])
def test_many_customers_within_two_percent(number: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).choice(2**32, number, replace=False).astype(np.uint32)
    assert estimate(sketch_of(drawn)) == pytest.approx(number, rel=0.02)


def test_a_hundred_thousand_names_within_two_percent_in_16_kib() -> None:
    sketch = sketch_of(people(0, 100_000))
    assert estimate(sketch) == pytest.approx(100_000, rel=0.02)
    assert sketch.nbytes == 16 * 1024


@examples(30)
@given(st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 6_000)), max_size=5))
def test_a_union_is_the_sketch_of_everybody(parts: list[tuple[int, int]]) -> None:
    everybody = {n for first, length in parts for n in range(first, first + length)}
    sketches = [sketch_of(people(first, first + length)) for first, length in parts]
    both_ways = [united(sketches), united([united(sketches[::-1]), *sketches])]
    expected = sketch_of(hashes_of(f"customer-{n}" for n in sorted(everybody)))
    for union in both_ways:
        assert union.tolist() == expected.tolist()


def test_sketches_are_lists_of_32_bit_integers() -> None:
    assert len(sketch_of(people(0, EXACT - 1))) == EXACT - 1
    assert len(sketch_of(people(0, 50_000))) == EXACT
    assert estimate(united([sketch_of(people(0, 10)).tolist(), sketch_of(people(5, 20)).tolist()])) == 20
    assert estimate(united([])) == 0
