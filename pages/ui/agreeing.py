"""How far two readings agree, in a table and a sentence. Knows nothing of Streamlit."""

import math
from typing import Final

from ecgcore.errors import EcgError
from ecgcore.evaluation import agreement
from ecgcore.review import State
from ecgcore.store.reviews import Reading
from pages.ui import access, desk, rights

COLUMNS: Final = ("Class", "Cohen's kappa", "95 % interval", "First reader", "Second reader", "Both")


def why_hidden(user: access.User, reading: Reading) -> str:
    """Why this user may not see a reading; empty where he may."""
    try:
        rights.reading(user, reading.id)
    except EcgError as error:
        return str(error)
    return ""


def between(one: Reading, other: Reading) -> agreement.Agreement:
    """Agreement of what two readers signed. Raises StoreError."""
    return agreement.compare(labelled(one), labelled(other), desk.record(one.record_id).fs_hz)


def labelled(reading: Reading) -> agreement.Labelled:
    """The beats of a reading: of a signed one as signed, else as they are now."""
    return of_state(desk.reviews().state(reading.id, reading.signed.seq if reading.signed else None))


def of_state(state: State) -> agreement.Labelled:
    """The beats of a state."""
    return agreement.Labelled(state.samples, tuple(state.codes.tolist()))


def rows(agreed: agreement.Agreement) -> list[tuple[str, ...]]:
    """Under COLUMNS: a line for all beats, one for each class."""
    totals = [(int(agreed.table[i].sum()), int(agreed.table[:, i].sum()), int(agreed.table[i, i])) for i in range(len(agreed.classes))]
    every = ("**all beats**", *_kappa(agreed.kappa), f"{agreed.n_a:,}", f"{agreed.n_b:,}", f"{sum(both for _, _, both in totals):,}")
    return [
        every,
        *((f"**{name}**", *_kappa(agreed.kappa_by_class[name]), *(f"{n:,}" for n in totals[i])) for i, name in enumerate(agreed.classes) if name in agreed.kappa_by_class),
    ]


def how(agreed: agreement.Agreement) -> str:
    """What was compared, in a sentence."""
    codes = f" {agreed.code_differences:,} pairs have different codes of one class, which is no disagreement." if agreed.code_differences else ""
    return (
        "Beats of the two readers within 150 ms are one event (EC57); a beat that only one has is called no beat by the other. "
        "Kappa after Cohen 1960; its interval allows for beats that come in runs. "
        f"{counted(len(agreed.disagreements))}.{codes}"
    )


def counted(n: int) -> str:
    """So many disagreements, in words."""
    return "1 disagreement" if n == 1 else f"{n:,} disagreements"


def of_disagreement(one: agreement.Disagreement) -> tuple[str, str]:
    """What each reader says of it."""
    return one.code_a or agreement.NO_BEAT, one.code_b or agreement.NO_BEAT


def _kappa(kappa: agreement.Kappa) -> tuple[str, str]:
    if math.isnan(kappa.value):
        return "not defined", kappa.not_defined
    return f"{kappa.value:.3f}", "–" if math.isnan(kappa.low) else f"{kappa.low:.3f} to {kappa.high:.3f}"
