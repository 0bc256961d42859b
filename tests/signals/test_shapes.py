"""Grouping by shape: planted shapes are told apart, and neither timing, unit, order nor place in the record matters."""

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ecgcore import data
from ecgcore.analysis import analyze
from ecgcore.demo import make_demo, record_of, synthesise
from ecgcore.errors import InputError, LeadError
from ecgcore.record import Record, missing_code
from ecgcore.shapes import group as group_record
from ecgcore.signals import shapes
from ecgcore.signals.detection import FS_HZ
from ecgcore.signals.shapes import DEFAULT, SPLINE, Settings, around, extent, group, misfits

BEFORE, AFTER, MARGIN = extent()
WIDTH = BEFORE + AFTER


def bump(at_ms, width_ms, height):
    """A Gaussian over the window with its margin, in mV."""
    time_ms = np.arange(-BEFORE - MARGIN, AFTER + MARGIN) / FS_HZ * 1000
    return height * np.exp(-0.5 * ((time_ms[None, :] - np.asarray(at_ms, float).reshape(-1, 1)) / width_ms) ** 2)


def shape(name, jitter_ms=0.0):
    """Two leads of a beat of one of three shapes, moved by a few ms."""
    one = {
        "narrow": lambda d: (bump(d, 14, 1.0) + bump(d + 220, 40, 0.25), bump(d, 14, -0.6)),
        "wide": lambda d: (bump(d, 40, 1.4) + bump(d + 200, 60, -0.4), bump(d + 20, 35, 0.8)),
        "inverted": lambda d: (bump(d, 30, -1.2) + bump(d + 180, 50, 0.4), bump(d, 30, 1.1)),
    }[name]
    return np.concatenate(one(np.asarray(jitter_ms, float)))


def planted(names, seed=0, noise_mv=0.02, jitter_ms=25.0):
    """Windows of beats of these shapes, each somewhere else, with noise and an offset of its own."""
    rng = np.random.default_rng(seed)
    made = np.stack([shape(name, rng.uniform(-jitter_ms, jitter_ms)) for name in names])
    return (made + noise_mv * rng.normal(size=made.shape) + rng.normal(size=(*made.shape[:2], 1))).astype(np.float32)


def everywhere(windows):
    return np.ones(windows.shape[:2], bool)


def numbers(found, n):
    """Cluster of each beat, -1 for those like no other."""
    out = np.full(n, -2)
    for number, one in enumerate(found.clusters):
        out[one.members] = number
    out[found.other.members] = -1
    return out


NAMES = ["narrow"] * 60 + ["wide"] * 25 + ["inverted"] * 12


@pytest.fixture(scope="module")
def mixed():
    return list(np.random.default_rng(5).permutation(NAMES))


def test_planted_shapes_are_recovered_the_largest_first(mixed):
    found = group(windows := planted(mixed), everywhere(windows))
    assert [{mixed[i] for i in one.members} for one in found.clusters] == [{"narrow"}, {"wide"}, {"inverted"}]
    assert [len(one) for one in found.clusters] == [60, 25, 12]
    assert len(found.other) == 0


def test_means_are_those_of_the_shapes(mixed):
    found = group(windows := planted(mixed), everywhere(windows))
    for one, name in zip(found.clusters, ("narrow", "wide", "inverted"), strict=True):
        truth = np.stack([shape(name, d)[:, MARGIN:-MARGIN] for d in np.arange(-30, 30.5, 0.5)])
        truth = truth - truth.mean(axis=2, keepdims=True)
        assert np.abs(truth - one.mean_mv).max(axis=(1, 2)).min() < 0.06
        assert one.mean_mv.shape == one.spread_mv.shape == (2, WIDTH)
        assert 0.015 < np.median(one.spread_mv) < 0.04
        assert one.misfit.max() < 0.2


def test_a_moved_beat_is_of_the_same_shape():
    windows = planted(["narrow"] * 80, jitter_ms=22.0, noise_mv=0.0)
    found = group(windows, everywhere(windows))
    assert [len(one) for one in found.clusters] == [80]
    assert found.clusters[0].misfit.max() < 0.1
    lag = MARGIN - SPLINE
    unaligned = group(windows[:, :, lag:-lag], everywhere(windows), replace(DEFAULT, lag_s=0.0))
    assert len(unaligned.clusters) > 1


def test_unit_and_offset_change_nothing(mixed):
    windows = planted(mixed)
    first = group(windows, everywhere(windows))
    for factor, offset in ((1000.0, 0.0), (0.01, 0.0), (1.0, 7.0), (-1.0, 0.0)):
        found = group((factor * windows + offset).astype(np.float32), everywhere(windows))
        assert numbers(found, len(mixed)).tolist() == numbers(first, len(mixed)).tolist()
        assert np.allclose(found.clusters[0].mean_mv, factor * first.clusters[0].mean_mv, atol=2e-3 * abs(factor))


def test_leads_of_different_gain_count_alike(mixed):
    windows = planted(mixed) * np.array([1.0, 20.0], np.float32)[None, :, None]
    assert [len(one) for one in group(windows, everywhere(windows)).clusters] == [60, 25, 12]


def test_the_order_of_the_beats_changes_nothing(mixed):
    windows = planted(mixed)
    order = np.random.default_rng(1).permutation(len(mixed))
    before, after = numbers(group(windows, everywhere(windows)), len(mixed)), numbers(group(windows[order], everywhere(windows)), len(mixed))
    assert after.tolist() == before[order].tolist()


def test_twice_the_same():
    windows = planted(NAMES, noise_mv=0.3)
    first, second = (group(windows, everywhere(windows)) for _ in range(2))
    assert numbers(first, len(NAMES)).tolist() == numbers(second, len(NAMES)).tolist()
    assert np.array_equal(first.clusters[0].mean_mv, second.clusters[0].mean_mv)


def test_a_shape_seen_five_times_in_many_beats_is_kept():
    names = ["narrow"] * 4000
    names[700:3700:700] = ["inverted"] * 5
    windows = planted(names)
    found = group(windows, everywhere(windows), replace(DEFAULT, sample_beats=200))
    assert found.clusters[-1].members.tolist() == [700, 1400, 2100, 2800, 3500]
    once = group(windows, everywhere(windows), replace(DEFAULT, sample_beats=200, rare_misfit=np.inf))
    assert all(len(one) > 5 for one in once.clusters)


def test_single_odd_beats_are_like_no_other(mixed):
    windows = planted(mixed)
    windows[3] = 5 * np.random.default_rng(2).normal(size=windows[3].shape)
    found = group(windows, everywhere(windows))
    assert found.other.members.tolist() == [3]
    assert len(found.clusters) == 3


def test_no_more_clusters_than_asked_for():
    rng = np.random.default_rng(3)
    heights = np.repeat(rng.normal(size=(40, 2, 6)), 6, axis=0)
    windows = np.stack([[sum(bump(at, 20, h)[0] for at, h in zip(range(-150, 250, 70), lead, strict=False)) for lead in beat] for beat in heights]).astype(np.float32)
    found = group(windows, everywhere(windows))
    assert len(found.clusters) <= DEFAULT.most_clusters
    assert [len(one) for one in found.clusters] == sorted((len(one) for one in found.clusters), reverse=True)
    assert sorted(numbers(found, len(windows)))[0] >= -1  # every beat is somewhere


def test_the_worst_member_comes_first():
    windows = planted(["narrow"] * 40, noise_mv=0.01)
    windows[17] += 0.03 * np.random.default_rng(4).normal(size=windows[17].shape)
    (one,) = group(windows, everywhere(windows)).clusters
    assert one.worst_first[0] == 17
    assert sorted(one.worst_first) == list(range(40))
    assert one.misfit.argmax() == 17


def test_misfit():
    x = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    assert misfits(x, np.array([[3, 4], [-3, -4], [6, 8], [0, 0]], np.float32)).tolist() == [[0, 2, 0.5, 1], [1, 1, 1, 0]]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_beats_are_like_no_other(n):
    windows = planted(["narrow"] * n) if n else np.zeros((0, 2, WIDTH + 2 * MARGIN), np.float32)
    found = group(windows, everywhere(windows))
    assert found.clusters == ()
    assert found.other.members.tolist() == list(range(n))
    assert np.isnan(found.other.mean_mv).all() == (n == 0)


def test_a_lead_that_is_missing_does_not_make_another_shape(mixed):
    windows = planted(mixed)
    present = everywhere(windows)
    present[::3, 1] = False
    windows[::3, 1] = 99.0
    windows[1::5, 0] = 0.0  # flat: an electrode is off
    found = group(windows, present)
    assert [{mixed[i] for i in one.members} for one in found.clusters] == [{"narrow"}, {"wide"}, {"inverted"}]
    assert np.abs(found.clusters[0].mean_mv[1]).max() < 1
    windows[[0, 1]] = 0.0
    lost = group(windows, present)
    assert {0, 1} <= set(lost.other.members.tolist())
    assert np.isinf(lost.other.misfit[:2]).all()


def test_a_lead_without_signal_is_left_out(mixed):
    windows = planted(mixed)
    windows[:, 1] = 0.0
    found = group(windows, everywhere(windows))
    assert [len(one) for one in found.clusters] == [60, 25, 12]
    assert np.isnan(found.clusters[0].mean_mv[1]).all()
    assert np.isfinite(found.clusters[0].mean_mv[0]).all()


def test_windows_are_cut_with_their_margin():
    x = np.arange(1000, dtype=np.float32)
    assert around(x, np.array([500])).tolist() == [list(range(500 - BEFORE - MARGIN, 500 + AFTER + MARGIN))]
    assert around(x, np.array([500]), Settings(before_s=0.1)).shape == (1, round(0.1 * FS_HZ) + AFTER + 2 * MARGIN)


# From a record to its groups


def called(record):
    truth = record.annotation("atr")
    return truth.samples, ["S" if symbol == "A" else symbol for symbol in truth.symbols]


def test_beats_of_the_demo_record_are_told_apart():
    record = make_demo("demo-ectopy")
    told = []
    found = group_record(record, *called(record), progress=lambda share, what: told.append(share))
    ventricular = [number for number in range(len(found.groups)) if "V" in found.counts(number)]
    assert [found.counts(number) for number in ventricular] == [{"V": 16}]
    assert found.leads == ("MLII", "V1")
    assert (found.time_ms[0], found.time_ms.size) == (-BEFORE / FS_HZ * 1000, WIDTH)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_prematurity_is_no_shape():
    rng = np.random.default_rng(6)
    at = np.cumsum(rng.uniform(0.55, 1.2, 200))
    found = group_record(*_record(at), ["N"] * 200)
    assert [len(one) for one in found.groups] == [200]


def _record(at, fs_hz=250.0):
    beats = [(float(one), "N") for one in at]
    record = record_of("made", synthesise(beats, at[-1] + 1, ("II", "V1"), fs_hz, noise_mv=0.005), beats, ("II", "V1"), fs_hz)
    return record, record.annotation("atr").samples


@pytest.mark.parametrize("fs_hz", [128.0, 257.0159, 360.0, 1000.0])
def test_any_rate_will_do(fs_hz):
    record, samples = _record(np.arange(1, 60) * 0.81, fs_hz)
    (one,) = group_record(record, samples, ["N"] * len(samples)).groups
    assert one.misfit.max() < 0.2


def test_a_later_start_changes_nothing():
    record = make_demo("demo-ectopy")
    samples, labels = called(record)
    first = group_record(record, samples, labels)
    late = 5000
    moved = replace(record, adc=np.concatenate([record.adc[:, :1].repeat(late, axis=1), record.adc], axis=1))
    assert [one.members.tolist() for one in group_record(moved, samples + late, labels).groups] == [one.members.tolist() for one in first.groups]


def test_beats_in_a_gap_are_compared_on_the_other_lead():
    record = make_demo("demo-ectopy")
    adc = record.adc.copy()
    adc[0, 30_000:60_000] = missing_code(adc.dtype)
    found = group_record(replace(record, adc=adc), *called(record))
    ventricular = [number for number in range(len(found.groups)) if "V" in found.counts(number)]
    assert [found.counts(number) for number in ventricular] == [{"V": 16}]
    adc[1, 30_000:60_000] = missing_code(adc.dtype)
    unseen = group_record(replace(record, adc=adc), *called(record))
    other = len(unseen.groups) - 1
    assert unseen.is_other(other)
    assert np.isinf(unseen.groups[other].misfit).sum() == pytest.approx(120 * 66 / 60, abs=3)


@pytest.mark.parametrize("n", [0, 1])
def test_records_of_no_beat_or_one(n):
    record = make_demo("demo-12-lead")
    samples, labels = called(record)
    found = group_record(record, samples[:n], labels[:n], ["II", "-aVR"])
    assert found.leads == ("II", "-aVR")
    assert len(found.groups) == n
    assert found.has_other == (n == 1)


def test_what_does_not_fit_is_refused():
    record = make_demo("demo-12-lead")
    samples, labels = called(record)
    with pytest.raises(LeadError, match="V9"):
        group_record(record, samples, labels, ["V9"])
    with pytest.raises(InputError, match="11 beats, but 10 labels"):
        group_record(record, samples, labels[1:])
    with pytest.raises(InputError, match=r"beats are not in time order: sample \d+ follows \d+"):
        group_record(record, samples[::-1], labels)
    with pytest.raises(InputError, match="not within the record's 0 to 4999"):
        group_record(record, samples + 1000, labels)


def test_shapes_outlive_an_edit():
    record = make_demo("demo-ectopy")
    samples, labels = called(record)
    first = group_record(record, samples, labels)
    number = next(number for number in range(len(first.groups)) if "V" in first.counts(number))
    kept = np.delete(np.arange(len(samples)), [0, first.groups[number].members[0]])
    edited = np.sort(np.append(samples[kept], samples[5] + 40))
    at = np.searchsorted(edited, samples[5] + 40)
    relabelled = np.insert(np.asarray(labels)[kept], at, "N")
    relabelled[np.searchsorted(edited, samples[first.groups[number].members[1]])] = "F"
    carried = first.carried(edited, relabelled)
    assert carried.counts(number) == {"V": 14, "F": 1}
    assert at not in np.concatenate([one.members for one in carried.groups])
    assert all(len(one.members) == len(one.misfit) for one in carried.groups)
    assert carried.groups[number].mean_mv is first.groups[number].mean_mv
    assert first.carried(samples[:0], []).groups == ()
    assert not first.carried(samples[:0], []).has_other


def test_leads_are_read_one_at_a_time(monkeypatch):
    record = make_demo("demo-12-lead")
    asked = []
    read = Record.mv
    monkeypatch.setattr(Record, "mv", lambda self, leads=None, start=0, stop=None: asked.append(leads) or read(self, leads, start, stop))
    group_record(record, *called(record))
    assert asked == [(lead,) for lead in record.leads]


@pytest.mark.data
def test_groups_are_pure(data_set):
    """Eight records of DS1, beats by our own detector. Measured: purity 0.981, 1.3 % like no other, 0.4 s each."""
    right = inside = total = 0
    for name in ("106", "114", "119", "207", "208", "215", "223", "230"):
        labelled = data.load_beats(data_set("mitdb"), name)
        found = analyze(labelled.record).beats.samples
        nearest = np.abs(found[:, None] - labelled.samples[None]).argmin(axis=1)
        begun = time.process_time()
        grouped = group_record(labelled.record, found, np.asarray(labelled.labels)[nearest])
        assert time.process_time() - begun < 5
        clusters = [number for number in range(len(grouped.groups)) if not grouped.is_other(number)]
        assert len(clusters) <= shapes.DEFAULT.most_clusters
        for number in clusters:
            counts = Counter(grouped.counts(number))
            right, inside = right + counts.most_common(1)[0][1], inside + counts.total()
        total += len(found)
    assert right / inside >= 0.975
    assert inside / total >= 0.98
