"""Text for the screen: names from files shown as they are, numbers with their units."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from ecgcore.figures.clock import clock
from ecgcore.record import Patient


def plain(text: str) -> str:
    """Text from outside, shown letter for letter where Streamlit would read Markdown; one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|$~:-])", r"\\\1", " ".join(text.split()))


def duration(seconds: float) -> str:
    """A length of time: "9.5 s" below a minute, h:mm:ss above."""
    return f"{seconds:.3g} s" if seconds < 60 else clock(seconds)


def moment(when: datetime | None) -> str:
    """A date and time as stated; a dash where none is."""
    return when.strftime("%Y-%m-%d %H:%M") if when else "–"


def recently(when: datetime) -> str:
    """A moment in UTC as it is said soon after: without its date on the same day."""
    return when.strftime("%H:%M UTC" if when.date() == datetime.now(UTC).date() else "%Y-%m-%d %H:%M UTC")


def of_patient(patient: Patient) -> list[str]:
    """Age and sex as stated, for a heading; nothing where they are not."""
    age = [f"{patient.age_years:.0f} years"] if patient.age_years is not None else []
    return [*age, *({"F": ["female"], "M": ["male"]}[patient.sex] if patient.sex else [])]


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names in a row, the rest counted."""
    shown = ", ".join(names[:most])
    return f"{shown} +\u00a0{len(names) - most}" if len(names) > most else shown


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
