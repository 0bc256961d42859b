"""How the labels of each public source map to the eight rhythms, and where a source cannot tell two of them apart.

The result is the set of rhythms that a record's labels allow. It is empty where they teach nothing: no rhythm is stated, another than the eight is
(paced, junctional, of the ventricles), or two that exclude each other. The codes of the 2020 and 2021 challenges are those of SNOMED CT, as in the
challenges' own table of diagnoses; those of PTB-XL are SCP-ECG statements.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import DataError
from ecgcore.rhythm_findings import RHYTHMS

SB_BELOW_BPM: Final = 60.0
ST_ABOVE_BPM: Final = 100.0
SINUS: Final = "SB SR ST SA"  # of a source that says no more than "sinus"
OTHER: Final = ""  # a rhythm that is none of the eight
# Two that a record may be said to be at once: it is one of them.
TOGETHER: Final = tuple(map(frozenset, (("SB", "SA"), ("ST", "SA"), ("AFIB", "AF"), ("SVT", "AT"))))


@dataclass(frozen=True)
class Vocabulary:
    """The labels of one source.

    means      the rhythms that a label allows, separated by spaces; a label that is not here says nothing of the rhythm
    says_rate  the source tells SB, SR and ST apart itself: its own label stands
    closed     every label of the source is here, and another is an error
    """

    means: Mapping[str, str]
    says_rate: bool = True
    closed: bool = False


# Chapman-Shaoxing (Zheng et al., 2020). The paper leaves out the three last, of which there are 31 records.
_CHAPMAN: Final = {**{name: name for name in RHYTHMS}, "AVNRT": OTHER, "AVRT": OTHER, "SAAWR": OTHER}

_SNOMED: Final = {
    "426783006": "SR",
    "426177001": "SB",
    "427084000": "ST",
    "427393009": "SA",
    "164889003": "AFIB",
    "426749004": "AFIB",  # chronic
    "314208002": "AFIB",  # rapid
    "164890007": "AF",
    "195080001": "AFIB AF",  # atrial fibrillation and flutter
    "426761007": "SVT",
    "67198005": "SVT AT",  # paroxysmal supraventricular tachycardia
    "713422000": "AT",
    "713423005": OTHER,  # multifocal atrial tachycardia
    "282825002": OTHER,  # paroxysmal atrial fibrillation: not said whether now
    "233896004": OTHER,  # AV nodal re-entry
    "233897008": OTHER,  # AV re-entry
    "195101003": OTHER,  # wandering atrial pacemaker
    "17366009": OTHER,  # sinus atrium to atrial wandering rhythm
    "106068003": OTHER,  # atrial rhythm
    "233892002": OTHER,  # accelerated atrial escape rhythm
    "29320008": OTHER,  # AV junctional rhythm
    "426995002": OTHER,  # junctional escape
    "426664006": OTHER,  # accelerated junctional rhythm
    "426648003": OTHER,  # junctional tachycardia
    "5609005": OTHER,  # sinus arrest
    "65778007": OTHER,  # sinoatrial block
    "60423000": OTHER,  # sinus node dysfunction
    "74615001": OTHER,  # brady-tachy syndrome
    "50799005": OTHER,  # isorhythmic dissociation
    "49260003": OTHER,  # idioventricular rhythm
    "61277005": OTHER,  # accelerated idioventricular rhythm
    "81898007": OTHER,  # ventricular escape rhythm
    "164895002": OTHER,  # ventricular tachycardia
    "425856008": OTHER,  # paroxysmal ventricular tachycardia
    "111288001": OTHER,  # ventricular flutter
    "164896001": OTHER,  # ventricular fibrillation
    "10370003": OTHER,  # pacing rhythm
    "251268003": OTHER,  # atrial pacing
    "251266004": OTHER,  # ventricular pacing
}
_SNOMED_SINUS: Final = {**_SNOMED, "426783006": SINUS}
# PTB-XL has no statement for atrial tachycardia.
_PTBXL: Final = {
    "SR": "SR", "SBRAD": "SB", "STACH": "ST", "SARRH": "SA", "AFIB": "AFIB", "AFLT": "AF", "SVTAC": "SVT AT", "PSVT": "SVT AT", "SVARR": OTHER, "PACE": OTHER
}  # fmt: skip
_LUDB: Final = {
    "Sinus rhythm": "SR",
    "Sinus bradycardia": "SB",
    "Sinus tachycardia": "ST",
    "Sinus arrhythmia": "SA",
    "Irregular sinus rhythm": "SA",
    "Atrial fibrillation": "AFIB",
    "Atrial flutter, typical": "AF",
    "Wandering atrial pacemaker": OTHER,
    "Pacing": OTHER,  # whatever the column of cardiac pacing says
}
# Sinus bradycardia is marked, but not wherever the rate is below 60 per minute. One label covers all supraventricular tachyarrhythmia.
_MITDB: Final = {
    "(N": SINUS, "(SBR": "SB", "(AFIB": "AFIB", "(AFL": "AF", "(SVTA": "SVT AT",
    **dict.fromkeys("(AB (B (T (VT (VFL (IVR (NOD (P (PREX (BII".split(), OTHER),
}  # fmt: skip

VOCABULARIES: Final = {
    "chapman": Vocabulary(_CHAPMAN, closed=True),
    "chapman/snomed": Vocabulary(_SNOMED),
    # All 7,615 records of Ningbo with either are coded as flutter, none as fibrillation.
    "ningbo/snomed": Vocabulary({**_SNOMED, "164890007": "AFIB AF"}),
    "georgia/snomed": Vocabulary(_SNOMED),
    # CPSC 2018 has "normal" and eight abnormalities, of rhythms only atrial fibrillation; PTB names a sinus rhythm without its rate.
    "cpsc/snomed": Vocabulary(_SNOMED_SINUS, says_rate=False),
    "cpsc-extra/snomed": Vocabulary(_SNOMED),
    "ptb/snomed": Vocabulary(_SNOMED_SINUS, says_rate=False),
    "ptbxl/snomed": Vocabulary({**_SNOMED, "426761007": "SVT AT"}),
    "incart/snomed": Vocabulary({}),  # half an hour under one set of codes
    "sph/snomed": Vocabulary(_SNOMED),
    "ptbxl": Vocabulary(_PTBXL),
    "cinc2017": Vocabulary({"N": SINUS, "A": "AFIB", "O": OTHER, "~": OTHER}, says_rate=False, closed=True),
    "ludb": Vocabulary(_LUDB),
    "mitdb": Vocabulary(_MITDB, says_rate=False, closed=True),
}


def allowed(vocabulary: str, labels: Iterable[str]) -> frozenset[str]:
    """The rhythms that all labels of a record, of one of VOCABULARIES, allow together; empty where they teach nothing.

    Raises DataError for a label that a closed vocabulary does not have.
    """
    words, labels = VOCABULARIES[vocabulary], tuple(labels)
    unknown = [label for label in labels if label not in words.means]
    if unknown and words.closed:
        raise DataError(f"{vocabulary} has no rhythm {', '.join(map(repr, unknown))}; it has {', '.join(words.means)}")
    return _together([frozenset(words.means[label].split()) for label in labels if label in words.means])


def narrowed(allowed: frozenset[str], rate_bpm: float) -> frozenset[str]:
    """What the ventricular rate leaves of rhythms among which a source did not choose by rate: SB below 60 per minute, ST above 100, SR between them.

    Sinus arrhythmia stays beside SB and SR. A set with at most one of the three stays as it is, and so does any at a rate that is not known (NaN).
    """
    if len(allowed & {"SB", "SR", "ST"}) < 2 or np.isnan(rate_bpm):
        return allowed
    ruled_out = {"SR", "ST"} if rate_bpm < SB_BELOW_BPM else {"SB", "SR", "SA"} if rate_bpm > ST_ABOVE_BPM else {"SB", "ST"}
    return allowed - ruled_out


def row(allowed: frozenset[str]) -> NDArray[np.bool_]:
    """Which of RHYTHMS are in the set (8,)."""
    return np.array([rhythm in allowed for rhythm in RHYTHMS], bool)


def _together(sets: list[frozenset[str]]) -> frozenset[str]:
    """One set from those of a record's labels: what they share; else two that go together; a plain SR adds nothing to a closer word for a sinus rhythm."""
    if not sets or not all(sets):
        return frozenset()
    if shared := frozenset.intersection(*sets):
        return shared
    closer = [one for one in sets if one != {"SR"}]
    union = frozenset().union(*closer)
    if len(closer) < len(sets) and not union <= set(SINUS.split()):
        return frozenset()
    if shared := frozenset.intersection(*closer):
        return shared
    return union if union in TOGETHER else frozenset()
