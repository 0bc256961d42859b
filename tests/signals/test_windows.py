"""Beat windows and the dominant beat."""

import numpy as np

from ecgcore.signals.windows import beside_dominant, cut, dominant


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
    one, ten = (beside_dominant(k * x, centres, dominant(k * x, centres, 10, 10), 10) for k in (np.float32(1), np.float32(10)))
    assert one.shape == (centres.size, 2, 20)
    assert np.allclose(one, ten, atol=1e-5)
