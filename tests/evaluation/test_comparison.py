"""Two models on the same patients: what is shown is what was counted, a model against itself shows nothing, and a fall beyond the margin is refused."""

import numpy as np
import pytest

from ecgcore.errors import InputError
from ecgcore.evaluation import comparison
from ecgcore.evaluation.comparison import (
    BETTER,
    FIGURES,
    LEAST_PATIENTS,
    NOT_SHOWN,
    WORSE,
    Answers,
    Comparison,
    FigureComparison,
    Patient,
    SetComparison,
    compare_set,
    overall,
    refusals,
    together,
)
from ecgcore.evaluation.ec57 import LABELS, BeatComparison, gross

PROTOCOLS = ("EC57", "reference beats")


def counted(**cells):
    """A comparison of beats from its cells: NN=90 are 90 reference N called n."""
    matrix = np.zeros((len(LABELS), len(LABELS)), np.int64)
    for (reference, called), n in ((tuple(name), n) for name, n in cells.items()):
        matrix[LABELS.index(reference), LABELS.index(called)] = n
    return BeatComparison(matrix, 0.0, 0, 0.0)


def answers(veb=40, sveb=16, n=100):
    """Of 50 V and 20 S so many found, of n beats in all; each other one is called N, and no N anything else."""
    right = np.arange(n) < n - (50 - veb) - (20 - sveb)
    return Answers(counted(NN=n - 70, VV=veb, VN=50 - veb, SS=sveb, SN=20 - sveb), right, right, np.full(n, 0.8, np.float32))


def pairs(news, currents):
    return [Patient(f"p{i}", new, current) for i, (new, current) in enumerate(zip(news, currents, strict=True))]


def compared(patients, **options):
    return compare_set("a set", "by patient", PROTOCOLS, patients, **options)


@pytest.fixture(scope="module")
def gained():
    """Eight patients, each with more VEB found than before."""
    return compared(pairs([answers(42 + i % 3, 16) for i in range(8)], [answers(38 - i % 2, 16) for i in range(8)]))


def test_mcnemar_by_hand():
    new, current = np.array([True] * 5 + [True] + [False] * 9), np.array([True] * 5 + [False] + [True] * 9)
    found = comparison.mcnemar(new, current)
    assert (found.n, found.b, found.c) == (15, 1, 9)
    assert found.p == pytest.approx(2 * (1 + 10) / 2**10)  # of ten that differ none or one


def test_models_that_are_right_on_the_same_beats_do_not_differ():
    assert comparison.mcnemar(np.array([True, False]), np.array([True, False])).p == 1.0
    assert comparison.mcnemar(np.zeros(0, bool), np.zeros(0, bool)).p == 1.0


def test_a_model_against_itself_shows_nothing():
    same = [answers(40 + i, 10 + i) for i in range(8)]
    found = compared(pairs(same, same))
    assert {one.name for one in found.figures} == set(FIGURES)
    assert all((one.difference, one.low, one.high, one.verdict) == (0, 0, 0, NOT_SHOWN) for one in found.figures)
    assert found.mcnemar.p == 1.0
    assert found.calibration_new == found.calibration_current
    assert [patient.change for patient in found.patients] == [0] * 8
    assert overall([found]) == NOT_SHOWN
    assert refusals([found]) == ()


def test_better_on_every_patient_is_better_and_the_other_way_round_worse(gained):
    back = compared(pairs([answers(38 - i % 2, 16) for i in range(8)], [answers(42 + i % 3, 16) for i in range(8)]))
    assert (gained.figure("VEB Se").verdict, gained.figure("VEB F1").verdict, overall([gained])) == (BETTER, BETTER, BETTER)
    assert (back.figure("VEB Se").verdict, overall([back])) == (WORSE, WORSE)
    assert gained.figure("SVEB Se").verdict == NOT_SHOWN
    ours, theirs = gained.figure("VEB Se"), back.figure("VEB Se")
    assert (ours.difference, ours.low, ours.high) == (-theirs.difference, -theirs.high, -theirs.low)
    assert overall([gained, back]) == WORSE


def test_figures_are_those_of_all_beats_together(gained):
    found = gained.figure("VEB Se")
    assert (found.n, found.n_patients) == (400, 8)
    assert found.new == pytest.approx(sum(42 + i % 3 for i in range(8)) / 400)
    assert found.difference == pytest.approx(found.new - found.current)
    assert gained.figure("VEB +P").new == 1.0
    assert gained.figure("QRS Se").n == 800


def test_an_interval_adds_up_the_matrices_of_the_patients_drawn():
    rng = np.random.default_rng(3)
    parts = [counted(NN=80, VV=int(v), VN=9, NV=int(f)) for v, f in rng.integers(1, 40, (9, 2))]
    weights = comparison.draws(9)
    assert weights.sum(axis=1).tolist() == [9] * comparison.DRAWS
    assert np.array_equal(weights, comparison.draws(9))
    drawn = gross([part for part, times in zip(parts, weights[7], strict=True) for _ in range(times)])
    counts = np.array([(part.veb_f1.numerator, part.veb_f1.denominator) for part in parts])
    numerator, denominator = weights[7] @ counts
    assert drawn.veb_f1.value == numerator / denominator
    low, high = comparison.interval(counts, np.tile([0, 10], (9, 1)), weights)
    every = np.array([w @ counts[:, 0] / (w @ counts[:, 1]) for w in weights])
    assert [low, high] == pytest.approx(np.percentile(every, [2.5, 97.5]).tolist())


def test_an_interval_is_of_shares_not_of_how_many_beats_there_are():
    rng = np.random.default_rng(4)
    new, current = (np.column_stack([rng.integers(1, 10, 12), np.full(12, 10)]) for _ in range(2))
    weights = comparison.draws(12)
    assert comparison.interval(new, current, weights) == pytest.approx(comparison.interval(3 * new, 3 * current, weights))


@pytest.mark.parametrize("n_patients", [1, LEAST_PATIENTS - 1])
def test_too_few_patients_show_nothing(n_patients):
    found = compared(pairs([answers(50, 20)] * n_patients, [answers(10, 2)] * n_patients))
    assert found.figure("VEB Se").difference == pytest.approx(0.8)
    assert {(one.low, one.high, one.verdict) for one in found.figures} == {(None, None, NOT_SHOWN)}
    assert overall([found]) == NOT_SHOWN
    assert ("There is one patient" if n_patients == 1 else "Fewer than 6 patients") in found.caveats[0]


def test_patients_without_a_class_do_not_count_towards_its_interval():
    others = Answers(counted(NN=100), *[np.ones(100, bool)] * 2, np.full(100, 0.9, np.float32))
    found = compared(pairs([answers(50, 20)] * 3 + [others] * 9, [answers(10, 20)] * 3 + [others] * 9))
    assert (found.figure("VEB Se").n_patients, found.figure("VEB Se").low) == (3, None)
    assert found.figure("QRS Se").low == 0
    assert "VEB Se (3)" in found.caveats[0]
    without = next(patient for patient in found.patients if patient.name == "p5")
    assert (without.change, without.change_of("VEB Se"), without.n_veb) == (0, None, 0)


@pytest.mark.parametrize(("now", "refused"), [(49, 0), (48, 1)])
def test_a_fall_of_more_than_the_margin_is_refused(now, refused):
    """Of 50 beats one is just the margin."""
    said = refusals([compared(pairs([answers(now, 20)], [answers(50, 20)]))])
    assert len(said) == refused
    assert not said or said[0].startswith("VEB sensitivity on a set falls from 100.0% to 96.0%, by 4 percentage points, and 2 are allowed (50 beats of 1 patient)")


def test_a_refusal_says_whom_the_current_model_has_learned_from():
    (said,) = refusals([compared(pairs([answers(40, 20)], [answers(50, 20)]), learned=((), ("p0",)))])
    assert said.endswith("(50 beats of 1 patient). The current model has learned from 1 of this set's patients, and may be better on them than on others.")


def ectopic(**cells):
    """Answers on a patient with 50 V, all called, and these beats."""
    return Answers(counted(NN=90, VV=50, **cells), *[np.ones(90, bool)] * 2, np.full(90, 0.9, np.float32))


def test_a_class_of_few_beats_falls_unseen_and_that_is_refused():
    found = compared(pairs([ectopic(SN=9)], [ectopic(SS=9)]))
    assert found.figure("SVEB Se").difference == -1
    (said,) = refusals([found])
    assert said == "Whether SVEB sensitivity falls is not known: that takes 10 or more such beats in a set, and a set has 9."
    (said,) = refusals([compared(pairs([ectopic(SN=10)], [ectopic(SS=10)]))])
    assert said.startswith("SVEB sensitivity on a set falls from 100.0% to 0.0%")
    assert refusals([found, compared(pairs([ectopic(SS=10)], [ectopic(SS=10)]))]) == ()  # one set tells it


def test_a_set_that_only_the_new_model_knows_does_not_tell_that_nothing_falls():
    enough = pairs([ectopic(SS=10)], [ectopic(SS=10)])
    assert refusals([compared(enough, learned=(("p0",), ("p0",)))]) == ()
    said = refusals([compared(enough, learned=(("p0",), ()))])
    assert [one.partition(" is not")[0] for one in said] == ["Whether VEB sensitivity falls", "Whether SVEB sensitivity falls"]
    assert said[0].endswith("a set has 50, of patients the new model has learned from.")


def test_a_class_that_the_models_do_not_know_refuses_nothing():
    assert refusals([compared(pairs([ectopic()], [ectopic()]), figures=[figure for figure in FIGURES if "SVEB" not in figure])]) == ()


def test_a_gain_on_patients_that_only_the_new_model_knows_does_not_count(gained):
    news, currents = [answers(44, 16)] * 8, [answers(38, 16)] * 8
    assert overall([compared(pairs(news, currents), learned=(("p1",), ()))]) == NOT_SHOWN
    assert overall([compared(pairs(news, currents), learned=(("p1",), ("p1", "p2")))]) == BETTER
    assert overall([compared(pairs(currents, news), learned=(("p1",), ()))]) == WORSE


def test_detection_does_not_decide():
    found = compared(pairs([Answers(counted(NN=90, NO=10), *[np.ones(100, bool)] * 2, np.ones(100, np.float32))] * 8, [answers(50, 20)] * 8))
    assert found.figure("QRS Se").verdict == WORSE
    assert overall([found]) == NOT_SHOWN
    assert overall([found], None) == WORSE


def test_patients_stand_in_order_of_their_loss():
    found = compared(pairs([answers(40), answers(30), answers(50)], [answers(40)] * 3))
    assert [patient.name for patient in found.patients] == ["p1", "p0", "p2"]
    assert [round(patient.change, 5) for patient in found.patients] == [-0.1, 0, 0.1]
    assert found.patients[0].change_of("VEB Se") == pytest.approx(-0.2)
    assert (found.patients[0].n, found.patients[0].n_veb, found.patients[0].n_sveb) == (100, 50, 20)


def test_the_records_of_a_patient_are_one(gained):
    both = together([answers(40, 16), answers(10, 4)])
    assert both.beats.veb_sensitivity.value == 0.5
    assert both.right.size == both.confidence.size == 200
    assert compared([Patient("one", both, both)]).n_beats == 200


def test_calibration_by_hand():
    right = np.array([True] * 6 + [False] * 4)
    sure = Answers(counted(NN=10), right, right, np.full(10, 0.9, np.float32))
    found = compared([Patient("one", sure, sure)]).calibration_new
    assert found.bins == ((0.9, 0.6, 10),)
    assert found.ece == pytest.approx(0.3)
    empty = Answers(counted(), *[np.zeros(0, bool)] * 2, np.zeros(0, np.float32))
    none = compared([Patient("one", empty, empty)])
    assert (none.calibration_new.ece, none.patients[0].right_new, none.figure("QRS Se").new) == (None, None, None)


def test_it_reads_back_equal(gained):
    whole = Comparison(
        new="beats@2.1", current="beats@2", new_sha256="0" * 64, current_sha256="1" * 64, task="beats", site=3, sets=(gained,), verdict=overall([gained]), margin=0.02,
        interval=comparison.INTERVAL, refusals=refusals([gained]), caveats=("none",), command="python -m ecgcore compare beats@2.1 beats@2 --site 3", git_commit="abc", minutes=0.5,
    )  # fmt: skip
    assert Comparison.model_validate_json(whole.model_dump_json()) == whole


def test_a_set_without_patients_is_refused():
    with pytest.raises(InputError, match="has no patients"):
        compared([])


def test_what_is_shown_needs_the_whole_interval_on_one_side():
    assert [comparison.verdict_of(*ends) for ends in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1), (0, 0.1), (None, None))] == [BETTER, WORSE, NOT_SHOWN, NOT_SHOWN, NOT_SHOWN]
    assert [comparison.verdict_of(*ends, lower_is_better=True) for ends in ((0.1, 0.2), (-0.2, -0.1))] == [WORSE, BETTER]


def test_verdicts_of_a_set_follow_from_its_intervals(gained):
    changed = SetComparison.model_validate(gained.model_dump())
    assert all(isinstance(one, FigureComparison) and one.verdict == comparison.verdict_of(one.low, one.high) for one in changed.figures)
