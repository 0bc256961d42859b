"""Where a reading comes from, for every file that leaves the app. Knows nothing of Streamlit."""

from datetime import UTC, datetime

import ecgcore
from ecgcore.errors import ModelError
from ecgcore.reconstructed import standing
from ecgcore.writers.review import Provenance, Signed
from pages.ui import desk
from pages.ui.hand import Hand

NOT_HERE = "not at hand: the model is no longer on this machine"


def of(held: Hand) -> Provenance:
    """All that another needs to come to the same beats again. Raises StoreError."""
    source, reading = held.record.source, held.reading
    session = desk.sessions().get(reading.session_id) if reading.session_id else None
    return Provenance(
        record_name=held.record.name,
        record_sha256=source.sha256,
        file_name=source.file_name,
        leads=held.found.leads,
        model=held.state.model,
        weights_sha256=_weights_sha256(held.state.model),
        detector=held.found.beats.detector,
        reading_id=reading.id,
        readers=(reading.reader,) if reading.reader else session.readers if session else (),
        session=session.name if session else None,
        state_seq=held.state.seq,
        signed=_signed(held),
        version=ecgcore.__version__,
        made_at=datetime.now(UTC),
        reconstructed=tuple(one.said for one in standing(held.accepted)),
    )


def line(held: Hand) -> str:
    """The same in a sentence."""
    signed = _signed(held)
    under = f"signed off as version {signed.version} by {signed.who}" if signed else "not signed off"
    return f"Beats by {held.author} on {', '.join(held.found.leads)}, after change {held.state.seq}; {under}."


def _signed(held: Hand) -> Signed | None:
    """The signature that holds for what is shown: none while the reading is open or was changed since."""
    for one in desk.reviews().signoffs(held.reading.id):
        if one.seq == held.state.seq:
            return Signed(one.who, one.at, one.version, one.statement, one.sha256)
    return None


def _weights_sha256(model: str) -> str:
    from ecgcore.inference import cards

    try:
        return cards.read_card(cards.find(model)).sha256
    except ModelError:
        return NOT_HERE
