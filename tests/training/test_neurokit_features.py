"""NeuroKit2's features of a known record, what becomes of records that it gives up on, and the file that they are kept in."""

import numpy as np
import pytest

from ecgcore.demo import synthesise
from ecgcore.training import neurokit_features
from ecgcore.training.neurokit_features import HRV, MARKS, NEUROKIT, RR, extracted, of_lead

FS_HZ = 500


def lead(rr_s=0.8, seed=1):
    return synthesise([(at, "N") for at in np.arange(0.5, 9.7, rr_s)], 10, ("II",), FS_HZ, seed=seed, wander_mv=0.0)[0].astype(np.float32)


def named(values):
    return dict(zip(NEUROKIT, values, strict=True))


def test_there_are_twenty_eight_each_named_once():
    assert len(NEUROKIT) == len(set(NEUROKIT)) == 28


def test_features_of_a_steady_rhythm_are_those_it_was_made_with():
    values, failure = of_lead(lead(), FS_HZ)
    found = named(values)
    assert failure == ""
    assert np.isfinite(values).all()
    assert found["first R peak"] == pytest.approx(0.5, abs=0.02)
    assert found["last R peak"] == pytest.approx(9.3, abs=0.02)
    assert [found[name] for name in ("RR mean", "RR median", "RR min", "RR max")] == pytest.approx([800] * 4, abs=8)
    assert found["RR SD"] < 6
    assert found["RMSSD"] < 10
    assert found["pNN50"] == 0
    assert 0.5 < found["R amplitude mean"] < 1.5
    assert found["P onset"] < found["P peak"] < found["P offset"] < 0 < found["T onset"] < found["T peak"] < found["T offset"]
    assert found["P peak"] == pytest.approx(-160, abs=30)
    assert found["T peak"] == pytest.approx(270, abs=30)
    assert found["Q peak"] < 0 < found["S peak"]


@pytest.mark.parametrize("flat", [np.zeros(5000), np.full(5000, 0.3), np.full(5000, np.nan)])
def test_a_flat_record_has_no_features_and_says_so(flat):
    values, failure = of_lead(flat.astype(np.float32), FS_HZ)
    assert np.isnan(values).all()
    assert failure == "0 R peaks, no waves looked for"


@pytest.mark.parametrize(("samples", "said"), [(0, "ValueError"), (20, "ValueError"), (200, "TypeError")])
def test_a_record_too_short_for_neurokit_is_a_fallback(samples, said):
    values, failure = of_lead(lead()[:samples], FS_HZ)
    assert np.isnan(values).all()
    assert failure.startswith(f"R peaks: {said}")


def test_three_beats_have_intervals_but_no_waves():
    beats = synthesise([(at, "N") for at in (2.0, 5.0, 8.0)], 10, ("II",), FS_HZ, wander_mv=0.0, noise_mv=0.001)[0].astype(np.float32)
    values, failure = of_lead(beats, FS_HZ)
    found = named(values)
    assert failure == "3 R peaks, no waves looked for"
    assert all(np.isnan(found[name]) for name in MARKS)
    assert found["RR mean"] == pytest.approx(3000, abs=10)
    assert np.isnan(found["SDSD"])  # of two intervals there is one difference


def test_another_error_is_not_taken_for_a_fallback(monkeypatch):
    import neurokit2

    def broken(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(neurokit2, "ecg_delineate", broken)
    with pytest.raises(RuntimeError, match="broken"):
        of_lead(lead(), FS_HZ)


def test_waves_that_neurokit_cannot_cut_apart_are_a_fallback(monkeypatch):
    import neurokit2

    def too_small(*_, **__):
        raise ValueError("The data length is too small to be segmented.")

    monkeypatch.setattr(neurokit2, "ecg_delineate", too_small)
    values, failure = of_lead(lead(), FS_HZ)
    found = named(values)
    assert failure == "waves: ValueError: The data length is too small to be segmented."
    assert all(np.isnan(found[name]) for name in MARKS)
    assert all(np.isfinite(found[name]) for name in (*RR, *HRV))


def test_features_are_made_once_and_anew_when_anything_differs(tmp_path, monkeypatch):
    made, names = [], ("a", "NA")
    plain = neurokit_features.of_lead
    monkeypatch.setattr(neurokit_features, "of_lead", lambda *given: made.append(1) or plain(*given))
    leads = np.stack([lead(), np.zeros(5000, np.float32)])
    told = []
    first = extracted(names, leads, FS_HZ, tmp_path, lambda share, what: told.append((share, what)))
    again = extracted(names, leads, FS_HZ, tmp_path)
    assert len(made) == 2
    assert told == [(0.0, "NeuroKit2 features of a"), (0.5, "NeuroKit2 features of NA")]
    assert np.array_equal(first.values, again.values, equal_nan=True)
    assert first.failures == again.failures == ("", "0 R peaks, no waves looked for")
    assert first.fallback_rates(np.arange(2)).tolist() == [0.5] * 28
    assert first.fallback_rates(np.array([0])).tolist() == [0.0] * 28
    extracted(names, leads * np.float32(1.01), FS_HZ, tmp_path)
    extracted(("b", "NA"), leads, FS_HZ, tmp_path)
    monkeypatch.setattr(neurokit_features, "VERSION", "other")
    extracted(names, leads, FS_HZ, tmp_path)
    assert len(made) == 8
    assert len(list(tmp_path.glob("neurokit2-*.csv"))) == 4
