"""Tiles: every spike at every level, the bytes of the viewer, seams that nobody sees, and what is refused."""

import hashlib
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcore import tiles
from ecgcore.errors import InputError, LeadError
from ecgcore.readers import read
from ecgcore.record import Record, Source, missing_code
from ecgcore.signals import filters, pyramid
from ecgcore.tiles import BUCKETS, Tile, tile

AMBULATORY = "ambulatory 0.5–40 Hz"
RECORDED_OR_NOT = ("I", "II", "V1", "III", "aVR", "-aVR", "aVL", "aVF")


def record(adc, leads=("I", "II", "V1"), gain=200.0, baseline=0.0, fs_hz=250.0):
    sha256 = hashlib.sha256(adc.tobytes()).hexdigest()
    return Record("x", adc, np.full(len(leads), gain), np.full(len(leads), baseline), fs_hz, leads, Source("synthetic", "x", sha256))


def noise(n, dtype=np.int16, n_leads=3, seed=0, **changes):
    return record(np.random.default_rng(seed).integers(-300, 300, (n_leads, n)).astype(dtype), **changes)


def wandering(n, fs_hz=250.0):
    """Beats, wander of some mV, mains and noise, on three leads."""
    rng, t = np.random.default_rng(1), np.arange(n) / fs_hz
    beats = 1.2 * np.exp(-0.5 * ((t % 0.83 - 0.4) / 0.012) ** 2)
    wander = 1.5 * np.sin(2 * np.pi * 0.031 * t) + np.sin(2 * np.pi * 0.11 * t + 1) + np.cumsum(rng.normal(0, 0.02, n)) / np.sqrt(fs_hz)
    mv = np.outer([1, 0.6, -0.8], beats) + np.outer([1, -0.7, 0.5], wander) + 0.05 * np.sin(2 * np.pi * 50 * t) + rng.normal(0, 0.01, (3, n))
    return record(np.rint(mv * 200).astype(np.int16))


def build(made):
    return pyramid.build(made.adc, made.gain, made.baseline, made.leads, made.mv)


def millivolts(made: Tile):
    mv = made.values * made.step_mv[:, None, None].astype(np.float64) + made.offset_mv[:, None, None]
    return np.where(made.values == pyramid.MISSING, np.nan, mv)


def reduced(mv, level):
    """(n_leads, n) → (n_leads, buckets, 1 or 2), by brute force."""
    if level == 0:
        return mv[:, :, None]
    with_ends = np.pad(mv, ((0, 0), (0, -mv.shape[1] % 4**level)), constant_values=np.nan).reshape(len(mv), -1, 4**level)
    return np.stack([np.fmin.reduce(with_ends, axis=2), np.fmax.reduce(with_ends, axis=2)], axis=2)


@pytest.fixture
def kept(monkeypatch):
    """An empty store of filtered blocks, and the leads that `filters.apply` is given from now on."""
    asked = []

    def apply(name, mv, fs_hz, notch_hz=None):
        asked.append(mv.shape)
        return original(name, mv, fs_hz, notch_hz)

    original = filters.apply
    monkeypatch.setattr(tiles, "_KEPT", tiles._Kept(tiles.MOST_KEPT_BYTES))
    monkeypatch.setattr(filters, "apply", apply)
    return asked


@settings(max_examples=80, deadline=None)
@given(
    data=st.data(),
    n=st.one_of(st.integers(1, 3000), st.integers(1, 600_000)),
    lead=st.sampled_from(RECORDED_OR_NOT),
    height=st.sampled_from((-20_000, -4000, 4000, 20_000)),
    dtype=st.sampled_from((np.int16, np.int32)),
    gain=st.sampled_from((200.0, -200.0)),
)
def test_a_spike_of_one_sample_stays_visible_at_every_level(data, n, lead, height, dtype, gain):
    at = data.draw(st.integers(0, n - 1), label="at")
    adc = np.random.default_rng(at).integers(-200, 200, (3, n)).astype(dtype)
    adc[:, at] = height, height // 2 + 1000, height  # every lead that follows from I and II has it too
    made = record(adc, gain=gain)
    built, expected = build(made), float(made.mv([lead], at, at + 1)[0, 0])
    assert abs(expected) > 4
    for level in range(built.top + 1):
        bucket = at // 4**level
        found = tile(made, built, [lead], level, bucket // BUCKETS)
        shown = millivolts(found)[0, bucket % BUCKETS]
        assert abs(shown[-1 if expected > 0 else 0] - expected) <= found.step_mv[0] / 2 + 1e-4
        assert shown[0] <= shown[-1]


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize(("gain", "baseline"), [(200.0, 0.0), (-100.0, 12.5)])
def test_every_tile_of_every_level_is_what_brute_force_finds(dtype, gain, baseline):
    made = noise(40_001, dtype, gain=gain, baseline=baseline)
    adc = made.adc.copy()
    adc[0, 2000:9000] = missing_code(adc.dtype)
    adc[:, 16_384 : 16_384 + 70] = missing_code(adc.dtype)
    made = record(adc, gain=gain, baseline=baseline)
    built, mv = build(made), made.mv(RECORDED_OR_NOT)
    for level in range(built.top + 1):
        expected = reduced(mv, level)
        for index in range(-(-expected.shape[1] // BUCKETS)):
            found = tile(made, built, RECORDED_OR_NOT, level, index)
            wanted = expected[:, index * BUCKETS : (index + 1) * BUCKETS]
            assert found.first_sample == index * BUCKETS * 4**level
            assert found.per == wanted.shape[2] == (1 if level == 0 else 2)
            np.testing.assert_array_equal(found.values == pyramid.MISSING, np.isnan(wanted))
            assert np.nanmax(np.abs(millivolts(found) - wanted) / found.step_mv[:, None, None]) <= 0.5 + 1e-2  # mv and offset are float32


def test_recorded_int16_samples_keep_their_adc_units():
    made = noise(5000, gain=200.0, baseline=40.0)
    for level in (0, 1, 2):
        found = tile(made, build(made), ["V1"], level, 0)
        assert (found.step_mv[0], found.offset_mv[0]) == (np.float32(1 / 200), np.float32(-0.2))
    assert tile(made, build(made), ["V1"], 0, 1).values[0, :, 0].tolist() == made.adc[2, 2048:4096].tolist()


def test_leads_come_in_the_order_asked_for():
    made = noise(5000)
    both = tile(made, build(made), ["V1", "I"], 1, 0)
    assert both.values[1].tolist() == tile(made, build(made), ["I"], 1, 0).values[0].tolist()


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("filter_name", [None, AMBULATORY])
def test_minus_avr_is_avr_turned_over(level, filter_name):
    made = noise(30_000)
    both = millivolts(tile(made, build(made), ["aVR", "-aVR"], level, 0, filter_name))
    np.testing.assert_allclose(both[1], -both[0][:, ::-1], atol=1e-3)
    assert np.ptp(both) > 0.3


def test_minus_avr_beside_a_recorded_avr_follows_from_i_and_ii():
    made = noise(40_000, n_leads=3, leads=("I", "II", "aVR"))
    found = tile(made, build(made), ["-aVR"], 2, 0)
    np.testing.assert_allclose(millivolts(found), reduced(made.mv(["-aVR"]), 2)[:, :BUCKETS], atol=1e-3)


def parsed(body):
    """What the viewer reads from the bytes."""
    n_leads, n, per, first = struct.unpack_from("<4I", body)
    scales = np.frombuffer(body, "<f4", 2 * n_leads, 16).reshape(n_leads, 2)
    values = np.frombuffer(body, "<i2", -1, 16 + 8 * n_leads).reshape(n_leads, n, per)
    return Tile(first, per, scales[:, 0], scales[:, 1], values)


@pytest.mark.parametrize(("level", "index", "n"), [(0, 2, 904), (0, 0, 2048), (1, 0, 1250), (2, 0, 313)])
def test_bytes_say_it_all(level, index, n):
    made = noise(5000, gain=-200.0, baseline=3.0)
    there = tile(made, build(made), ["II", "aVF", "-aVR"], level, index)
    back = parsed(there.to_bytes())
    assert (back.first_sample, back.per, back.values.shape[1]) == (there.first_sample, there.per, n)
    for name in ("step_mv", "offset_mv", "values"):
        np.testing.assert_array_equal(getattr(back, name), getattr(there, name))
    assert len(there.to_bytes()) == 16 + 3 * 8 + 3 * n * there.per * 2


@pytest.mark.parametrize("name", [filters.DIAGNOSTIC, AMBULATORY, "exercise 0.5–100 Hz", "low-pass 40 Hz"])
@pytest.mark.parametrize("notch_hz", [None, 50.0])
def test_filtered_tiles_agree_with_one_long_filtering(name, notch_hz):
    made = wandering(250 * 400)
    whole = filters.apply(name, made.mv(), 250.0, notch_hz)
    built, ends = build(made), 250 * 60
    found = [tile(made, built, made.leads, 0, index, name, notch_hz) for index in range(-(-made.n_samples // BUCKETS))]
    mv = np.concatenate([millivolts(one)[:, :, 0] for one in found], axis=1)
    off_mv = np.abs(mv - whole)[:, ends:-ends]
    assert off_mv.max() <= 0.005
    assert max(one.step_mv.max() for one in found) <= tiles.LEAST_STEP_MV * (1 + 1e-6)


@pytest.mark.data
@pytest.mark.parametrize(("data", "name"), [("svdb", "805"), ("mitdb", "213"), ("mitdb", "103")])
def test_seams_on_real_wander(data_set, data, name):
    """The records on which a shorter context shows most."""
    made = read(data_set(data) / name)
    ends = round(60 * made.fs_hz)
    for lead in made.leads:
        whole = filters.apply(filters.DIAGNOSTIC, made.mv([lead]), made.fs_hz)[0]
        mv = tiles._filtered_mv(made, lead, 0, made.n_samples, filters.DIAGNOSTIC, None)
        assert np.abs(mv - whole)[ends:-ends].max() <= 0.001


@pytest.mark.parametrize("level", [1, 2, 3])
def test_minimum_and_maximum_are_taken_after_filtering(level):
    made = wandering(60_000)
    built = build(made)
    samples = np.concatenate([millivolts(tile(made, built, ["I", "III"], 0, index, AMBULATORY, 50.0))[:, :, 0] for index in range(30)], axis=1)
    found = tile(made, built, ["I", "III"], level, 0, AMBULATORY, 50.0)
    np.testing.assert_allclose(millivolts(found), reduced(samples, level)[:, :BUCKETS], atol=tiles.LEAST_STEP_MV * 1.01)


def test_missing_samples_are_missing_in_a_filtered_tile_too():
    made = wandering(30_000)
    adc = made.adc.copy()
    adc[0, 1000:1100] = -32_768
    adc[2] = -32_768
    made = record(adc)
    samples = tile(made, build(made), ["I", "V1"], 0, 0, AMBULATORY)
    assert np.flatnonzero(samples.values[0] == pyramid.MISSING).tolist() == list(range(1000, 1100))
    assert (samples.values[1] == pyramid.MISSING).all()
    buckets = tile(made, build(made), ["I", "V1"], 2, 0, AMBULATORY)
    assert np.flatnonzero(buckets.values[0, :, 0] == pyramid.MISSING).tolist() == [63, 64, 65, 66, 67]


@pytest.mark.parametrize(("name", "notch_hz", "fs_hz"), [("unfiltered", None, 250.0), (None, 50.0, 100.0), ("low-pass 40 Hz", None, 80.0)])
def test_a_filter_that_does_nothing_is_none(name, notch_hz, fs_hz, kept):
    made = noise(600_000, fs_hz=fs_hz)
    built = build(made)
    plain, filtered = (tile(made, built, ["I", "aVF"], built.top, 0, *chosen) for chosen in ((), (name, notch_hz)))
    assert filtered.to_bytes() == plain.to_bytes()
    assert kept == []


def test_a_notch_alone_filters(kept):
    made = wandering(30_000)
    built = build(made)
    assert tile(made, built, ["I"], 0, 0, None, 50.0).to_bytes() != tile(made, built, ["I"], 0, 0).to_bytes()
    assert len(kept) == 1


def test_a_drag_filters_each_minute_once(kept):
    made = wandering(250 * 130)
    built = build(made)
    for index in range(-(-made.n_samples // BUCKETS)):
        tile(made, built, ["I", "aVF"], 0, index, AMBULATORY)
    tile(made, built, ["aVF", "I"], 1, 0, AMBULATORY)
    assert len(kept) == 2 * 3
    longest = round((tiles.BLOCK_S + 2 * tiles.CONTEXT_S) * 250)
    assert max(shape[1] for shape in kept) <= longest


@pytest.mark.parametrize("changes", [{"gain": np.array([100.0] * 3)}, {"fs_hz": 500.0}, {"baseline": np.array([9.0] * 3)}, {"leads": ("II", "I", "V1")}])
def test_records_of_one_file_with_other_facts_share_nothing(kept, changes):
    made = wandering(20_000)
    other = replace(made, **changes)
    tile(made, build(made), ["I"], 0, 0, AMBULATORY)
    found = tile(other, build(other), ["I"], 0, 0, AMBULATORY)
    expected = filters.apply(AMBULATORY, other.mv(["I"]), other.fs_hz)
    np.testing.assert_allclose(millivolts(found)[0, 100:2000, 0], expected[0, 100:2000], atol=0.005)
    assert len(kept) == 3


def test_what_is_kept_is_bounded_and_the_last_used_stays():
    made = []
    room = tiles._Kept(most_bytes=1000)

    def get(key, n=100):
        return room.get(key, lambda: made.append(key) or np.zeros(n, np.float32))

    for key in "ab":
        get(key)
    get("a")  # so that b is the oldest
    get("c")
    get("a")
    assert made == ["a", "b", "c"]
    get("b")
    assert made == ["a", "b", "c", "b"]
    assert room._bytes == 800
    get("too large", 1000)
    assert (room._bytes, len(room._slots)) == (0, 0)


def test_threads_that_want_the_same_block_wait_for_one_filtering():
    room, made, begun, go = tiles._Kept(10_000), [], threading.Event(), threading.Event()

    def make():
        made.append(threading.get_ident())
        begun.set()
        assert go.wait(10)
        return np.ones(10, np.float32)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(room.get, "minute", make) for _ in range(4)]
        assert begun.wait(10)
        other = room.get("another", lambda: np.zeros(10, np.float32))  # not held up
        go.set()
        assert {id(one.result(10)) for one in asked} == {id(room.get("minute", make))}
    assert len(made) == 1
    assert other.sum() == 0


def test_a_filtering_that_fails_is_tried_again():
    room = tiles._Kept(10_000)
    with pytest.raises(ZeroDivisionError):
        room.get("minute", lambda: 1 / 0)
    assert room.get("minute", lambda: np.ones(3, np.float32)).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ((["V9"], 0, 0), LeadError, "no lead 'V9' in this record; it has I, II, V1, III"),
        (([], 0, 0), LeadError, "no lead was named"),
        ((["I"], -1, 0), InputError, "no level -1; this record has 0 to 4"),
        ((["I"], 5, 0), InputError, "no level 5; this record has 0 to 4"),
        ((["I"], 0, -1), InputError, "no tile -1 at level 0; this record has 0 to 146"),
        ((["I"], 4, 1), InputError, "no tile 1 at level 4; this record has 0 to 0"),
        ((["I"], 0, 10**30), InputError, "no tile 1000000000"),
        ((["I"], 0, 0, "smooth"), InputError, "no filter 'smooth'; there are: diagnostic"),
        ((["I"], 0, 0, ""), InputError, "no filter ''; there are: diagnostic"),
        ((["I"], 0, 0, AMBULATORY, 55.0), InputError, "no notch at 55 Hz; there are: 50, 60"),
        ((["I"], 0, 0, None, float("nan")), InputError, "no notch at nan Hz"),
        ((["I"], 4, 0, AMBULATORY), InputError, "a tile of level 4 spans 2097 s; a filter is for tiles of no more than 600 s"),
        ((["I"], 4, 0, None, 50.0), InputError, "a tile of level 4 spans 2097 s"),
    ],
)
def test_what_is_refused(asked, error, said):
    made = noise(300_000)
    with pytest.raises(error, match=said) as caught:
        tile(made, build(made), *asked)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("filter_name", [None, filters.DIAGNOSTIC])
def test_the_shortest_records(n, filter_name):
    made = noise(n)
    for level in (0, 1, 2):
        found = tile(made, build(made), ["I", "aVR"], level, 0, filter_name)
        assert found.values.shape == (2, -(-n // 4**level), 1 if level == 0 else 2)


def test_what_a_filter_takes_from_the_level_brings_the_recorded_to_the_drawn():
    known = record(np.full((3, 20_000), 300, np.int16))  # 1.5 mV throughout
    assert tiles.taken_mv(known, "I", 5000, 5100, "diagnostic 0.05–150 Hz") == pytest.approx(1.5, abs=1e-3)
    assert tiles.taken_mv(known, "I", 5000, 5100, "unfiltered") == 0.0
    assert tiles.taken_mv(known, "-aVR", 5000, 5100, AMBULATORY) == pytest.approx(1.5, abs=1e-3)


def test_where_no_sample_is_there_nothing_is_known_of_the_level():
    adc = np.full((3, 4000), 300, np.int16)
    adc[0, 1000:1200] = -32768
    known = record(adc)
    assert tiles.taken_mv(known, "I", 1000, 1200, AMBULATORY) is None
    assert tiles.taken_mv(known, "I", 4000, 4100, AMBULATORY) is None
    assert tiles.taken_mv(known, "I", -100, 0, AMBULATORY) is None
    assert tiles.taken_mv(known, "I", 900, 1200, AMBULATORY) == pytest.approx(1.5, abs=1e-3)
