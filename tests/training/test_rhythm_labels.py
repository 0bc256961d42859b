"""Every clause of the table by which labels become rhythms, and the rule of the rate."""

import numpy as np
import pytest

from ecgcore.errors import DataError
from ecgcore.rhythm_findings import RHYTHMS
from ecgcore.training.rhythm_labels import TOGETHER, VOCABULARIES, allowed, narrowed, row


def said(rhythms):
    return frozenset(rhythms.split())


CLAUSES = [
    # Chapman-Shaoxing: one rhythm each, three left out
    *(("chapman", [name], name) for name in RHYTHMS),
    ("chapman", ["AVNRT"], ""),
    ("chapman", ["AVRT"], ""),
    ("chapman", ["SAAWR"], ""),
    # SNOMED CT
    *(
        ("georgia/snomed", [code], rhythms)
        for code, rhythms in {
            "426783006": "SR", "426177001": "SB", "427084000": "ST", "427393009": "SA", "164889003": "AFIB", "426749004": "AFIB", "314208002": "AFIB",
            "164890007": "AF", "195080001": "AFIB AF", "426761007": "SVT", "67198005": "SVT AT", "713422000": "AT",
        }.items()
    ),
    *(
        ("georgia/snomed", [code, "426783006"], "")
        for code in (
            "10370003 251268003 251266004 713423005 282825002 233896004 233897008 195101003 17366009 106068003 233892002 29320008 426995002 426664006 426648003 5609005 "
            "65778007 60423000 74615001 50799005 49260003 61277005 81898007 164895002 425856008 111288001 164896001"
        ).split()
    ),
    ("georgia/snomed", ["59118001", "733534002"], ""),  # blocks of a bundle branch alone
    ("georgia/snomed", ["59118001", "164889003", "733534002"], "AFIB"),
    # several labels
    ("georgia/snomed", [], ""),
    ("georgia/snomed", ["426177001", "426783006"], "SB"),  # SR adds nothing to a closer word
    ("georgia/snomed", ["426783006", "427393009"], "SA"),
    ("georgia/snomed", ["426783006", "426177001", "427393009"], "SB SA"),
    ("georgia/snomed", ["426177001", "427393009"], "SB SA"),
    ("georgia/snomed", ["427084000", "427393009"], "ST SA"),
    ("georgia/snomed", ["426177001", "427084000"], ""),
    ("georgia/snomed", ["164889003", "164890007"], "AFIB AF"),
    ("georgia/snomed", ["195080001", "164890007"], "AF"),
    ("georgia/snomed", ["426761007", "713422000"], "SVT AT"),
    ("georgia/snomed", ["164889003", "426783006"], ""),
    ("georgia/snomed", ["427084000", "713422000"], ""),
    ("georgia/snomed", ["426783006", "164889003", "164890007"], ""),
    ("georgia/snomed", ["164889003", "426761007"], ""),
    # what differs by source
    ("chapman/snomed", ["164890007"], "AF"),
    ("ningbo/snomed", ["164890007"], "AFIB AF"),
    ("ningbo/snomed", ["427393009"], "SA"),
    ("cpsc/snomed", ["426783006"], "SB SR ST SA"),
    ("cpsc/snomed", ["426783006", "164889003"], ""),
    ("cpsc-extra/snomed", ["426177001"], "SB"),
    ("ptb/snomed", ["426783006"], "SB SR ST SA"),
    ("ptb/snomed", ["426783006", "427393009"], "SA"),
    ("ptb/snomed", ["427084000", "426783006"], "ST"),
    ("ptbxl/snomed", ["426761007"], "SVT AT"),
    ("incart/snomed", ["426783006"], ""),
    ("sph/snomed", ["426177001", "427393009"], "SB SA"),
    # PTB-XL
    *(("ptbxl", [code, "NORM"], rhythm) for code, rhythm in {"SR": "SR", "SBRAD": "SB", "STACH": "ST", "SARRH": "SA", "AFIB": "AFIB", "AFLT": "AF"}.items()),
    ("ptbxl", ["SVTAC"], "SVT AT"),
    ("ptbxl", ["PSVT"], "SVT AT"),
    ("ptbxl", ["SVARR"], ""),
    ("ptbxl", ["PACE"], ""),
    ("ptbxl", ["PACE", "SR"], ""),
    ("ptbxl", ["NORM"], ""),
    ("ptbxl", ["SR", "BIGU"], "SR"),
    # CinC 2017
    ("cinc2017", ["N"], "SB SR ST SA"),
    ("cinc2017", ["A"], "AFIB"),
    ("cinc2017", ["O"], ""),
    ("cinc2017", ["~"], ""),
    # LUDB
    ("ludb", ["Sinus rhythm"], "SR"),
    ("ludb", ["Sinus bradycardia"], "SB"),
    ("ludb", ["Sinus tachycardia"], "ST"),
    ("ludb", ["Sinus arrhythmia"], "SA"),
    ("ludb", ["Irregular sinus rhythm"], "SA"),
    ("ludb", ["Atrial fibrillation", "Aberrant conduction"], "AFIB"),
    ("ludb", ["Atrial flutter, typical"], "AF"),
    ("ludb", ["Sinus rhythm", "Wandering atrial pacemaker"], ""),
    ("ludb", ["Sinus rhythm", "Pacing"], ""),
    # mitdb
    ("mitdb", ["(N"], "SB SR ST SA"),
    ("mitdb", ["(SBR"], "SB"),
    ("mitdb", ["(AFIB"], "AFIB"),
    ("mitdb", ["(AFL"], "AF"),
    ("mitdb", ["(SVTA"], "SVT AT"),
    *(("mitdb", [label], "") for label in "(AB (B (T (VT (VFL (IVR (NOD (P (PREX (BII".split()),
]  # fmt: skip


@pytest.mark.parametrize(("vocabulary", "labels", "rhythms"), CLAUSES)
def test_each_clause(vocabulary, labels, rhythms):
    assert allowed(vocabulary, labels) == said(rhythms)
    assert allowed(vocabulary, reversed(labels)) == said(rhythms)


def test_every_label_of_every_source_has_a_clause():
    told = {(vocabulary.partition("/")[2] or vocabulary, label) for vocabulary, labels, _ in CLAUSES for label in labels}
    assert not {(vocabulary.partition("/")[2] or vocabulary, label) for vocabulary, words in VOCABULARIES.items() for label in words.means} - told


def test_the_table_names_no_rhythm_but_the_eight():
    assert {rhythm for words in VOCABULARIES.values() for said in words.means.values() for rhythm in said.split()} == set(RHYTHMS)
    assert all(len(pair) == 2 and pair < set(RHYTHMS) for pair in TOGETHER)


@pytest.mark.parametrize(("vocabulary", "label"), [("chapman", "AFL"), ("cinc2017", "n"), ("mitdb", "(ASYS")])
def test_an_unknown_label_of_a_closed_vocabulary_is_refused(vocabulary, label):
    with pytest.raises(DataError, match="has no rhythm"):
        allowed(vocabulary, [label])


SINUS = said("SB SR ST SA")


@pytest.mark.parametrize(
    ("rate_bpm", "left"),
    [(30, "SB SA"), (59.9, "SB SA"), (60, "SR SA"), (100, "SR SA"), (100.1, "ST"), (180, "ST"), (float("nan"), "SB SR ST SA")],
)
def test_the_rate_narrows_a_sinus_rhythm(rate_bpm, left):
    assert narrowed(SINUS, rate_bpm) == said(left)


@pytest.mark.parametrize("rhythms", ["", "SR", "AFIB", "SB SA", "SVT AT", "AFIB AF"])
@pytest.mark.parametrize("rate_bpm", [40, 80, 150])
def test_the_rate_changes_no_other_set(rhythms, rate_bpm):
    assert narrowed(said(rhythms), rate_bpm) == said(rhythms)


def test_only_sources_that_do_not_say_the_rate_are_narrowed():
    assert {name for name, words in VOCABULARIES.items() if not words.says_rate} == {"cpsc/snomed", "ptb/snomed", "cinc2017", "mitdb"}


def test_a_row_is_in_the_order_of_the_rhythms():
    np.testing.assert_array_equal(row(said("SB AT")), [True, False, False, False, False, False, False, True])
    assert not row(frozenset()).any()
