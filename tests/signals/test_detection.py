"""R-peak detection: right on known beats, unmoved by scale, rate, polarity and bad leads."""

import numpy as np
import pytest

from ecgcore import data
from ecgcore.demo import synthesise
from ecgcore.evaluation.detectors import compare, ours
from ecgcore.evaluation.ec57 import gross
from ecgcore.signals import detection

DURATION_S = 120.0
FS_HZ = 250.0
RR_S = 0.8
TRUTH_S = np.arange(1.0, DURATION_S - 1, RR_S)
BEATS = [(float(at), "N") for at in TRUTH_S]


def clean(leads=("II",), fs_hz=FS_HZ, noise_mv=0.01, beats=BEATS):
    return synthesise(beats, DURATION_S, leads, fs_hz, noise_mv=noise_mv, seed=5).astype(np.float32)


def errors(found_samples, fs_hz=FS_HZ, truth_s=TRUTH_S):
    """Beats missed and beats invented, at ±75 ms."""
    gaps = np.abs(found_samples[None, :] / fs_hz - truth_s[:, None]) if found_samples.size else np.full((truth_s.size, 1), np.inf)
    return int((gaps.min(axis=1) > 0.075).sum()), int((gaps.min(axis=0) > 0.075).sum()) if found_samples.size else 0


@pytest.mark.parametrize("lead", ["I", "II", "aVR", "V1", "V5"])
def test_finds_each_beat_in_each_lead(lead):
    assert errors(ours(clean((lead,)), FS_HZ)) == (0, 0)


@pytest.mark.parametrize("factor", [0.1, 5.0, -1.0])
def test_scale_and_polarity_do_not_matter(factor):
    signal = clean()
    assert np.array_equal(ours(signal * np.float32(factor), FS_HZ), ours(signal, FS_HZ))


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 257.0, 360.0, 500.0, 1000.0])
def test_any_rate(fs_hz):
    assert errors(ours(clean(fs_hz=fs_hz), fs_hz), fs_hz) == (0, 0)


def test_flat_padding_adds_no_beat():
    signal = clean()
    padded = np.pad(signal, ((0, 0), (5000, 5000)), mode="edge")
    found = ours(padded, FS_HZ)
    assert errors(found - 5000) == (0, 0)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("flat", lambda n, rng: np.zeros(n)),
        ("strong noise", lambda n, rng: rng.normal(size=n)),
        ("mains", lambda n, rng: 2 * np.sin(2 * np.pi * 50 * np.arange(n) / FS_HZ)),
        ("spikes", lambda n, rng: 5.0 * (rng.random(n) < 2 / FS_HZ)),
        ("all missing", lambda n, rng: np.full(n, np.nan)),
    ],
)
def test_a_bad_lead_does_not_spoil_a_good_one(name, bad):
    good = clean()
    both = np.stack([good[0], bad(good.shape[1], np.random.default_rng(6)).astype(np.float32)])
    assert errors(ours(both, FS_HZ)) == (0, 0), name


def test_either_lead_may_fail_for_a_while():
    leads = clean(("II", "V5"))
    leads[0, 5000:10000] = leads[0, 5000]
    leads[1, 15000:20000] = np.nan
    assert errors(ours(leads, FS_HZ)) == (0, 0)


def test_ectopic_beats_and_pause_are_found():
    beats = [(at, "V") if i % 7 == 3 else (at, "N") for i, (at, _) in enumerate(BEATS)]
    del beats[60:63]
    truth = np.array([at for at, _ in beats])
    missed, invented = errors(ours(clean(beats=beats), FS_HZ), truth_s=truth)
    assert (missed, invented) == (0, 0)


@pytest.mark.parametrize("n", [0, 1, 2, 50, 256])
def test_short_and_empty_signals(n):
    assert detection.detect(np.zeros((1, n), np.float32)).size == 0


def test_no_beats_in_a_flat_line():
    assert ours(np.full((2, 30_000), 0.3, np.float32), FS_HZ).size == 0


@pytest.mark.data
@pytest.mark.parametrize(("leads", "floor"), [("first", 99.3), (None, 99.6)])
def test_floor_on_mitdb(data_set, leads, floor):
    """Every fourth record here; `python -m ecgcore evaluate qrs --records all` gives the table of all."""
    folder = data_set("mitdb")
    result = compare(folder, data.record_ids(folder)[::4], leads).results[detection.NAME]
    assert gross(list(result.parts.values())).qrs_f1.percent >= floor
    assert result.seconds / result.lead_hours < 1.0  # 0.3 s is asked for; the benchmark measures it, this only catches a blunder
