"""Events from beats written as strings, their edges and invariances, and against EC57 and the rhythm marks of mitdb."""

import itertools
import time
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcore import data
from ecgcore.episodes import KINDS, SEVERITY, SORTS, Criteria, Episode, find, sorted_by, unreliable
from ecgcore.errors import InputError
from ecgcore.evaluation.ec57_marks import WINDOW_S, Marks
from ecgcore.evaluation.ec57_runs import compare_runs
from ecgcore.findings import AAMI_OF_MIT, Quality, QualityMark

FS_HZ = 250


def beats(text, rr_s=0.8, fs_hz=FS_HZ):
    """R peaks and labels of a string: a letter a beat, rr_s apart, from rr_s on; "." is a place without a beat."""
    places = [(round(fs_hz * rr_s * (i + 1)), letter) for i, letter in enumerate(text) if letter != "."]
    return np.array([at for at, _ in places], np.int64), [letter for _, letter in places]


def said(text, rr_s=0.8, criteria=None, **known):
    return [one.text for one in find(*beats(text, rr_s), FS_HZ, criteria or Criteria(), **known)]


def kinds(text, **known):
    return [one.kind for one in find(*beats(text), FS_HZ, **known)]


@pytest.mark.parametrize(
    ("text", "rr_s", "expected"),
    [
        ("", 0.8, []),
        ("N", 0.8, []),
        ("V", 0.8, []),
        ("NNNNNNNN", 0.8, []),
        ("NNVNNNVNNN", 0.8, []),
        ("NVVN", 0.8, ["V couplet at 75/min"]),
        ("NSSN", 0.8, ["S couplet at 75/min"]),
        ("NVVVN", 0.8, ["V run of 3 at 75/min"]),
        ("NVVVN", 0.6, ["ventricular tachycardia of 3 at 100/min"]),
        ("NSSSSN", 0.8, ["S run of 4 at 75/min"]),
        ("VVV", 0.8, ["V run of 3 at 75/min"]),
        ("NNVVV", 0.8, ["V run of 3 at 75/min"]),
        ("NFVN", 0.8, ["V couplet at 75/min"]),
        ("NVQVN", 0.8, []),
        ("NVSVN", 0.8, []),
        ("NVNVNV", 0.8, ["V bigeminy, 3 cycles of 2"]),
        ("NVNVN", 0.8, []),
        ("VNVNVN", 0.8, []),
        ("VNVNVNVN", 0.8, ["V bigeminy, 3 cycles of 2"]),
        ("NNVNNVNNV", 0.8, ["V trigeminy, 3 cycles of 3"]),
        ("NNVNNVN", 0.8, []),
        ("NNSNNSNNSNNS", 0.8, ["S trigeminy, 4 cycles of 3"]),
        ("NSNSNSNSN", 0.8, ["S bigeminy, 4 cycles of 2"]),
        ("NVNVNVV", 0.8, ["V bigeminy, 3 cycles of 2", "V couplet at 75/min"]),
        ("NVVNVNVNVV", 0.8, ["V couplet at 75/min", "V bigeminy, 3 cycles of 2", "V couplet at 75/min"]),
        ("NVNVNVNNVNNVNNV", 0.8, ["V bigeminy, 3 cycles of 2", "V trigeminy, 3 cycles of 3"]),
        ("NNNN..NNNN", 0.8, ["pause of 2.4 s"]),
        ("NNNN.NNNN", 0.8, []),
        ("NNVN..VN", 0.8, ["pause of 2.4 s"]),
        ("NNNN", 1.5, ["bradycardia at 40/min, 4 beats"]),
        ("NNN", 1.5, []),
        ("NNNNN", 1.2, []),
        ("NSNNNNNN", 0.5, ["tachycardia at 120/min, 8 beats"]),
        ("NNNNNNN", 0.5, []),
        ("NNNNNNNNN", 0.6, []),
        ("NNNNNVNNNNN", 0.5, ["tachycardia at 120/min, 11 beats"]),
        ("NNNNNVVVNNNNN", 0.5, ["ventricular tachycardia of 3 at 120/min"]),
    ],
)  # fmt: skip
def test_patterns(text, rr_s, expected):
    assert said(text, rr_s) == expected


def test_an_episode_reaches_from_its_first_to_its_last_beat():
    samples, labels = beats("NNVVVNN.." + "NVNVNV")
    run, pause, bigeminy = find(samples, labels, FS_HZ)
    assert (run.start_sample, run.stop_sample, run.n_beats, run.duration_s) == (samples[2], samples[4], 3, 1.6)
    assert (pause.start_sample, pause.stop_sample, pause.n_beats, pause.rate_bpm) == (samples[6], samples[7], 2, None)
    assert (bigeminy.start_sample, bigeminy.stop_sample, bigeminy.n_beats, bigeminy.n_cycles) == (samples[7], samples[12], 6, 3)
    assert run.rate_bpm == pytest.approx(75)


def test_a_slow_or_fast_span_is_one_and_is_not_torn_by_a_single_interval():
    rr_s = np.array([0.8] * 6 + [0.5] * 10 + [0.7] + [0.5] * 10 + [0.8] * 6)
    samples = np.round(np.cumsum(rr_s) * FS_HZ).astype(np.int64)
    (fast,) = find(samples, ["N"] * len(samples), FS_HZ)
    assert (fast.kind, fast.start_sample, fast.stop_sample, fast.n_beats) == ("tachycardia", samples[5], samples[26], 22)
    assert fast.rate_bpm == pytest.approx(120)


def test_single_long_intervals_are_no_bradycardia():
    assert kinds("NNNN..NNNN..NNNN") == ["pause", "pause"]


def test_nothing_reaches_across_what_cannot_be_read():
    hidden = [[3.0, 3.1]]  # between the third beat and the fourth
    assert kinds("NNVVVN", blind_s=hidden) == ["V couplet"]
    assert kinds("NVNVNVNV", blind_s=hidden) == []
    assert kinds("NNN..NNN", blind_s=hidden) == []
    assert kinds("NNN..NNN", blind_s=[[20.0, 30.0], [0.0, 0.5]]) == ["pause"]
    assert said("NNNNNNNN", 1.5, blind_s=[[6.5, 7.0]]) == ["bradycardia at 40/min, 4 beats"] * 2


def test_single_beats_are_listed_on_request():
    assert kinds("NVNNSNVV", criteria=Criteria(isolated=True)) == ["isolated V", "isolated S", "V couplet"]


def test_criteria_decide():
    assert said("NVVVVN", criteria=Criteria(ventricular_run_beats=5)) == []
    assert said("NVVVN", criteria=Criteria(ventricular_tachycardia_bpm=60)) == ["ventricular tachycardia of 3 at 75/min"]
    assert said("NSSSN", criteria=Criteria(supraventricular_run_beats=4)) == []
    assert said("NVNVN", criteria=Criteria(pattern_cycles=2)) == ["V bigeminy, 2 cycles of 2"]
    assert said("NN..NN", criteria=Criteria(pause_s=2.5)) == []
    assert said("NNNNN", criteria=Criteria(bradycardia_bpm=80, bradycardia_beats=5)) == ["bradycardia at 75/min, 5 beats"]
    assert said("NNNN", criteria=Criteria(tachycardia_bpm=70, tachycardia_beats=4)) == ["tachycardia at 75/min, 4 beats"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pause_s", 0.2, "pause_s 0.2 is not a number from 1 to 20"),
        ("pause_s", float("nan"), "pause_s nan is not a number from 1 to 20"),
        ("pause_s", "2", "pause_s '2' is not a number from 1 to 20"),
        ("ventricular_run_beats", 2, "ventricular_run_beats 2 is not a whole number from 3 to 100"),
        ("ventricular_run_beats", 3.5, "ventricular_run_beats 3.5 is not a whole number"),
        ("pattern_cycles", True, "pattern_cycles True is not a whole number"),
        ("isolated", 1, "isolated 1 is neither True nor False"),
    ],
)
def test_criteria_out_of_range_are_refused(name, value, message):
    with pytest.raises(InputError, match=message):
        Criteria(**{name: value})


def test_every_criterion_says_its_source():
    assert all(one.metadata["source"] for one in fields(Criteria))


@pytest.mark.parametrize(
    ("samples", "labels", "fs_hz", "message"),
    [([1, 2], "N", 250, "2 beats, but 1 labels"), ([1, 3, 2], "NNN", 250, "sample 2 follows 3"), ([1], "N", 0, "sampling rate 0 Hz must be above 0")],
)
def test_beats_that_do_not_fit_are_refused(samples, labels, fs_hz, message):
    with pytest.raises(InputError, match=message):
        find(samples, list(labels), fs_hz)


def test_uncertainty_is_that_of_the_models_beats():
    samples, labels = beats("NVVN" + "NNNN" + "VV" + "NNNN" + "VV")
    certainty = np.array([1.0, 0.9, 0.7, 1.0, *[1.0] * 4, 0.6, np.nan, *[1.0] * 4, np.nan, np.nan])
    found = [one.uncertainty for one in find(samples, labels, FS_HZ, certainty=certainty)]
    assert found == pytest.approx([0.2, 0.4, np.nan], nan_ok=True)
    assert np.isnan([one.uncertainty for one in find(samples, labels, FS_HZ)]).all()


def test_noise_that_lasts_is_listed_with_its_beats():
    samples, labels = beats("N" * 30)
    (noise,) = find(samples, labels, FS_HZ, noise_s=[[0.0, 5.0], [10.0, 24.0]])
    assert (noise.kind, noise.start_sample, noise.stop_sample, noise.n_beats) == ("noise", 2500, 5999, 17)
    assert noise.text == "no lead to be relied on for 14 s"
    assert [one.kind for one in find([], [], FS_HZ, noise_s=[[0.0, 10.0]])] == ["noise"]


def test_noise_is_where_every_lead_has_a_mark():
    marks = [("I", 10, 20), ("I", 20, 30), ("II", 20, 30), ("II", 30, 40), ("I", 30, 40), ("I", 90, 95), ("II", 90, 95), ("V1", 0, 10)]
    quality = Quality(10.0, {}, tuple(QualityMark(lead, float(start), float(stop), "noise", "") for lead, start, stop in marks))
    assert unreliable(quality, ("I", "II")).tolist() == [[20.0, 40.0], [90.0, 95.0]]
    assert unreliable(quality, ("I",)).tolist() == [[10.0, 40.0], [90.0, 95.0]]
    assert unreliable(quality, ("I", "II", "V1")).shape == (0, 2)
    assert unreliable(quality, ()).shape == (0, 2)


def test_more_severe_for_longer():
    long_run = find(*beats("N" + "V" * 80, 0.5), FS_HZ)[0]
    assert (long_run.kind, long_run.severity) == ("ventricular tachycardia", SEVERITY["ventricular tachycardia"] + 1)
    assert [one.severity - SEVERITY["pause"] for one in find(*beats("NNNN..NNNN....NNNN"), FS_HZ)] == [0, 1]


def test_every_order():
    samples, labels = beats("NVVN" + "NN..NN" + "NSSSN" + "NVVVN")
    certainty = np.where(np.isin(labels, ["S"]), 0.5, 0.9)
    certainty[-4:-1] = np.nan
    found = find(samples, labels, FS_HZ, certainty=certainty)
    assert [one.kind for one in sorted_by(reversed(found), "time")] == ["V couplet", "pause", "S run", "V run"]
    assert [one.kind for one in sorted_by(found, "severity")] == ["V run", "pause", "S run", "V couplet"]
    assert [one.kind for one in sorted_by(found, "uncertainty")] == ["S run", "V couplet", "pause", "V run"]
    assert set(SORTS) == {"time", "severity", "uncertainty"}
    with pytest.raises(InputError, match="'size'; choose one of time, severity, uncertainty"):
        sorted_by(found, "size")


def plain(found, shift=0, factor=1):
    return [(one.kind, one.start_sample * factor + shift, one.stop_sample * factor + shift, one.n_beats, one.severity, one.text) for one in found]


random_beats = st.lists(st.tuples(st.integers(20, 700), st.sampled_from("NNNNNNSVVFQ")), max_size=120)


@given(random_beats, st.integers(0, 10_000), st.sampled_from([2, 4]))
def test_time_shift_and_rate_change_nothing(drawn, shift, factor):
    samples, labels = np.cumsum([rr for rr, _ in drawn], dtype=np.int64), [letter for _, letter in drawn]
    found = find(samples, labels, FS_HZ, Criteria(isolated=True))
    assert plain(find(samples + shift, labels, FS_HZ, Criteria(isolated=True))) == plain(found, shift)
    assert plain(find(samples * factor, labels, FS_HZ * factor, Criteria(isolated=True))) == plain(found, factor=factor)


@given(random_beats, st.lists(st.tuples(st.floats(0, 200), st.floats(0.1, 30)), max_size=5), st.randoms(use_true_random=False))
def test_episodes_lie_in_the_record_in_order_and_hold_beats(drawn, gaps, random):
    samples, labels = np.cumsum([rr for rr, _ in drawn], dtype=np.int64), [letter for _, letter in drawn]
    certainty = [random.choice([random.random(), float("nan")]) for _ in drawn]
    blind_s = [(start, start + length) for start, length in gaps]
    found = find(samples, labels, FS_HZ, Criteria(isolated=True), certainty=certainty, blind_s=blind_s)
    assert [one.start_sample for one in found] == sorted(one.start_sample for one in found)
    for one in found:
        inside = (samples >= one.start_sample) & (samples <= one.stop_sample)
        assert {one.start_sample, one.stop_sample} <= set(samples.tolist())
        assert one.n_beats == inside.sum() >= 1
        assert one.kind in KINDS
        assert 0 <= one.severity <= 8
        assert np.isnan(one.uncertainty) or 0 <= one.uncertainty <= 1
        assert one.rate_bpm is None or 0 < one.rate_bpm < 1000
        assert (
            not any(start * FS_HZ < one.stop_sample and stop * FS_HZ > one.start_sample for start, stop in blind_s)
            or one.kind in ("bradycardia", "tachycardia")
            or one.n_beats == 1
        )


def test_a_day_of_beats_takes_no_time():
    rng = np.random.default_rng(0)
    samples, labels = np.cumsum(rng.integers(150, 260, 100_000)), rng.choice(list("NNNNNNNNNNNSVFQ"), 100_000)
    certainty, blind_s = rng.random(100_000), np.sort(rng.choice(80_000, 400, replace=False)).reshape(-1, 2)
    begun = time.process_time()
    found = find(samples, labels, FS_HZ, certainty=certainty, blind_s=blind_s)
    assert time.process_time() - begun < 0.5  # 0.02 s on a quiet core
    assert len(found) > 1000
    assert isinstance(found[0], Episode)


@pytest.mark.data
def test_runs_are_those_of_ec57(data_set):
    """Couplets and runs by length on all records of mitdb without a flutter segment or a shutdown mark."""
    compared = 0
    for name in data.record_ids(data_set("mitdb")):
        labelled = data.load_beats(data_set("mitdb"), name)
        reference = labelled.record.annotation("atr")
        if len(Marks.of(reference, round(WINDOW_S * 360), AAMI_OF_MIT).breaks):
            continue
        found = find(labelled.samples, labelled.labels, 360, Criteria(isolated=True))
        for kind, runs in (("V", ("isolated V", "V couplet", "V run", "ventricular tachycardia")), ("S", ("isolated S", "S couplet", "S run"))):
            matrix = compare_runs(reference, reference, 360, kind=kind, start_s=0, classes=AAMI_OF_MIT).sensitivity_matrix
            lengths = np.bincount([min(one.n_beats, 6) for one in found if one.kind in runs], minlength=7)
            assert lengths.tolist() == np.diag(matrix).tolist(), (name, kind)
        compared += 1
    assert compared >= 40


def covered(found, kind, spans):
    """Share of the samples of spans that lie in episodes of a kind, and the reverse."""
    n = 650_000
    marked, ours = np.zeros(n, bool), np.zeros(n, bool)
    for start, stop in spans:
        marked[start:stop] = True
    for one in found:
        if one.kind == kind:
            ours[one.start_sample : one.stop_sample + 1] = True
    return (marked & ours).sum() / marked.sum(), (marked & ours).sum() / ours.sum()


@pytest.mark.data
@pytest.mark.parametrize(
    ("record", "mark", "kind", "of_marked", "of_found"),
    [
        ("106", "(B", "V bigeminy", 0.92, 0.97),
        ("119", "(B", "V bigeminy", 0.89, 0.95),
        ("200", "(B", "V bigeminy", 0.90, 0.95),
        ("207", "(B", "V bigeminy", 0.97, 0.58),
        ("106", "(T", "V trigeminy", 0.53, 0.32),  # marked across couplets, and not marked where three cycles stand alone
        ("119", "(T", "V trigeminy", 0.89, 0.80),
    ],
)
def test_patterns_lie_where_the_reference_marks_them(data_set, record, mark, kind, of_marked, of_found):
    labelled = data.load_beats(data_set("mitdb"), record)
    reference = labelled.record.annotation("atr")
    changes = [(int(at), note) for at, note in zip(reference.samples, reference.notes, strict=True) if note.startswith("(")] + [(labelled.record.n_samples, "")]
    spans = [(at, until) for (at, note), (until, _) in itertools.pairwise(changes) if note == mark]
    sensitivity, predictivity = covered(find(labelled.samples, labelled.labels, 360), kind, spans)
    assert sensitivity >= of_marked
    assert predictivity >= of_found
