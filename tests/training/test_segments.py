"""The paper's segments: whole beats, at most 2,000 samples, zeros after them, and how many there are."""

import numpy as np
import pytest

from ecgcore.errors import DataError
from ecgcore.training import segments
from ecgcore.training.recipes import load
from ecgcore.training.recipes.segmenting import SegmentInput

SPEC = SegmentInput(samples=2000, band_hz=(0.5, 40.0))


def test_a_segment_holds_whole_beats_until_the_next_would_be_too_much():
    at = np.array([300, 700, 1100, 1500, 1900, 2300, 5000, 5400])
    found = segments.cuts(at, 6000, 2000)
    assert found == ((0, 4, 0, 1700), (4, 6, 1700, 3650), (6, 7, 3650, 5200), (7, 8, 5200, 6000))
    for first, stop, start, end in found:
        assert end - start <= 2000
        assert all(start <= sample < end for sample in at[first:stop])


def test_no_further_beat_would_fit():
    rng = np.random.default_rng(1)
    at = np.cumsum(rng.integers(150, 600, 400))
    n = int(at[-1]) + 200
    found = segments.cuts(at, n, 2000)
    edges = np.concatenate([[0], (at[1:] + at[:-1]) // 2, [n]])
    assert [one[0] for one in found[1:]] == [one[1] for one in found[:-1]]
    assert all(end - start <= 2000 < edges[stop + 1] - start for _, stop, start, end in found[:-1])


def test_a_beat_too_long_for_a_segment_is_left_out():
    assert [one[:2] for one in segments.cuts(np.array([100, 5000, 9000, 9300]), 9500, 2000)] == [(3, 4)]
    assert segments.cuts(np.zeros(0, np.int64), 1000, 2000) == ()


@pytest.mark.parametrize(("codes", "expected"), [("NNVN", 0), ("VV", 0), ("NAN", 1), ("NNN", None), ("NVA", None), ("LV", None), ("NJ", None), ("NF", None)])
def test_a_segment_is_of_one_class_or_of_none(codes, expected):
    assert segments.class_of(tuple(codes)) == expected


def test_each_lead_is_prepared_from_its_own_samples_and_padded_with_zeros():
    mv = np.random.default_rng(2).normal(size=(2, 3000)).astype(np.float32)
    both = segments.prepared(mv, 360, SPEC)
    other = segments.prepared(np.stack([mv[0], 5 * mv[1]]), 360, SPEC)
    assert np.allclose(both, other, atol=1e-4)
    assert not np.allclose(both[0], both[1], atol=0.5)
    padded = segments.padded(both[:, :1700], 2000)
    assert padded.shape == (2, 2000)
    assert not padded[:, 1700:].any()
    assert np.array_equal(padded[:, :1700], both[:, :1700])


@pytest.mark.data
def test_mitdb_holds_the_segments_that_are_stated(data_set):
    data_set("mitdb")
    recipe = load("segmenter")
    found = segments.segment_set(recipe.records, recipe.input)
    assert found.counts == segments.COUNTS == {"PVC": 2_638, "APB": 467}
    assert found.windows.shape == (3_105, 2, 2_000)
    correlated = [abs(np.corrcoef(window[0], window[1])[0, 1]) for window in found.windows[::50]]
    assert max(correlated) < 0.999
    pair = [found.records.index(name) for name in ("201", "202")]
    assert not (found.patients == pair[1]).any()
    assert (found.patients == pair[0]).any()


@pytest.mark.data
def test_other_counts_are_an_error(data_set, monkeypatch):
    data_set("mitdb")
    recipe = load("segmenter")
    monkeypatch.setattr(segments, "ALL", ("208", "209"))
    with pytest.raises(DataError, match="should hold the segments"):
        segments.segment_set(("208", "209"), recipe.input)
