"""Beat windows and the dominant beat."""

import numpy as np

from ecgcore.signals.windows import beside_usual, cut, dominant, usual_beats


def test_windows_hold_the_samples_around_each_beat():
    x = np.arange(100, dtype=np.float32)
    assert cut(x, np.array([10, 50]), 2, 3).tolist() == [[8, 9, 10, 11, 12], [48, 49, 50, 51, 52]]


def test_the_ends_are_repeated():
    x = np.arange(10, dtype=np.float32)
    assert cut(x, np.array([0, 9]), 2, 2).tolist() == [[0, 0, 0, 1], [7, 8, 9, 9]]


def test_the_dominant_beat_is_that_of_the_majority():
    usual, odd = np.array([0, 1, 5, 1, 0], np.float32), np.array([0, -4, -4, 3, 0], np.float32)
    beats = [odd if i % 3 == 0 else usual for i in range(30)]
    x = np.concatenate(beats)
    centres = np.arange(30) * 5 + 2
    assert dominant(x, centres, 2, 3).tolist() == usual.tolist()
    assert dominant(x, centres[:0], 2, 3).tolist() == [0] * 5


def test_input_has_no_unit():
    x = np.random.default_rng(3).normal(size=1000).astype(np.float32)
    centres = np.arange(50, 950, 40)
    late = np.arange(5)
    one, ten = (beside_usual(k * x, centres, usual_beats(k * x, centres, late, 10, 10), 10) for k in (np.float32(1), np.float32(10)))
    assert one.shape == (centres.size, 3, 20)
    assert np.allclose(one, ten, atol=1e-5)


def test_a_beat_stands_beside_the_usual_ones_and_the_late_ones():
    usual, odd = np.array([0, 1, 5, 1, 0], np.float32), np.array([0, -4, -4, 3, 0], np.float32)
    x = np.concatenate([odd if i % 3 == 0 else usual for i in range(30)])
    centres = np.arange(30) * 5 + 2
    late = np.arange(0, 30, 3)
    templates = usual_beats(x, centres, late, 2, 3)
    assert templates.tolist() == [usual.tolist(), odd.tolist()]
    seen = beside_usual(x, centres, templates, 2)
    assert np.array_equal(seen[0, 0], seen[0, 2])
    assert np.array_equal(seen[1, 0], seen[1, 1])
