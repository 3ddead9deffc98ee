from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from reloc.report.thinning import stretches, thinned


def test_few_values_all_stay() -> None:
    np.testing.assert_array_equal(thinned(np.arange(5.0), 10), np.arange(5))


def test_every_part_keeps_its_extremes() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    kept = thinned(values, 100)
    assert len(kept) <= 102
    assert (np.diff(kept) > 0).all()
    for part in np.array_split(np.arange(10_000), 50):
        inside = values[kept[(kept >= part[0]) & (kept <= part[-1])]]
        assert inside.max() == values[part].max()
        assert inside.min() == values[part].min()


def test_gaps_stay_gaps() -> None:
    values = np.ones(10_000)
    values[4000:6000] = np.nan
    kept = thinned(values, 100)
    inside = kept[(kept >= 4200) & (kept < 5800)]
    assert len(inside) >= 8
    assert np.isnan(values[inside]).all()


def test_stretches_last_until_the_next_begins() -> None:
    labels = np.array(["A", "A", "B", "A"])
    found = stretches(labels, np.array([0.0, 1.0, 2.0, 3.0]))
    assert found == [("A", 0.0, 2.0), ("B", 2.0, 3.0), ("A", 3.0, 4.0)]
    assert stretches(labels[:0], np.zeros(0)) == []
    assert stretches(labels[:1], np.zeros(1)) == [("A", 0.0, 1.0)]


@pytest.mark.parametrize("most", [1, 3])
def test_of_very_many_stretches_the_longest_remain_and_cover_all(most: int) -> None:
    labels = np.array(["A"] * 50 + ["B", "C"] * 3 + ["D"] * 50)
    found = stretches(labels, np.arange(106.0), most)
    assert len(found) == most
    assert (found[0][1], found[-1][2]) == (0.0, 106.0)
    assert all(a[2] == b[1] for a, b in pairwise(found))
