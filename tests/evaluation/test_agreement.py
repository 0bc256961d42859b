import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ecgcore.analysis import analyze
from ecgcore.errors import InputError
from ecgcore.evaluation.agreement import CATEGORIES, Agreement, Disagreement, Kappa, Labelled, Overlap, agreement_of_spans, cohen, compare
from ecgcore.findings import AAMI_CLASSES, AAMI_OF_MIT
from ecgcore.readers import read
from ecgcore.record import Annotation
from ecgcore.review import Item

DataSet = Callable[[str], Path]
FS_HZ = 250.0
WINDOW = 38  # 150 ms, rounded
CODES = sorted(AAMI_OF_MIT)


def beats(text: str) -> Labelled:
    """Beats by hand: "N@100 V@200"."""
    found = [item.split("@") for item in text.split()]
    return Labelled(np.array([int(sample) for _, sample in found], np.int64), tuple(code for code, _ in found))


def readings(least: int = 0, apart: int = 1) -> st.SearchStrategy[Labelled]:
    """Beats `apart` samples or more from each other."""
    each = st.tuples(st.integers(apart, apart + 100), st.sampled_from(CODES))
    return st.lists(each, min_size=least, max_size=40).map(
        lambda found: Labelled(np.cumsum(np.array([gap for gap, _ in found], np.int64), dtype=np.int64), tuple(code for _, code in found))
    )


def called(agreement: Agreement) -> tuple[list[str], list[str]]:
    """The table as two columns, an event a row."""
    pairs = [(a, b) for i, a in enumerate(CATEGORIES) for j, b in enumerate(CATEGORIES) for _ in range(int(agreement.table[i, j]))]
    return [a for a, _ in pairs], [b for _, b in pairs]


def span(kind: str, start: int, stop: int, text: str = "") -> Item:
    return Item("0", kind, start, stop, text, None, "anna@x")


def plain(kappa: Kappa) -> Any:
    return pytest.approx([kappa.value, kappa.observed, kappa.expected, kappa.standard_error, kappa.low, kappa.high], nan_ok=True, abs=1e-9)


def test_two_readers_by_hand() -> None:
    a = beats("N@100 V@400 L@700 N@1000 S@1300")
    b = beats("N@110 N@400 N@690 V@1200 S@1300")
    found = compare(a, b, FS_HZ)
    assert (found.n_a, found.n_b, found.n_matched) == (5, 5, 4)
    assert found.classes == ("N", "S", "V", "F", "Q", "no beat")
    assert {(found.classes[i], found.classes[j]): int(found.table[i, j]) for i, j in zip(*np.nonzero(found.table), strict=True)} == {
        ("N", "N"): 2,
        ("S", "S"): 1,
        ("V", "N"): 1,
        ("N", "no beat"): 1,
        ("no beat", "V"): 1,
    }
    assert found.disagreements == (Disagreement(1, 400, "V", 400, "N"), Disagreement(2, 1000, "N", None, None), Disagreement(3, None, None, 1200, "V"))
    assert [one.sample for one in found.disagreements] == [400, 1000, 1200]
    assert found.code_differences == 1
    assert found.kappa.observed == 3 / 6
    assert found.kappa.expected == pytest.approx((3 * 3 + 1 * 1 + 1 * 1 + 1 * 1) / 36)
    assert found.kappa_by_class["S"].value == 1.0
    assert found.kappa_by_class["V"].value == pytest.approx((4 / 6 - 26 / 36) / (1 - 26 / 36))


def test_the_window_is_that_of_ec57() -> None:
    assert compare(beats("N@100"), beats(f"N@{100 + WINDOW}"), FS_HZ).n_matched == 1
    assert compare(beats("N@100"), beats(f"N@{101 + WINDOW}"), FS_HZ).n_matched == 0
    assert compare(beats("N@100"), beats("N@105"), FS_HZ, tolerance_s=0.016).n_matched == 0


def test_one_beat_is_matched_to_the_nearer_of_two() -> None:
    assert compare(beats("V@100"), beats("N@90 V@102"), FS_HZ).disagreements == (Disagreement(1, None, None, 90, "N"),)


@given(readings(), readings())
def test_the_order_of_the_readers_does_not_matter(a: Labelled, b: Labelled) -> None:
    one, other = compare(a, b, FS_HZ), compare(b, a, FS_HZ)
    np.testing.assert_array_equal(one.table, other.table.T)
    assert (one.n_a, one.n_b, one.n_matched, one.code_differences) == (other.n_b, other.n_a, other.n_matched, other.code_differences)
    assert plain(one.kappa) == plain(other.kappa).expected
    assert one.disagreements == tuple(Disagreement(d.number, d.sample_b, d.code_b, d.sample_a, d.code_a) for d in other.disagreements)


@given(readings(), readings())
def test_every_beat_is_counted_once(a: Labelled, b: Labelled) -> None:
    found = compare(a, b, FS_HZ)
    assert found.table[:-1].sum() == found.n_a
    assert found.table[:, :-1].sum() == found.n_b
    assert found.table[:-1, :-1].sum() == found.n_matched
    assert found.table[-1, -1] == 0
    assert len(found.disagreements) == found.table.sum() - np.trace(found.table)
    assert [one.number for one in found.disagreements] == list(range(1, len(found.disagreements) + 1))
    assert (np.diff([one.sample for one in found.disagreements]) >= 0).all()


@given(readings(least=1))
def test_with_oneself_one_agrees(a: Labelled) -> None:
    found = compare(a, a, FS_HZ)
    assert found.disagreements == ()
    assert found.code_differences == 0
    occurring = {AAMI_OF_MIT[code] for code in a.codes}
    if len(occurring) > 1:
        assert found.kappa.value == pytest.approx(1.0)
        assert all(found.kappa_by_class[name].value == pytest.approx(1.0) for name in occurring)
    else:
        assert math.isnan(found.kappa.value)
        assert found.kappa.not_defined == f"only {occurring.pop()} occurs in both readings"
    assert math.isnan(found.kappa.low)  # nothing varies


@given(readings(least=1, apart=2 * WINDOW + 1), st.data())
def test_a_shift_below_the_tolerance_does_not_matter(a: Labelled, data: st.DataObject) -> None:
    shifts = data.draw(st.lists(st.integers(-WINDOW // 2, WINDOW // 2), min_size=len(a.codes), max_size=len(a.codes)))
    together = data.draw(st.integers(-WINDOW // 2, WINDOW // 2))
    shifted = Labelled(a.samples + np.array(shifts, np.int64) + together, a.codes)
    np.testing.assert_array_equal(compare(a, shifted, FS_HZ).table, compare(a, a, FS_HZ).table)


@given(readings(least=1), readings(least=1))
def test_kappa_is_that_of_scikit_learn(a: Labelled, b: Labelled) -> None:
    found = compare(a, b, FS_HZ)
    one, other = called(found)
    for kappa, ours, theirs in [
        (found.kappa, one, other),
        *((found.kappa_by_class[name], [c == name for c in one], [c == name for c in other]) for name in AAMI_CLASSES),
    ]:
        if kappa.not_defined:
            assert len({*ours, *theirs}) == 1
        else:
            assert kappa.value == pytest.approx(cohen_kappa_score(ours, theirs))


def test_random_labels_agree_no_more_than_by_chance() -> None:
    rng = np.random.default_rng(7)
    at = np.arange(20_000) * 200
    a, b = (Labelled(at, tuple(rng.choice(list("NNNNNVAF"), at.size).tolist())) for _ in range(2))
    found = compare(a, b, FS_HZ)
    assert abs(found.kappa.value) < 0.02
    assert found.kappa.low < 0 < found.kappa.high
    assert found.kappa.observed == pytest.approx(found.kappa.expected, abs=0.02)


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ("", "", "there are no beats"),
        ("N@100 L@400", "N@100 R@400", "only N occurs in both readings"),
    ],
)
def test_where_kappa_is_not_defined_it_says_why(a: str, b: str, why: str) -> None:
    kappa = compare(beats(a), beats(b), FS_HZ).kappa
    assert math.isnan(kappa.value)
    assert math.isnan(kappa.low)
    assert kappa.not_defined == why


def test_a_class_in_neither_reading_has_no_kappa() -> None:
    by_class = compare(beats("N@100 V@400"), beats("N@100 N@400"), FS_HZ).kappa_by_class
    assert by_class["F"].not_defined == "F occurs in neither reading"
    assert math.isnan(by_class["F"].value)
    assert by_class["V"].not_defined == ""
    assert by_class["V"].value == 0.0  # one reader has one V, the other none


def test_the_standard_error_is_the_published_one() -> None:
    """The diagnoses of Fleiss, Statistical Methods for Rates and Proportions, kappa .68."""
    counts = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    kappa = cohen(counts[None], ("psychotic", "neurotic", "organic"))
    assert (round(kappa.value, 2), kappa.observed, kappa.expected) == (0.68, 0.89, pytest.approx(0.66))
    assert kappa.standard_error == pytest.approx(fleiss(counts))
    assert (kappa.high - kappa.low) / 2 == pytest.approx(1.96 * fleiss(counts), rel=1e-4)


def fleiss(counts: np.ndarray) -> float:
    """Standard error by the three sums of Fleiss, Cohen & Everitt 1969, one after the other."""
    p = counts / counts.sum()
    by_a, by_b = p.sum(axis=1), p.sum(axis=0)
    observed, expected = np.trace(p), by_a @ by_b
    kappa = (observed - expected) / (1 - expected)
    agreed = sum(p[i, i] * (1 - (by_a[i] + by_b[i]) * (1 - kappa)) ** 2 for i in range(len(p)))
    apart = (1 - kappa) ** 2 * sum(p[i, j] * (by_b[i] + by_a[j]) ** 2 for i in range(len(p)) for j in range(len(p)) if i != j)
    rest = (kappa - expected * (1 - kappa)) ** 2
    return float(np.sqrt((agreed + apart - rest) / (counts.sum() * (1 - expected) ** 2)))


def test_with_one_event_a_block_the_error_is_that_of_independent_events() -> None:
    counts = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    cells = np.repeat(np.arange(9), counts.ravel())
    blocks = np.zeros((cells.size, 9), np.int64)
    blocks[np.arange(cells.size), cells] = 1
    kappa = cohen(blocks.reshape(-1, 3, 3), ("a", "b", "c"))
    assert kappa.standard_error == pytest.approx(fleiss(counts) * math.sqrt(100 / 99))


def test_disagreements_in_rows_widen_the_interval() -> None:
    """The same table, its disagreements spread evenly or all within two minutes."""
    at = np.arange(3000) * 200
    truth = np.where(np.arange(3000) % 7 == 0, "V", "N")
    spread, rows = truth.copy(), truth.copy()
    spread[::10] = np.where(truth[::10] == "V", "N", "V")
    flipped = np.flatnonzero(spread != truth)
    rows[: flipped.size] = np.where(truth[: flipped.size] == "V", "N", "V")
    even, bunched = (compare(Labelled(at, tuple(truth.tolist())), Labelled(at, tuple(b.tolist())), FS_HZ).kappa for b in (spread, rows))
    assert even.observed == bunched.observed
    assert bunched.high - bunched.low > 3 * (even.high - even.low)


def test_codes_that_are_no_beats_of_ec57_count_as_q() -> None:
    assert compare(beats("x@100"), beats("Q@100"), FS_HZ).disagreements == ()


def test_a_hundred_thousand_beats_take_little_time() -> None:
    rng = np.random.default_rng(0)
    at = np.cumsum(rng.integers(180, 320, 100_000))
    codes = rng.choice(list("NNNNNNNNNVA"), at.size)
    others = np.where(rng.random(at.size) < 0.02, "V", codes)
    a, b = Labelled(at, tuple(codes.tolist())), Labelled(at + rng.integers(-10, 10, at.size), tuple(others.tolist()))
    taken_s = []
    for _ in range(5):
        begun = time.process_time()
        found = compare(a, b, FS_HZ)
        taken_s.append(time.process_time() - begun)
    assert found.n_matched == 100_000
    assert min(taken_s) <= 0.2


@pytest.mark.parametrize(
    ("samples", "codes", "quoted"),
    [([5, 3], "NN", "sample 3 follows 5"), ([5], "NN", "2 codes"), ([[5]], "N", "shape")],
)
def test_columns_that_do_not_fit(samples: list[int], codes: str, quoted: str) -> None:
    with pytest.raises(InputError, match=quoted):
        Labelled(np.array(samples), tuple(codes))


@pytest.mark.parametrize(("fs_hz", "tolerance_s"), [(0.0, 0.15), (math.nan, 0.15), (250.0, -1.0), (250.0, math.inf)])
def test_rates_and_tolerances_that_are_none(fs_hz: float, tolerance_s: float) -> None:
    with pytest.raises(InputError, match=f"{fs_hz} Hz must be above 0, and tolerance {tolerance_s} s"):
        compare(beats("N@100"), beats("N@100"), fs_hz, tolerance_s)


def test_beats_of_an_annotation_file() -> None:
    found = Labelled.of(Annotation.of("atr", np.array([1, 5, 9, 12]), ("+", "N", "~", "V")))
    assert (found.samples.tolist(), found.codes) == ([5, 12], ("N", "V"))


def test_spans_overlap_by_name() -> None:
    a = [span("rhythm", 0, 100, "AFIB"), span("rhythm", 50, 150, "AFIB"), span("artefact", 500, 600), span("comment", 0, 900, "x")]
    b = [span("rhythm", 100, 200, "AFIB"), span("rhythm", 300, 400, "VT")]
    found = agreement_of_spans(a, b)
    assert found == {"AFIB": Overlap("AFIB", 150, 100, 50), "VT": Overlap("VT", 0, 100, 0), "artefact": Overlap("artefact", 100, 0, 0)}
    assert (found["AFIB"].share, found["VT"].share) == (0.25, 0.0)
    assert math.isnan(agreement_of_spans([span("rhythm", 5, 5, "VT")], [])["VT"].share)
    assert agreement_of_spans([], []) == {}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50))), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50))))
def test_overlap_is_that_of_sets_of_samples(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    ours, theirs = ([span("artefact", min(ends), max(ends)) for ends in spans] for spans in (a, b))
    in_a, in_b = ({sample for item in items for sample in range(item.start, item.stop)} for items in (ours, theirs))
    for found in agreement_of_spans(ours, theirs).values():
        assert (found.n_a, found.n_b, found.n_both) == (len(in_a), len(in_b), len(in_a & in_b))


@pytest.mark.data
@pytest.mark.parametrize(("name", "occurring", "least_v"), [("100", {"N", "S", "V"}, 1.0), ("119", {"N", "V"}, 0.99)])
def test_public_references_against_themselves_and_the_model(data_set: DataSet, name: str, occurring: set[str], least_v: float) -> None:
    record = read(data_set("mitdb") / name)
    reference = Labelled.of(record.annotation("atr"))
    itself = compare(reference, reference, record.fs_hz)
    assert itself.kappa.value == pytest.approx(1.0)
    assert {name for name, kappa in itself.kappa_by_class.items() if not kappa.not_defined} == occurring
    beats = analyze(record).beats
    found = compare(reference, Labelled(beats.samples, beats.codes), record.fs_hz)
    assert found.kappa_by_class["V"].value >= least_v
    assert found.kappa.low < found.kappa.value < found.kappa.high or not found.disagreements
    assert found.n_matched >= 0.995 * found.n_a
