import numpy as np
import pytest

from ecgcore.figures import neighbours
from ecgcore.figures.palette import LIGHT

SAMPLES = np.arange(125, 15_000, 250)  # a beat each second, from 0.5 s on
LETTERS = ["N"] * SAMPLES.size


@pytest.mark.parametrize(("chosen", "around"), [(0, 2), (20, 4), (SAMPLES.size - 1, 3)])
def test_a_beat_stands_in_the_middle_of_its_neighbours(made, chosen, around):
    drawn = neighbours.figure(made(), "I", SAMPLES, LETTERS, chosen, LIGHT)
    at_s = SAMPLES[chosen] / 250
    assert drawn.layout.xaxis.range == pytest.approx((at_s - 2, at_s + 2))
    shown = [note.x for note in drawn.layout.annotations]
    assert at_s in shown
    assert all(abs(x - at_s) <= 2 for x in shown)
    assert len(shown) == around
    assert drawn.data[0].x.min() >= 0


def test_letters_bear_the_colour_of_the_reference_and_the_beat_is_larger(made):
    letters = [*LETTERS[:20], "S→N", *LETTERS[21:]]
    notes = {note.text: note for note in neighbours.figure(made(), "I", SAMPLES, letters, 20, LIGHT).layout.annotations}
    assert notes["<b>S→N</b>"].font.color == LIGHT.beats["S"]
    assert notes["<b>S→N</b>"].font.size > notes["<b>N</b>"].font.size


def test_it_is_told_in_words(made):
    assert neighbours.alt(made(), "I", SAMPLES, LETTERS, 20) == "I of made around the beat at 0:00:20.50: beats N N N N."
