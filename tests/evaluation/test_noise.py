"""Noise added at a stated strength: how strong it is, what it leaves alone, what is refused."""

import numpy as np
import pytest

from ecgcore import writers
from ecgcore.demo import record_of, synthesise
from ecgcore.errors import InputError
from ecgcore.evaluation import noise
from ecgcore.record import missing_code

FS_HZ = 250.0
BEATS = [(0.5 + 0.8 * i, "N") for i in range(70)]


@pytest.fixture
def noisy_home(tmp_path, monkeypatch):
    """A set of two noise recordings where the real ones would be."""
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path))
    rng = np.random.default_rng(5)
    for name in noise.KINDS:
        mv = rng.normal(0.1, 0.3, (2, 15_000)).astype(np.float32)
        mv[:, : mv.shape[1] // 2] = 0  # what training hears
        writers.write(record_of(name, mv, [], ("noise1", "noise2"), FS_HZ), tmp_path / "nstdb-noise" / f"{name}.hea")


@pytest.fixture
def clean():
    return record_of("clean", synthesise(BEATS, 60, ("II", "V1"), FS_HZ, seed=1), BEATS, ("II", "V1"), FS_HZ)


@pytest.mark.parametrize("snr_db", [12.0, 0.0])
def test_noise_has_the_power_that_the_ratio_says(noisy_home, clean, snr_db):
    peaks = np.array([round(t * FS_HZ) for t, _ in BEATS])
    worse = noise.add(clean, peaks, noise.Noise("ma", snr_db))
    for lead in clean.leads:
        added = worse.mv((lead,))[0] - clean.mv((lead,))[0]
        beats = clean.mv((lead,))[0][peaks[:, None] + np.arange(-12, 12)]
        power = np.median(np.ptp(beats, axis=1)) ** 2 / 8
        assert 10 * np.log10(power / added.var()) == pytest.approx(snr_db, abs=0.5)
    assert worse.annotations == clean.annotations


def test_missing_samples_stay_missing(noisy_home, clean):
    adc = clean.adc.astype(np.int32)
    adc[0, 100:200] = missing_code(adc.dtype)
    from dataclasses import replace

    worse = noise.add(replace(clean, adc=adc), np.array([1000, 1200]), noise.Noise("bw", 6))
    assert np.isnan(worse.mv(("II",))[0, 100:200]).all()
    assert np.isfinite(worse.mv(("II",))[0, 200:]).all()


@pytest.mark.parametrize("text", ["em:12", "ma", "ma:loud", "12"])
def test_other_noise_is_refused(text):
    with pytest.raises(InputError, match="ma:12"):
        noise.parse(text)


def test_noise_is_told_in_words():
    assert noise.parse("ma:12").text == "with muscle artefact (ma of nstdb, its second half, which training does not hear) at 12 dB"
