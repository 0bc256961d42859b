"""The pyramid: level by level what brute force finds, for every lead, type and gain; nothing is lost, nothing is made up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcore.record import Record, Source, missing_code
from ecgcore.signals import pyramid

LENGTHS = (1, 15, 16, 17, 4000, 32_768, 32_769, 50_001)


def record(n=1000, leads=("I", "II"), dtype=np.int16, gain=200.0, baseline=0.0, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    reach = 900 if dtype == np.int16 else 900_000
    adc = rng.integers(-reach, reach, (len(leads), n)).astype(dtype)
    adc[rng.random(adc.shape) < missing] = missing_code(np.dtype(dtype))
    return Record("x", adc, np.full(len(leads), gain), np.full(len(leads), baseline), 250.0, leads, Source("synthetic", "x", "0" * 64))


def build(made, **changes):
    return pyramid.build(made.adc, made.gain, made.baseline, made.leads, made.mv, **changes)


def millivolts(scaled):
    mv = scaled.values * scaled.step_mv + scaled.offset_mv
    return np.where(scaled.values == pyramid.MISSING, np.nan, mv)


def brute_force(mv, size):
    runs = [mv[start : start + size] for start in range(0, len(mv), size)]
    known = [run[~np.isnan(run)] for run in runs]
    return np.array([(run.min(), run.max()) if run.size else (np.nan, np.nan) for run in known])


def check(made, built, leads):
    for lead in leads:
        mv = made.mv([lead])[0].astype(np.float64)
        for level in range(pyramid.LOWEST, built.top + 1):
            found = built.read(lead, level, 0, pyramid.n_buckets(made.n_samples, level))
            expected = brute_force(mv, 4**level)
            np.testing.assert_array_equal(np.isnan(millivolts(found)), np.isnan(expected))
            rounding = 1e-6 * (1 + np.nanmax(np.abs(mv), initial=0.0))  # record.mv is float32
            np.testing.assert_allclose(millivolts(found), expected, rtol=0, atol=0.5 * found.step_mv + rounding)
            assert found.step_mv > 0


@settings(max_examples=60, deadline=None)
@given(
    n=st.one_of(st.sampled_from(LENGTHS), st.integers(1, 40_000)),
    leads=st.sampled_from((("V1",), ("I", "II"), ("V1", "II", "I"), ("I", "II", "aVR"), ("-aVR", "I", "II"), ("I", "II", "III", "aVR", "aVL", "aVF"))),
    dtype=st.sampled_from((np.int16, np.int32)),
    gain=st.sampled_from((200.0, -200.0, 1000.0, -31.25)),
    baseline=st.sampled_from((0.0, 1024.0, -77.5)),
    missing=st.sampled_from((0.0, 0.3, 0.97)),
    seed=st.integers(0, 9),
)
def test_every_level_is_what_brute_force_finds(n, leads, dtype, gain, baseline, missing, seed):
    made = record(n, leads, dtype, gain, baseline, missing, seed)
    built = build(made)
    shown = made.available_leads if "I" not in leads else (*made.available_leads, "-aVR")
    check(made, built, dict.fromkeys(shown))


def test_blocks_leave_no_seam(monkeypatch):
    made = record(5000, ("I", "II", "V1"), missing=0.1)
    whole = build(made)
    monkeypatch.setattr(pyramid, "_BLOCK", 64)
    in_blocks = build(made)
    np.testing.assert_array_equal(in_blocks.values, whole.values)
    assert (in_blocks.step_mv, in_blocks.offset_mv) == (whole.step_mv, whole.offset_mv)


@pytest.mark.parametrize(("n_samples", "top"), [(1, 2), (32_768, 2), (32_769, 3), (131_073, 4), (21_600_000, 7)])
def test_the_top_level_fits_a_screen(n_samples, top):
    assert pyramid.top_level(n_samples) == top
    assert pyramid.n_buckets(n_samples, top) <= pyramid.MOST_BUCKETS
    assert pyramid.shape(3, n_samples) == (3, sum(pyramid.n_buckets(n_samples, level) for level in range(2, top + 1)), 2)


def test_int16_samples_keep_their_adc_units():
    made = record(1600, ("V1",), gain=200.0, baseline=50.0)
    found = build(made).read("V1", 2, 0, 100)
    assert (found.step_mv, found.offset_mv) == (1 / 200, -0.25)
    np.testing.assert_array_equal(found.values, brute_force(made.adc[0].astype(float), 16))


def test_a_negative_gain_turns_the_samples_over():
    made = record(1600, ("V1",), gain=-200.0, baseline=50.0, missing=0.5)
    made.adc[0, :16] = -32_768
    made.adc[0, 16] = -32_767  # the least value there is has a counterpart
    found = build(made).read("V1", 2, 0, 100)
    assert found.values[0].tolist() == [pyramid.MISSING] * 2
    assert found.values[1, 1] == 32_767
    assert (found.values[1:, 0] <= found.values[1:, 1]).all()


def test_a_bucket_partly_missing_keeps_what_is_there():
    adc = np.full((1, 40), -32_768, np.int16)
    adc[0, [3, 7, 39]] = (5, -5, 9)
    made = Record("x", adc, np.array([1.0]), np.array([0.0]), 250.0, ("V1",), Source("synthetic", "x", "0" * 64))
    assert build(made).values[0].tolist() == [[-5, 5], [-32_768, -32_768], [9, 9]]


def test_derived_buckets_are_missing_where_either_lead_is():
    made = record(64)
    made.adc[0, :16] = -32_768
    made.adc[1, 16:32] = -32_768
    built = build(made)
    assert (built.read("aVF", 2, 0, 2).values == pyramid.MISSING).all()
    assert (built.read("-aVR", 2, 0, 2).values == pyramid.MISSING).all()
    assert (built.read("aVF", 2, 2, 4).values != pyramid.MISSING).all()


@pytest.mark.parametrize(
    ("leads", "kept"),
    [
        (("V1", "II"), ("V1", "II")),
        (("I", "II"), ("I", "II", "III", "aVR", "aVL", "aVF")),
        (("I", "II", "aVR"), ("I", "II", "aVR", "III", "-aVR", "aVL", "aVF")),
        (("I", "II", "-aVR"), ("I", "II", "-aVR", "III", "aVR", "aVL", "aVF")),
        (("MLI", "MLII"), ("MLI", "MLII")),
    ],
)
def test_leads_kept(leads, kept):
    assert pyramid.kept_leads(leads) == kept


@given(st.lists(st.one_of(st.floats(-300, 300, width=32), st.just(float("nan"))), min_size=1, max_size=50), st.sampled_from((1e-6, 5e-4)))
def test_quantised_within_half_a_step_and_no_coarser_than_the_range_needs(values, least):
    mv = np.array(values, np.float32)
    scaled = pyramid.quantised(mv, least)
    np.testing.assert_array_equal(scaled.values == pyramid.MISSING, np.isnan(mv))
    if not np.isnan(mv).all():
        assert np.nanmax(np.abs(millivolts(scaled) - mv)) <= scaled.step_mv / 2 * (1 + 1e-9)
        span = float(np.nanmax(mv)) - float(np.nanmin(mv))
        assert scaled.step_mv <= max(span / 65_534, least) * (1 + 1e-3) + 1e-9
        assert (scaled.step_mv, scaled.offset_mv) == (np.float32(scaled.step_mv), np.float32(scaled.offset_mv))


def test_int32_uses_the_whole_of_int16():
    values = build(record(5000, ("V1",), np.int32, gain=32_000.0)).values
    assert (values.min(), values.max()) == (-32_767, 32_767)


def test_built_into_an_array_that_is_given():
    made = record(5000)
    out = np.empty(pyramid.shape(len(pyramid.kept_leads(made.leads)), 5000), np.int16)
    assert build(made, out=out).values is out
    np.testing.assert_array_equal(out, build(made).values)
