"""Model cards and weights: what does not fit is not used."""

import json
import shutil

import pytest

from ecgcore import settings
from ecgcore.errors import ModelError
from ecgcore.inference import beats, cards


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped beat model that a test may spoil."""
    copy = shutil.copytree(cards.find("beats"), tmp_path / "beats" / "9")
    spoil(copy, version="9")
    return copy


def spoil(folder, **changes):
    card = json.loads((folder / cards.CARD).read_text())
    card.update(changes)
    (folder / cards.CARD).write_text(json.dumps(card))


def test_the_shipped_model_has_a_full_card():
    card = cards.read_card(cards.find("beats"))
    assert card.classes == ("N", "S", "V", "F", "Q")
    assert card.figures
    assert all(figure.protocol and figure.split and figure.command for figure in card.figures)
    assert card.limits
    if card.training.held_out == card.training.trained:
        assert "folds by patient" in card.training.protocol
    else:
        assert not {record for records in card.training.held_out.values() for record in records} & {record for records in card.training.trained.values() for record in records}


def test_no_patient_of_ds2_was_learned_from():
    from ecgcore.data import DS2

    training = cards.read_card(cards.find("beats")).training
    seen = {*training.trained["mitdb"], *training.held_out["mitdb"]}
    assert not seen & set(DS2)
    assert "201" not in seen  # the same patient as 202 of DS2


def test_weights_without_a_card_are_refused(folder):
    (folder / cards.CARD).unlink()
    with pytest.raises(ModelError, match=r"no card.json"):
        beats.load_folder(folder)


def test_changed_weights_are_refused(folder):
    with (folder / cards.WEIGHTS).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="sha256"):
        beats.load_folder(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": "short"}, "sha256"),
        ({"unknown": 1}, "unknown"),
        ({"classes": ["N", "V"]}, "class N"),
        ({"task": "rhythm"}, "'rhythm'"),
        ({"version": "8"}, "is that of beats@8"),
        ({"thresholds": {"V": 0.5}}, "thresholds for V"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(folder, change, said):
    spoil(folder, **change)
    with pytest.raises(ModelError, match=said):
        beats.load_folder(folder)


def test_missing_weights_are_named(folder):
    (folder / cards.WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"no model.onnx"):
        beats.load_folder(folder)


def test_versions_are_found_and_ordered(folder, monkeypatch, tmp_path):
    spoil(shutil.copytree(folder, tmp_path / "beats" / "10"), version="10")
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path)
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    assert cards.find("beats").name == "10"
    assert cards.find("beats@9").name == "9"
    with pytest.raises(ModelError, match="there are: beats@10, beats@9"):
        cards.find("beats@11")


def test_all_shipped_weights_load_and_nothing_is_pickled():
    for path in settings.SHIPPED_WEIGHTS.glob("*/*/*"):
        assert path.suffix in (".onnx", ".safetensors", ".json"), path.name
    for folder in cards.folders(settings.SHIPPED_WEIGHTS):
        cards.verified_weights(folder, cards.read_card(folder))


@pytest.fixture
def trained(folder, tmp_path, monkeypatch):
    """Models trained here: version 9.1 as it should be, and a way to make spoilt ones."""
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))

    def train(version, **changes):
        copy = shutil.copytree(folder, settings.trained_weights() / "beats" / version)
        spoil(copy, version=version, **changes)
        return copy

    train("9.1")
    return train


def test_a_trained_model_that_does_not_fit_is_left_out_and_named(trained):
    there = [card.id for _, card in cards.available()]
    assert "beats@9.1" in there
    assert cards.refused() == ()
    spoilt = {
        trained("9.2", unknown=1): "unknown",
        trained("9.3"): "no card.json",
        trained("9.4"): "does not fit",
        trained("2"): "beats@2 came with Leadwise",
    }
    without_card, not_json = (settings.trained_weights() / "beats" / version / cards.CARD for version in ("9.3", "9.4"))
    without_card.unlink()
    not_json.write_bytes(b"\xff\xfe")
    assert [card.id for _, card in cards.available()] == there
    said = dict(cards.refused())
    assert set(said) == set(spoilt)
    assert all(why in said[folder] for folder, why in spoilt.items())
    with pytest.raises(ModelError, match="unknown"):
        cards.find("beats@9.2")
    with pytest.raises(ModelError, match="does not fit"):
        cards.find("beats@9.4")
    assert cards.find("beats@2").parent.parent == settings.SHIPPED_WEIGHTS
    assert cards.find("beats").parent.parent == settings.SHIPPED_WEIGHTS


def test_altered_weights_are_named_too(trained):
    with (trained("9.2") / cards.WEIGHTS).open("ab") as file:
        file.write(b"\0")
    (trained("9.3") / cards.WEIGHTS).unlink()
    trained("9.4", control_sha256="0" * 64)
    said = {folder.name: why for folder, why in cards.refused()}
    assert set(said) == {"9.2", "9.3", "9.4"}
    assert "sha256" in said["9.2"]
    assert "no model.onnx" in said["9.3"]
    assert "no control.onnx" in said["9.4"]


def test_a_shipped_model_that_does_not_fit_is_an_error(folder, tmp_path, monkeypatch):
    spoil(folder, unknown=1)
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match="unknown"):
        cards.available()


def test_weights_that_are_no_network_are_refused_whatever_their_hash(folder):
    (folder / cards.WEIGHTS).write_bytes(b"\x80\x04 pickled")
    spoil(folder, sha256=cards.digest(folder / cards.WEIGHTS))
    with pytest.raises(ModelError, match=r"model.onnx of beats@9 is no network that onnxruntime opens"):
        beats.load_folder(folder)


def test_the_version_in_use_is_found_by_the_name_alone(trained):
    path = settings.trained_weights() / cards.IN_USE
    assert cards.by_default("beats") == "beats@2"
    assert cards.by_default("nobody") is None
    path.write_text('{"beats": "9.1"}')
    assert cards.find("beats").name == "9.1"
    assert cards.by_default("beats") == "beats@2"
    path.write_text('{"beats": "9.7"}')
    with pytest.raises(ModelError, match=r"beats@9.7 is in use, and is not there; roll back on the Admin page, or import it again; there are: beats-int8@2"):
        cards.find("beats")
    assert cards.find("beats@9.1").name == "9.1"
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelError, match="does not say which version"):
        cards.find("beats")
