"""Models by what stands on their cards: the same figures only, with the interval that their runs give."""

from pathlib import Path

import pytest

from ecgcore.evaluation.card_comparison import UNKNOWN, compare_cards, lower_is_better
from ecgcore.evaluation.comparison import BETTER, NOT_SHOWN, WORSE
from ecgcore.inference.cards import Card, Figure
from ecgcore.settings import ROOT


def card(*figures):
    made = [Figure(name=name, value=value, spread=spread, n=n, protocol=protocol, split="by patient", command="make") for name, value, spread, n, protocol in figures]
    known = Card.model_validate_json((Path(ROOT) / "weights" / "universal" / "1" / "card.json").read_bytes())
    return known.model_copy(update={"figures": tuple(made)})


def test_the_interval_is_that_of_welch():
    from scipy.stats import ttest_ind_from_stats

    (found,) = compare_cards(card(("macro F1", 0.9, 0.02, 5, "p")), card(("macro F1", 0.8, 0.03, 4, "p")))
    (figure,) = found.figures
    assert figure.low + figure.high == pytest.approx(2 * 0.1, abs=1e-4)
    assert (figure.n, figure.n_patients, figure.verdict) == (4, None, BETTER)
    _, p = ttest_ind_from_stats(0.1 - figure.low, 0.02, 5, 0.0, 0.03, 4, equal_var=False)  # the end of the interval is the difference that the test just rejects
    assert p == pytest.approx(0.05, abs=2e-3)


def test_less_error_is_better_and_without_a_spread_nothing_is_shown():
    new = card(("MSE", 0.1, 0.01, 5, "p"), ("PCC", 0.1, 0.01, 5, "p"), ("PCC, one run", 0.1, None, 1, "p"), ("held", 0.1, 0.01, 5, "p"))
    current = card(("MSE", 0.5, 0.01, 5, "p"), ("PCC", 0.5, 0.01, 5, "p"), ("PCC, one run", 0.5, None, 1, "p"), ("held", 0.5, 0.01, 5, "p"))
    (found,) = compare_cards(new, current)
    assert [one.verdict for one in found.figures] == [BETTER, WORSE, NOT_SHOWN, NOT_SHOWN]
    assert [one.difference for one in found.figures] == [-0.4] * 4
    assert found.figures[2].low is None
    assert f"{UNKNOWN}held." in found.caveats
    assert (found.n_beats, found.mcnemar, found.patients) == (None, None, ())


def test_only_what_was_measured_alike_is_compared():
    found = compare_cards(card(("F1", 0.9, None, 1, "p"), ("F1", 0.7, None, 1, "q"), ("+P", None, None, 1, "q")), card(("F1", 0.8, None, 1, "q"), ("+P", 0.5, None, 1, "q")))
    assert [(one.protocol, [(figure.name, figure.new, figure.current, figure.difference) for figure in one.figures]) for one in found] == [
        ("q", [("F1", 0.7, 0.8, -0.1), ("+P", None, 0.5, None)])
    ]
    assert compare_cards(card(("F1", 0.9, None, 1, "p")), card()) == ()


@pytest.mark.parametrize(
    ("name", "lower"),
    [
        ("Random points: MSE", True),
        ("calibration error (ECE), gross", True),
        ("VEB Se, gross", False),
        ("V +P", False),
        ("AUC of AFIB", False),
        ("held", None),
        ("error of F1", None),
    ],
)
def test_which_way_is_better_is_in_the_name(name, lower):
    assert lower_is_better(name) is lower
