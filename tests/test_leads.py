"""Lead names, orders and derivation."""

import numpy as np
import pytest

from ecgcore import leads
from ecgcore.errors import LeadError


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        ("Lead I (Einthoven)", "I"),
        ("avr", "aVR"),
        ("AVL", "aVL"),
        ("MLII", "MLII"),
        ("mlii", "MLII"),
        ("ECG1", "ECG1"),
        ("ecg 1", "ECG1"),
        ("ECG", "ECG"),
        ("EKG V1", "V1"),
        ("ECG_II", "II"),
        ("ECG Lead aVF", "aVF"),
        ("v4r", "V4R"),
        (" V5 ", "V5"),
    ],
)
def test_known_names_are_normalised(written, standard):
    assert leads.normalise(written) == standard


@pytest.mark.parametrize("name", ["Fp1", "Resp", "ECG I-II", "II-Ref", "chan 7"])
def test_unknown_names_are_kept(name):
    assert leads.normalise(name) == name


def test_limb_leads_follow_einthoven_and_goldberger():
    rng = np.random.default_rng(1)
    i, ii = rng.normal(size=(2, 50)).astype(np.float32)
    assert np.allclose(leads.derive("III", i, ii), ii - i)
    assert np.allclose(leads.derive("aVR", i, ii) + leads.derive("aVL", i, ii) + leads.derive("aVF", i, ii), 0, atol=1e-6)
    with pytest.raises(LeadError, match="V1"):
        leads.derive("V1", i, ii)


def test_what_can_be_derived():
    assert leads.derivable(("I", "II")) == ("III", "aVR", "aVL", "aVF")
    assert leads.derivable(("I", "II", "III")) == ("aVR", "aVL", "aVF")
    assert leads.derivable(("MLII", "V1")) == ()


def test_selection():
    assert leads.select(["v1", "II"], ("II", "V1")) == ("V1", "II")
    assert leads.select(["II"], ("MLII", "V1")) == ("MLII",)
    assert leads.select(["II"], ("II", "MLII")) == ("II",)
    assert leads.select(["II", "II"], ("II",)) == ("II",)
    assert leads.select(["avf", "-aVR"], ("I", "II")) == ("aVF", "-aVR")
    with pytest.raises(LeadError, match=r"no lead 'V9' in this record; it has MLII, V1"):
        leads.select(["V9"], ("MLII", "V1"))
    with pytest.raises(LeadError, match="no lead was named"):
        leads.select([], ("MLII",))


def test_orders():
    assert leads.in_order(("V1", "X", "aVF", "I")) == ("I", "aVF", "V1", "X")
    assert leads.in_order(("I", "aVL"), leads.CABRERA) == ("aVL", "I")


def test_repeats_are_told_apart():
    assert leads.unique(["II", "V1", "II", "II"]) == ("II", "V1", "II-2", "II-3")
    assert leads.unique(["II-2", "II", "II"]) == ("II-2", "II", "II-3")


@pytest.mark.parametrize(("names", "taken"), [(("V5", "MLII"), "MLII"), (("MLII", "V1"), "MLII"), (("V5", "II"), "II"), (("II", "MLII"), "MLII"), (("V5", "V2"), "V5")])
def test_lead_ii_goes_by_either_name_and_else_the_first_is_taken(names, taken):
    assert leads.lead_ii(names) == taken
