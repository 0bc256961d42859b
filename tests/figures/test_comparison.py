"""What is drawn of a comparison is what it says: by word and shape, not by colour alone, and in the alt text."""

import numpy as np
import pytest

from ecgcore.evaluation.comparison import INTERVAL, Answers, Comparison, Patient, SetComparison, compare_set, overall
from ecgcore.evaluation.ec57 import LABELS, BeatComparison
from ecgcore.figures import comparison as figures
from ecgcore.figures.palette import DARK, LIGHT


def answers(veb):
    """Of 50 V so many found, and 50 N."""
    matrix = np.zeros((len(LABELS), len(LABELS)), np.int64)
    n, v = LABELS.index("N"), LABELS.index("V")
    matrix[n, n], matrix[v, v], matrix[v, n] = 50, veb, 50 - veb
    right = np.arange(100) < 50 + veb
    return Answers(BeatComparison(matrix, 0.0, 0, 0.0), right, right, np.linspace(0.5, 1.0, 100, dtype=np.float32))


def of(*sets, new="beats@2.1"):
    return Comparison(
        new=new, current="beats@2", new_sha256="0" * 64, current_sha256="1" * 64, task="beats", site=None, sets=sets, verdict=overall(sets), margin=0.02,
        interval=INTERVAL, refusals=(), caveats=(), command="make", git_commit="abc", minutes=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def gained():
    patients = [Patient(f"p{i}", answers(45 + (i % 2)), answers(40)) for i in range(7)]
    return compare_set("a set", "by patient", ("EC57", "reference"), [*patients, Patient("loser", answers(30), answers(40))])


@pytest.fixture(scope="module")
def alike():
    patients = [Patient(f"q{i}", answers(40), answers(40)) for i in range(7)]
    return compare_set("another", "by patient", ("EC57", "reference"), patients)


@pytest.fixture(scope="module")
def better():
    return compare_set("better", "by patient", ("EC57", "reference"), [Patient(f"p{i}", answers(45), answers(40)) for i in range(7)])


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_each_verdict_has_its_shape_its_place_and_its_word(better, alike, colours):
    drawn = figures.forest(of(better, alike), colours)
    shapes = {trace.name: (trace.marker.symbol, list(trace.x), list(trace.y)) for trace in drawn.data}
    places = {row: i for i, row in enumerate(drawn.layout.yaxis.ticktext)}
    assert next(iter(places)) == "better · VEB Se"
    assert not any("QRS" in row for row in places)
    symbol, at, rows = shapes["better"]
    assert symbol == "triangle-right"
    assert places["better · VEB Se"] in rows
    assert at[rows.index(places["better · VEB Se"])] == pytest.approx(10)
    assert shapes["worse"] == ("triangle-left", [], [])
    assert shapes["no difference shown"][0] == "circle-open"
    assert len({symbol for symbol, _, _ in shapes.values()}) == 3
    words = {note.y: note.text for note in drawn.layout.annotations}
    assert [words[places[row]] for row in ("better · VEB Se", "another · VEB Se", "another · SVEB Se")] == ["better", "no difference shown", "not measured"]
    assert {shape.x0 for shape in drawn.layout.shapes} == {0}


def test_the_bars_are_the_interval(gained):
    found = gained.figure("VEB Se")
    trace = next(trace for trace in figures.forest(of(gained), LIGHT).data if trace.name == found.verdict)
    place = list(trace.y).index(0)
    assert trace.x[place] + trace.error_x.array[place] == pytest.approx(100 * found.high)
    assert trace.x[place] - trace.error_x.arrayminus[place] == pytest.approx(100 * found.low)


def test_the_forest_in_words(better, alike):
    said = figures.forest_alt(of(better, alike))
    assert said.startswith("Differences of beats@2.1 less beats@2 in percentage points, with 95 % intervals. better, VEB Se: +10.00 (+10.00 to +10.00), better; ")
    assert "another, SVEB Se: not measured, no difference shown" in said
    few = compare_set("few", "by patient", ("EC57", "reference"), [Patient("one", answers(45), answers(40))])
    assert "few, VEB Se: +10.00 (no interval), no difference shown" in figures.forest_alt(of(few))
    assert figures.forest(of(few), LIGHT).layout.annotations[0].text == "no interval"


def test_who_lost_most_stands_on_top(gained):
    drawn = figures.patients(gained, LIGHT)
    names = list(drawn.layout.yaxis.ticktext)
    assert (names[0], names[-1]) == ("loser", "p5")
    assert drawn.layout.yaxis.range[0] > drawn.layout.yaxis.range[1]  # the first row on top
    bars, points = drawn.data
    assert list(bars.x) == list(points.x) == sorted(points.x)
    assert points.x[0] == pytest.approx(-10)
    assert (points.marker.symbol[0], points.marker.symbol[-1]) == ("triangle-left", "triangle-right")
    assert figures.patients_alt(gained).startswith("Change of share called right by patient on a set, in percentage points, greatest loss first: loser -10.00; p0 +5.00; ")


def test_a_figure_that_a_patient_does_not_have_is_not_drawn(gained, alike):
    assert len(figures.patients(gained, LIGHT, "VEB Se").data[1].x) == 8
    assert len(figures.patients(gained, LIGHT, "SVEB Se").data[1].x) == 0
    assert figures.patients_alt(gained, "SVEB Se").endswith("nobody gained or lost; 8 in whom it does not exist.")
    assert figures.patients_alt(alike).endswith("nobody gained or lost; 7 without a change.")


def test_both_calibrations_in_one_panel(gained):
    drawn = figures.calibrations(gained, "beats@2.1", "beats@2", LIGHT)
    new, current = drawn.data[1:]
    assert new.name.startswith("beats@2.1, error ")
    assert current.name.startswith("beats@2, error ")
    assert (new.line.dash, current.line.dash) == ("solid", "dash")
    assert new.marker.symbol != current.marker.symbol
    assert list(new.y) == [pytest.approx(100 * right) for _, right, _ in gained.calibration_new.bins]
    assert drawn.layout.showlegend
    said = figures.calibrations_alt(gained, "beats@2.1", "beats@2")
    assert said.startswith("Reliability of the most probable class on a set. beats@2.1, expected calibration error ")
    assert said.count("; ") == 1


def test_figures_of_cards_are_drawn_in_their_own_unit(gained):
    card = SetComparison(name="by patient", split="by patient", protocol="p", n_patients=None, n_beats=None, figures=(gained.figure("VEB Se").model_copy(update={"name": "MSE"}),))
    drawn = figures.forest(of(card), LIGHT)
    assert max(x for trace in drawn.data for x in trace.x) < 1
    assert "percentage" not in drawn.layout.xaxis.title.text + figures.forest_alt(of(card))
    assert figures.forest_alt(of()).endswith("None could be measured.")
    assert figures.calibrations(card, "a", "b", LIGHT).data[1].name == "a, error not measured"
