"""A rhythm that a model called, accepted by a reader: it becomes a rhythm mark of the reading, and the event says which model called it on which leads.

Marks bear the names that WFDB's rhythm annotations have, so that an exported "+" is read by every WFDB tool. WFDB has none for
sinus tachycardia, sinus arrhythmia and atrial tachycardia: the first two are named as in SCP-ECG (EN 1064; "(ST" would be taken
for the ST changes of the European ST-T database), the third as in Chapman-Shaoxing.

Source of the names: https://archive.physionet.org/physiobank/annotations.shtml
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from ecgcore.errors import InputError, StoreError
from ecgcore.review.commands import MAX_TEXT, PutMark, check_text
from ecgcore.review.marks import Change
from ecgcore.review.state import State
from ecgcore.rhythm_findings import Rhythm, RhythmSpan, RhythmTrend

WFDB_NAMES: Final = {"SB": "SBR", "SR": "N", "AFIB": "AFIB", "ST": "STACH", "SVT": "SVTA", "AF": "AFL", "SA": "SARRH", "AT": "AT"}


@dataclass(frozen=True)
class AcceptRhythm:
    """A called rhythm from a first sample up to a last one taken over as a mark by the reader.

    label  one of `rhythm_findings.RHYTHMS`
    basis  which model called it on which leads, and how sure; kept as the event's note
    """

    name: ClassVar[str] = "accept"
    label: str
    start: int
    stop: int
    basis: str

    @classmethod
    def of(cls, found: Rhythm, fs_hz: float, n_samples: int) -> "AcceptRhythm":
        """The rhythm of one stretch. Raises InputError where it is not sure."""
        if found.doubt:
            raise InputError(f"no rhythm is called, so none can be accepted: {found.doubt}")
        return cls._of(RhythmSpan(found.label, found.start_s, found.stop_s, found.probabilities[found.label]), found.model, found.leads, fs_hz, n_samples)

    @classmethod
    def of_span(cls, span: RhythmSpan, trend: RhythmTrend, fs_hz: float, n_samples: int) -> "AcceptRhythm":
        """A span of the rhythm along a record. Raises InputError where it is none of its spans."""
        if span not in trend.spans():
            raise InputError(f"no rhythm {span.label!r} is called from {span.start_s:g} to {span.stop_s:g} s, so it cannot be accepted")
        return cls._of(span, trend.model, trend.leads, fs_hz, n_samples)

    @classmethod
    def _of(cls, span: RhythmSpan, model: str, leads: tuple[str, ...], fs_hz: float, n_samples: int) -> "AcceptRhythm":
        start, stop = (min(round(time_s * fs_hz), n_samples) for time_s in (span.start_s, span.stop_s))
        return cls(span.label, start, stop, f"{model} on {', '.join(leads)}, probability {span.probability:.2f}")

    def change(self, state: State, n_samples: int, who: str) -> Change:
        """The mark comes. Raises StoreError where the same rhythm is marked on a part of the stretch already."""
        if self.label not in WFDB_NAMES:
            raise InputError(f"rhythm {self.label[:40]!r} is none of {', '.join(WFDB_NAMES)}")
        check_text(self.basis, "basis of the rhythm", MAX_TEXT, needed=True)
        text = WFDB_NAMES[self.label]
        there = next((item for item in state.items if (item.kind, item.text) == ("rhythm", text) and item.start < self.stop and self.start < item.stop), None)
        if there is not None:
            raise StoreError(f"{text} is marked from {state.time(there.start)} to {state.time(there.stop)} already, by {there.author}")
        return PutMark("rhythm", self.start, self.stop, text).change(state, n_samples, who)
