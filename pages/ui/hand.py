"""The reading in hand: whose copy of which record is on the page, and as of when. Knows nothing of Streamlit."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecgcore import episodes, reviewed
from ecgcore import leads as lead_names
from ecgcore.figures import trend
from ecgcore.findings import Analysis
from ecgcore.reconstructed import Accepted
from ecgcore.record import Record
from ecgcore.review import State
from ecgcore.store.reviews import Reading
from pages.ui import access, desk, rights


@dataclass(frozen=True, eq=False)
class Hand:
    """A reading and all it rests on. `moment` is the event after which it is shown, None for now."""

    user: access.User
    record_id: str
    record: Record
    reading: Reading
    found: Analysis
    state: State
    moment: int | None = None

    @cached_property
    def analysis(self) -> Analysis:
        """The analysis with the reader's beats in it."""
        return reviewed.analysis_of(self.found, self.state)

    @cached_property
    def certainty(self) -> NDArray[np.float32]:
        """Probability (n_beats,) of each class shown; NaN where it is not the model that says so."""
        return reviewed.certainty(self.found.beats, self.state)

    @cached_property
    def blind_s(self) -> NDArray[np.float64]:
        """Stretches (n, 2) in s without a readable lead."""
        return trend.blind(self.found.quality, self.found.leads)

    @cached_property
    def noise_s(self) -> NDArray[np.float64]:
        """Stretches (n, 2) in s without a usable lead."""
        return episodes.unreliable(self.found.quality, self.found.leads)

    @cached_property
    def accepted(self) -> tuple[Accepted, ...]:
        """The reconstructions that were accepted for the record, those discarded since too."""
        return desk.reconstructions().of(self.record_id, discarded=True)

    @property
    def why_not(self) -> str:
        """Why this user may not edit now; empty where he may."""
        if self.moment is not None:
            return f"this is how it was after change {self.moment}"
        return rights.why_not_editable(self.user, self.reading)

    @property
    def author(self) -> str:
        """Who the beats are by, for print."""
        edited = self.state.changed
        return self.state.model + (f", {edited:,} {'beat' if edited == 1 else 'beats'} by readers" if edited else "")

    @property
    def whose(self) -> str:
        """Which copy of the record this is, in words; empty for the one that all share."""
        if self.reading.session_id is None:
            return ""
        session = desk.sessions().get(self.reading.session_id).name
        return f"{session}: adjudication" if self.reading.kind == "adjudication" else f"{session}: reading of {self.reading.reader}"


def first_leads(record: Record) -> tuple[str, ...]:
    """The leads analysed and shown first: the recorded ECG leads, in standard order where all have a place in it, else as recorded."""
    ecg = lead_names.ecg_leads(record.leads)
    return lead_names.in_order(ecg) if set(ecg) <= set(lead_names.STANDARD) else ecg


def reading_of(user: access.User, record_id: str, wanted: str | None) -> Reading | None:
    """The reading asked for, else the record's shared one; None where it has none yet. Raises AccessError, StoreError."""
    if wanted is not None:
        found = rights.reading(user, wanted)
        if found.record_id == record_id:
            return found
    return next((reading for reading in desk.reviews().readings(record_id) if reading.kind == "open"), None)


def take(user: access.User, reading: Reading, moment: int | None = None) -> Hand:
    """The reading with its record, analysis and state. Raises StoreError."""
    return Hand(
        user,
        reading.record_id,
        desk.record(reading.record_id),
        reading,
        desk.analysis(desk.reviews().basis(reading.id, moment)),
        desk.reviews().state(reading.id, moment),
        moment,
    )
