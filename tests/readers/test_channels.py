import numpy as np
import pytest

from ecgcore.errors import FormatError
from ecgcore.readers.channels import check_extent, check_rate, choose, mv_per_unit, narrowed, resample

MISSING_16, MISSING_32 = -(1 << 15), -(1 << 31)


@pytest.mark.parametrize(
    ("units", "mv"),
    [("mV", 1.0), ("MV", 1.0), ("uV", 1e-3), ("µV", 1e-3), ("μV", 1e-3), ("UV", 1e-3), ("V", 1e3), ("nV", 1e-6), (" mv ", 1.0), ("mmHg", None), ("", None), ("NU", None)],
)
def test_units_in_any_spelling(units: str, mv: float | None) -> None:
    assert mv_per_unit(units) == mv


def test_channels_that_are_no_voltage_are_left_out_with_a_note() -> None:
    choice = choose(["II", "ABP", "HR"], ["mV", "mmHg", "bpm"], [250.0, 250.0, 250.0])
    assert choice.kept == (0,)
    assert choice.leads == ("II",)
    assert choice.notes == ("left out, no voltage: ABP (mmHg), HR (bpm)",)


def test_no_voltage_at_all_is_an_error_that_names_the_units() -> None:
    with pytest.raises(FormatError, match=r"ABP \(mmHg\)"):
        choose(["ABP"], ["mmHg"], [100.0])


def test_the_rate_is_that_of_the_fastest_ecg_lead_and_slower_leads_are_resampled() -> None:
    choice = choose(["ECG I", "avf", "EEG", "EMG"], ["mV"] * 4, [500.0, 250.0, 1000.0, 100.0])
    assert choice.fs_hz == 500
    assert choice.leads == ("I", "aVF")
    assert any("resampled to 500 Hz: avf (250 Hz)" in note for note in choice.notes)
    assert any("EEG (1000 Hz), EMG (100 Hz)" in note for note in choice.notes)


def test_unknown_names_stay_and_repeats_are_told_apart() -> None:
    choice = choose(["noise1", "x", "x"], ["mV"] * 3, [360.0] * 3)
    assert choice.leads == ("noise1", "x", "x-2")
    assert any("x → x-2" in note for note in choice.notes)


@pytest.mark.parametrize("fs_hz", [0.0, -1.0, 1e6, float("nan"), float("inf")])
def test_absurd_rates_are_refused(fs_hz: float) -> None:
    with pytest.raises(FormatError, match="between 1 and 100000 Hz"):
        check_rate(fs_hz, "x")


def test_narrowed_keeps_missing_and_refuses_to_lose_a_genuine_minimum() -> None:
    assert narrowed(np.array([[1, MISSING_32]], np.int32)).tolist() == [[1, MISSING_16]]
    assert narrowed(np.array([[MISSING_16, 3]], np.int32)).dtype == np.int32


def test_resampling_keeps_a_sine_and_its_gap() -> None:
    t = np.arange(2500) / 250
    slow = np.rint(1000 * np.sin(2 * np.pi * 3 * t)).astype(np.int16)
    slow[1000:1100] = MISSING_16
    fast = resample(slow, 250, 500, 5000)
    inside = np.arange(200, 1800)
    np.testing.assert_allclose(fast[inside], 1000 * np.sin(2 * np.pi * 3 * inside / 500), atol=8)
    assert (fast[2002:2198] == MISSING_16).all()
    assert (fast[:1990] != MISSING_16).all()


def test_resampling_what_is_all_missing_stays_missing() -> None:
    assert (resample(np.full(10, MISSING_16, np.int16), 100, 200, 20) == MISSING_16).all()


def test_a_record_far_longer_than_what_it_holds_is_refused() -> None:
    check_extent(1000, 1, "x")
    with pytest.raises(FormatError, match="1000000000000 samples but holds only 5"):
        check_extent(10**12, 5, "x")
