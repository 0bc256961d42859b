"""Beat-by-beat comparison on cases worked out by hand, at 100 Hz so that the window is 15 samples."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from ecgcore.errors import InputError
from ecgcore.evaluation.ec57 import LABELS, BeatComparison, compare_beats, gross
from ecgcore.evaluation.ec57_marks import EC57_OF_MIT
from ecgcore.evaluation.ratios import Ratio, average
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.record import Annotation

Make = Callable[..., Annotation]
FS_HZ = 100.0


def cells(result: BeatComparison) -> dict[str, int]:
    """Cells that are not 0, by name: "Nv" is a reference N called v."""
    return {LABELS[r] + LABELS[c].lower(): int(result.matrix[r, c]) for r, c in np.argwhere(result.matrix)}


@pytest.fixture
def compare(marks: Make) -> Callable[..., BeatComparison]:
    def run(reference: str, test: str, **options: float) -> BeatComparison:
        return compare_beats(marks(reference), marks(test), FS_HZ, **{"start_s": 0.0, **options})

    return run


Compare = Callable[..., BeatComparison]


@pytest.mark.parametrize(
    ("reference", "test", "expected"),
    [
        ("N@100 V@200", "N@100 V@200", {"Nn": 1, "Vv": 1}),
        ("N@100", "N@115", {"Nn": 1}),
        ("N@100", "N@85", {"Nn": 1}),
        ("N@100", "N@116", {"No": 1, "On": 1}),
        ("N@100", "N@84", {"No": 1, "On": 1}),
        ("N@100 N@200", "N@100", {"Nn": 1, "No": 1}),
        ("N@100", "N@100 V@200", {"Nn": 1, "Ov": 1}),
        ("", "S@100", {"Os": 1}),
        ("F@100", "", {"Fo": 1}),
        ("", "", {}),
        ("N@100 S@200 V@300 F@400 Q@500", "S@100 V@200 F@300 Q@400 N@500", {"Ns": 1, "Sv": 1, "Vf": 1, "Fq": 1, "Qn": 1}),
    ],
    ids="exact last-inside-after last-inside-before first-outside-after first-outside-before missed extra only-test only-reference none labels".split(),
)
def test_match_window(compare: Compare, reference: str, test: str, expected: dict[str, int]) -> None:
    assert cells(compare(reference, test)) == expected


@pytest.mark.parametrize(
    ("reference", "test", "expected"),
    [
        ("N@100", "V@90 S@105", {"Ns": 1, "Ov": 1}),
        ("N@100", "V@95 S@110", {"Nv": 1, "Os": 1}),
        ("N@100", "V@95 S@105", {"Ns": 1, "Ov": 1}),
        ("N@100", "V@103 S@110", {"Nv": 1, "Os": 1}),
        ("N@100", "V@88 S@91 Q@94", {"Nq": 1, "Ov": 1, "Os": 1}),
        ("N@100 V@112", "S@108", {"No": 1, "Vs": 1}),
        ("N@100 V@112", "S@104", {"Ns": 1, "Vo": 1}),
        ("N@100 V@112", "S@106", {"Ns": 1, "Vo": 1}),
        ("N@100 V@112", "S@104 Q@110", {"Ns": 1, "Vq": 1}),
    ],
    ids="nearer-after nearer-before tie-to-later both-after three nearer-reference first-reference tie-to-earlier two-and-two".split(),
)
def test_two_candidates_the_nearer_takes_it(compare: Compare, reference: str, test: str, expected: dict[str, int]) -> None:
    assert cells(compare(reference, test)) == expected


def test_the_window_is_rounded_to_the_nearest_sample(marks: Make) -> None:
    reference, inside, outside = marks("N@1000"), marks("N@1019"), marks("N@1020")
    assert cells(compare_beats(reference, inside, 128.0, start_s=0.0)) == {"Nn": 1}
    assert cells(compare_beats(reference, outside, 128.0, start_s=0.0)) == {"No": 1, "On": 1}
    assert cells(compare_beats(reference, marks("N@1054"), 360.0, start_s=0.0)) == {"Nn": 1}
    assert cells(compare_beats(reference, marks("N@1055"), 360.0, start_s=0.0)) == {"No": 1, "On": 1}


@pytest.mark.parametrize(
    ("reference", "test", "expected"),
    [
        ("N@999", "V@999", {}),
        ("N@1000", "V@1000", {"Nv": 1}),
        ("N@1005", "V@995", {"Nv": 1}),
        ("N@995", "V@1005", {}),
        ("N@900", "V@1000", {"Ov": 1}),
        ("N@2000", "V@2001", {"Nv": 1}),
        ("N@2001", "V@2000", {}),
        ("N@2001 N@2100", "V@2200", {}),
    ],
    ids="before first-sample pair-over-start pair-over-start-by-reference extra-at-start pair-over-stop by-reference-at-stop after".split(),
)
def test_edges_of_the_test_period(compare: Compare, reference: str, test: str, expected: dict[str, int]) -> None:
    assert cells(compare(reference, test, start_s=10.0, stop_s=20.0)) == expected


def test_the_first_five_minutes_are_left_out_by_default(marks: Make) -> None:
    both = marks("N@29999 V@30000")
    assert cells(compare_beats(both, both, FS_HZ)) == {"Vv": 1}


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("N@100 N@900", {"Nn": 2}),
        ("N@100 V@300 V@500 V@800 N@900", {"Nn": 2}),
        ("V@199 N@900", {"No": 1, "Nn": 1, "Ov": 1}),
        ("N@100 V@801", {"Nn": 1, "No": 1, "Ov": 1}),
    ],
    ids="silent labelled before-onset after-end".split(),
)
def test_flutter_of_the_reference_is_left_out(compare: Compare, test: str, expected: dict[str, int]) -> None:
    assert cells(compare("N@100 [@200 !@300 !@500 ]@800 N@900", test)) == expected


def test_a_beat_whose_test_mark_falls_in_flutter_is_found(compare: Compare) -> None:
    assert cells(compare("N@195 [@200 ]@800 N@805", "N@204 V@500 N@796")) == {"Nn": 2}


def test_flutter_without_an_end_reaches_to_the_last_annotation(compare: Compare) -> None:
    assert cells(compare("N@100 [@200 !@300 !@900", "N@100 V@400 V@900")) == {"Nn": 1}


def test_flutter_waves_and_other_marks_are_no_beats(compare: Compare) -> None:
    assert cells(compare('N@100 !@200 |@300 +@400 "@500', "N@100 !@200 |@300 ~@400")) == {"Nn": 1}


@pytest.mark.parametrize("subtype", [-1, 48, 51])
def test_missed_in_shutdown(compare: Compare, subtype: int) -> None:
    result = compare("N@100 V@300 N@500 S@700 N@900", f"N@100 ~{subtype}@250 ~0@600 N@900")
    assert cells(result) == {"Nn": 2, "Vx": 1, "Nx": 1, "So": 1}
    assert result.shutdown_s == 3.5
    assert result.missed_in_shutdown == Ratio(2, 5)
    assert result.n_missed_in_shutdown == Ratio(1, 4)
    assert result.v_missed_in_shutdown == Ratio(1, 1)
    assert math.isnan(result.f_missed_in_shutdown.value)
    assert result.qrs_sensitivity == Ratio(2, 5)


def test_noise_in_one_signal_is_no_shutdown(compare: Compare) -> None:
    result = compare("N@100 V@300 N@500", "N@100 ~16@250 ~3@400 N@500")
    assert cells(result) == {"Nn": 2, "Vo": 1}
    assert result.shutdown_s == 0


def test_shutdown_counts_within_the_test_period_only(compare: Compare) -> None:
    assert compare("N@1000", "~48@500 ~0@1500", start_s=10.0).shutdown_s == 5
    assert compare("N@1000", "~48@500 ~0@1500", start_s=10.0, stop_s=12.0).shutdown_s == 2


def test_a_lone_shutdown_mark_reaches_to_a_window_from_its_neighbours(compare: Compare) -> None:
    result = compare("N@100 N@115 V@300 N@485 N@486 N@500", "N@100 ~48@300 N@500")
    assert cells(result) == {"Nn": 2, "Nx": 2, "Vx": 1, "No": 1}
    assert result.shutdown_s == 3.7


def test_extra_in_shutdown_of_the_reference(compare: Compare) -> None:
    result = compare("N@100 ~48@200 ~0@600 N@700", "N@100 V@300 N@650 N@700")
    assert cells(result) == {"Nn": 2, "Xv": 1, "On": 1}
    assert result.qrs_positive_predictivity == Ratio(2, 4)
    assert result.veb_positive_predictivity == Ratio(0, 1)


def test_codes_of_escape_beats_follow_the_standard_or_the_mapping_given(marks: Make) -> None:
    reference, test = marks("e@100 j@200 n@300 r@400 ?@500 B@600"), marks("N@100 N@200 N@300 N@400 N@500 N@600")
    assert cells(compare_beats(reference, test, FS_HZ, start_s=0.0)) == {"Sn": 3, "Vn": 1, "Qn": 1, "Nn": 1}
    assert cells(compare_beats(reference, test, FS_HZ, start_s=0.0, classes=AAMI_OF_MIT)) == {"Nn": 4, "Qn": 1, "On": 1}


def test_every_aami_class_is_its_own_code() -> None:
    assert [EC57_OF_MIT[letter] for letter in "NSVFQ"] == list("NSVFQ")


def test_figures_of_a_full_matrix() -> None:
    matrix = np.arange(1, 50).reshape(7, 7)
    matrix[5:, 5:] = 0
    result = BeatComparison(matrix, rr_squared_ms2=800.0, n_rr=2, shutdown_s=0.0)
    found = sum(sum(range(7 * row + 1, 7 * row + 6)) for row in range(5))
    missed = sum(7 * row + 6 + 7 * row + 7 for row in range(5))
    extra = sum(range(36, 41)) + sum(range(43, 48))
    assert result.qrs_sensitivity == Ratio(found, found + missed)
    assert result.qrs_positive_predictivity == Ratio(found, found + extra)
    assert result.qrs_f1.value == pytest.approx(2 * found / (2 * found + missed + extra))
    assert result.veb_sensitivity == Ratio(17, 15 + 16 + 17 + 18 + 19 + 20 + 21)
    assert result.veb_positive_predictivity == Ratio(17, 3 + 10 + 17 + 38 + 45), "Fv and Qv count neither way"
    assert result.veb_f1 == Ratio(2 * 17, 2 * 17 + (15 + 16 + 18 + 19 + 20 + 21) + (3 + 10 + 38 + 45))
    negatives = sum(sum((7 * row + 1, 7 * row + 2, 7 * row + 4, 7 * row + 5)) for row in (0, 1, 3, 4, 5, 6))
    assert result.veb_false_positive_rate == Ratio(96, 96 + negatives)
    assert result.sveb_sensitivity == Ratio(9, 8 + 9 + 10 + 11 + 12 + 13 + 14)
    assert result.sveb_positive_predictivity == Ratio(9, 2 + 9 + 16 + 23 + 37 + 44), "Qs counts neither way"
    assert result.sveb_f1 == Ratio(2 * 9, 2 * 9 + (8 + 10 + 11 + 12 + 13 + 14) + (2 + 16 + 23 + 37 + 44))
    negatives = sum(sum((7 * row + 1, 7 * row + 3, 7 * row + 4, 7 * row + 5)) for row in (0, 2, 3, 4, 5, 6))
    assert result.sveb_false_positive_rate == Ratio(122, 122 + negatives)
    assert result.rr_error_ms == 20
    assert result.line["Nn'"] == 1 + 4 + 5
    assert result.line["Fs'"] == 23 + 30
    assert result.line["No'"] == 6 + 7
    assert result.line["Ov'"] == 38 + 45
    assert sum(result.line.values()) == matrix.sum()
    assert result.printed_matrix[0].tolist() == [1 + 2 + 8 + 9, 3 + 10, 4 + 11, 5 + 12, 6 + 13, 7 + 14]
    assert result.printed_matrix[5].tolist() == [43 + 44, 45, 46, 47, 0, 0]


def test_figures_without_events_are_nan(compare: Compare) -> None:
    result = compare("", "")
    figures = [result.qrs_sensitivity, result.qrs_positive_predictivity, result.qrs_f1, result.veb_false_positive_rate, result.missed_in_shutdown]
    assert all(math.isnan(figure.value) and math.isnan(figure.percent) for figure in figures)
    assert math.isnan(result.rr_error_ms)


def test_rr_error_of_matched_beats(compare: Compare) -> None:
    # RR 100, 100 against 103, 99: errors +3 and −1 samples of 10 ms
    result = compare("N@100 N@200 N@300", "N@100 N@203 N@302")
    assert result.n_rr == 2
    assert result.rr_error_ms == pytest.approx(math.sqrt((30**2 + 10**2) / 2))


def test_rr_error_at_a_miss_and_at_the_beat_after(compare: Compare) -> None:
    # at the miss 100 against the 200 of the next test beat; at that beat 100 against 200 again
    result = compare("N@100 N@200 N@300", "N@100 N@300")
    assert result.n_rr == 2
    assert result.rr_error_ms == 1000


def test_rr_error_at_an_extra_beat_and_at_the_beat_after(compare: Compare) -> None:
    # at the extra beat 100 against 40; at the match 100 against 60
    result = compare("N@100 N@200", "N@100 N@140 N@200")
    assert result.n_rr == 2
    assert result.rr_error_ms == pytest.approx(math.sqrt((600**2 + 400**2) / 2))


def test_the_first_rr_reaches_back_before_the_test_period(compare: Compare) -> None:
    result = compare("N@950 N@1050", "N@945 N@1050", start_s=10.0)
    assert (result.n_rr, result.rr_error_ms) == (1, 50)


@pytest.mark.parametrize(
    ("reference", "test"),
    [
        ("N@100 [@200 ]@400 N@500", "N@100 N@510"),
        ("N@100 [@200 ]@400 N@500", "N@100 V@300 N@510"),
        ("N@100 ~48@200 ~0@400 N@500", "N@100 N@510"),
        ("N@100 N@500", "N@100 ~48@200 ~0@400 N@510"),
    ],
    ids="flutter flutter-labelled reference-shutdown test-shutdown".split(),
)
def test_no_rr_spans_flutter_or_shutdown(compare: Compare, reference: str, test: str) -> None:
    assert compare(reference, test).n_rr == 0


def test_gross_and_average() -> None:
    def one(hits: int, misses: int, squared: float, n_rr: int) -> BeatComparison:
        matrix = np.zeros((7, 7), np.int64)
        matrix[2, 2], matrix[2, 0] = hits, misses
        return BeatComparison(matrix, squared, n_rr, shutdown_s=1.5)

    parts = [one(1, 1, 100.0, 1), one(8, 0, 300.0, 3), one(0, 0, 0.0, 0)]
    whole = gross(parts)
    assert whole.veb_sensitivity == Ratio(9, 10)
    assert (whole.rr_error_ms, whole.shutdown_s) == (10.0, 4.5)
    mean = average(parts, lambda part: part.veb_sensitivity)
    assert (mean.value, mean.n_records) == (0.75, 2), "a record without VEBs has no figure"
    assert average(parts, lambda part: part.rr_error_ms).value == 10.0
    assert math.isnan(average([], lambda part: part).value)
    assert gross([]).matrix.tolist() == np.zeros((7, 7)).tolist()


def test_inputs_are_left_as_they_are(marks: Make) -> None:
    reference, test = marks("N@100 V@200"), marks("N@101 V@201")
    before = reference.samples.copy(), test.samples.copy()
    compare_beats(reference, test, FS_HZ, start_s=0.0)
    np.testing.assert_array_equal(reference.samples, before[0])
    np.testing.assert_array_equal(test.samples, before[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fs_hz": 0.0}, "sampling rate 0.0 Hz"),
        ({"fs_hz": math.nan}, "sampling rate nan Hz"),
        ({"start_s": -1.0}, "start of the test period -1.0 s"),
        ({"stop_s": 200.0}, "stop of the test period 200.0 s"),
        ({"window_s": -0.1}, "match window -0.1 s"),
        ({"classes": {"N": "Z"}}, r"classes \['Z'\] are none of N, S, V, F, Q"),
    ],
)
def test_bad_arguments_are_quoted(marks: Make, options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_beats(marks("N@1"), marks("N@1"), **{"fs_hz": FS_HZ, **options})


def test_annotations_out_of_order_are_refused(marks: Make) -> None:
    with pytest.raises(InputError, match="'tst' are not in time order: sample 100 follows 200"):
        compare_beats(marks("N@1"), marks("N@200 V@100", "tst"), FS_HZ)


def random_pair(seed: int) -> tuple[Annotation, Annotation]:
    """A reference of 400 beats, and the same with jitter, misses, extra beats and wrong labels; RR 300 to 1200 ms at 1000 Hz."""
    rng = np.random.default_rng(seed)
    samples = 1000 + np.cumsum(rng.integers(300, 1200, 400))
    symbols = rng.choice(list("NSVFQ"), 400)
    keep = rng.random(400) > 0.1
    moved = samples[keep] + rng.integers(-160, 161, keep.sum())
    extra = rng.integers(1000, samples[-1], 40)
    test = np.sort(np.concatenate([moved, extra]))
    return Annotation.of("atr", samples, symbols), Annotation.of("tst", test, rng.choice(list("NSVFQ"), len(test)))


def shifted(annotation: Annotation, by: int) -> Annotation:
    return Annotation.of(annotation.annotator, annotation.samples + by, annotation.symbols)


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_of_both_leaves_the_counts(seed: int) -> None:
    reference, test = random_pair(seed)
    before = compare_beats(reference, test, 1000.0, start_s=20.0)
    after = compare_beats(shifted(reference, 5000), shifted(test, 5000), 1000.0, start_s=25.0)
    np.testing.assert_array_equal(before.matrix, after.matrix)
    assert before.rr_error_ms == after.rr_error_ms


@pytest.mark.parametrize("seed", range(5))
def test_every_beat_is_counted_once(seed: int) -> None:
    reference, test = random_pair(seed)
    result = compare_beats(reference, test, 1000.0, start_s=0.0)
    assert result.matrix[:5].sum() == len(reference)
    assert result.matrix[:, :5].sum() == len(test)


@pytest.mark.parametrize("seed", range(5))
def test_swapped_annotators_transpose_the_matrix_but_for_ties(seed: int) -> None:
    # odd samples against even ones: no two candidates are ever equally far
    reference, test = random_pair(seed)
    reference = Annotation.of("atr", np.unique(reference.samples // 2) * 2, reference.symbols)
    places = np.unique(test.samples // 2) * 2 + 1
    odd = places[np.concatenate([[True], np.diff(places) > 150])]
    test = Annotation.of("tst", odd, test.symbols[: len(odd)])
    there, back = compare_beats(reference, test, 1000.0, start_s=0.0), compare_beats(test, reference, 1000.0, start_s=0.0)
    np.testing.assert_array_equal(there.matrix, back.matrix.T)


@pytest.mark.parametrize("seed", range(5))
def test_a_test_beat_inside_the_period_does_not_depend_on_marks_far_away(seed: int) -> None:
    reference, test = random_pair(seed)
    full = compare_beats(reference, test, 1000.0, start_s=0.0)
    middle = float(reference.samples[200]) / 1000.0
    halves = [
        compare_beats(reference, test, 1000.0, start_s=0.0, stop_s=middle),
        compare_beats(reference, test, 1000.0, start_s=middle + 0.001),
    ]
    np.testing.assert_array_equal(gross(halves).matrix, full.matrix)
    assert gross(halves).rr_error_ms == pytest.approx(full.rr_error_ms)
