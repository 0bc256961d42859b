"""Loading a rhythm model: what does not fit is refused in a line; leads are known by what they are called."""

import pytest

from ecgcore.errors import ModelError
from ecgcore.inference import cards, rhythm
from tests.rhythm_models import write_model


@pytest.mark.parametrize(
    ("name", "number"), [("I", 0), ("ii", 1), ("MLII", 1), ("aVF", 5), ("V1", 6), ("MV1", 6), ("Lead V6", 11), ("V9", 12), ("ECG", 12), ("CM5", 12), ("Fp1", 12)]
)
def test_leads_are_known_by_their_standard_namesake(name, number):
    assert rhythm.lead_id(name) == number


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"task": "beats"}, "is a model for 'beats'"),
        ({"classes": ("SR", "VT")}, "VT"),
        ({"certain_from": None}, "calls from None"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(tmp_path, changes, word):
    with pytest.raises(ModelError, match=word):
        rhythm.load_folder(write_model(tmp_path, **changes))


def test_weights_that_are_not_the_cards_are_refused(tmp_path):
    folder = write_model(tmp_path)
    (folder / cards.WEIGHTS).write_bytes(b"other")
    with pytest.raises(ModelError, match="sha256"):
        rhythm.load_folder(folder)


def test_the_shipped_model_is_small_and_says_what_it_does_not_call():
    card = rhythm.load("universal").card
    folder = cards.find(card.id)
    assert sum(path.stat().st_size for path in folder.iterdir() if path.suffix == ".onnx") <= 20e6
    assert card.unestablished
    assert all(figure.value is None for figure in card.figures if figure.name.split()[0] in card.unestablished)
