"""What the Restore page says of gaps, reconstructions and the model that makes them. Knows nothing of Streamlit."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ecgcore.figures.clock import clock
from ecgcore.findings import QualityMark, Reconstruction
from ecgcore.inference.cards import Card
from ecgcore.leads import ecg_leads
from ecgcore.reconstructed import Accepted, overlapping
from ecgcore.record import Record
from pages.ui import dashed
from pages.ui.cards import value
from pages.ui.text import moment, plain

MODEL: Final = "wonhee"
NOT_INSTALLED: Final = f"No model that reconstructs signal is installed: weights/{MODEL} is missing. Train it with: python -m ecgcore train {MODEL}. All else works without."
WHAT_IT_IS: Final = (
    "A reconstruction is an estimate of what was not observed. It stands beside the record, never in it: drawn dashed, named in every export, never counted or measured."
)
SHORT_S: Final = 0.5  # the longest burst that was measured; what is longer was measured as a blackout
TOLD: Final = {"MSE": "mV²", "R-peak F1": "%"}  # of what was measured, with its unit
TESTED: Final = "DS2"  # the patients of which the coverage is told


def leads_for(record: Record) -> tuple[str, ...]:
    """The leads of a record that can be reconstructed, derived ones too."""
    return ecg_leads(record.available_leads)


def samples(record: Record, start_s: float, stop_s: float) -> tuple[int, int]:
    """From the sample nearest to a time up to that nearest to another."""
    return round(start_s * record.fs_hz), round(stop_s * record.fs_hz)


@lru_cache(maxsize=8)  # a day of noise takes a while to look through
def found(record: Record, marks: tuple[QualityMark, ...], lead: str, model: str) -> tuple[tuple[float, float, str], ...]:
    """The gaps of a lead that a model (name@version) can fill: start and stop in s, and why. Raises EcgError."""
    from ecgcore import restoration

    return tuple((gap.start_sample / record.fs_hz, gap.stop_sample / record.fs_hz, gap.reason) for gap in restoration.proposed_gaps(record, marks, lead, model=model))


def figures(known: Card, made: Reconstruction) -> str:
    """What was measured of the model on gaps or forecasts of about this length, in a sentence."""
    kind = measured_as(made)
    told = [(one, *one.name.partition(": ")[::2]) for one in known.figures if one.name.lower().startswith(kind)]
    near = [f"{plain(measure)} {value(one)} {TOLD[measure]}" for one, _, measure in told if measure in TOLD]
    held = [f"the band held {value(one)} % of the samples" for one in known.figures if one.name == TESTED and f", {kind}" in one.split]
    if not near and not held:
        return f"What {plain(known.id)} is worth was not established."
    return f"{plain(told[0][1] if told else kind.capitalize())} on patients it had not seen: {'; '.join([*near, *held])}."


def measured_as(made: Reconstruction) -> str:
    """How the names of the figures begin that tell of reconstructions such as this one."""
    length_s = (made.stop_sample - made.start_sample) / made.fs_hz
    if made.kind == "forecast":
        return f"forecast of {1 if length_s <= 1 else 2} s"
    return "bursts" if length_s <= SHORT_S else "blackout"


def not_measured(accepted: Sequence[Accepted], leads: Sequence[str], start_sample: int, stop_sample: int) -> str:
    """That measurements leave out what is reconstructed on some leads of a stretch; empty where nothing is."""
    there = [one for lead in leads for one in overlapping(accepted, lead, start_sample, stop_sample)]
    places = "; ".join(f"{one.made.lead} from {dashed.span(one.made)}" for one in there)
    return f"Reconstructed signal is never measured: only what was recorded is read. Reconstructed here: {places}." if there else ""


HEADER: Final = ("Lead", "From", "Length", "What", "Model", "Accepted by", "Accepted (UTC)")


def cells(accepted: Accepted) -> tuple[str, ...]:
    """The line of one in the list, in Markdown."""
    made = accepted.made
    length_s = (made.stop_sample - made.start_sample) / made.fs_hz
    said = (made.lead, clock(made.start_sample / made.fs_hz, 2), f"{length_s:.2f} s", "gap filled" if made.kind == "gap" else "forecast", made.model, accepted.who)
    return (*(plain(text) for text in said), moment(accepted.at))


def discarded_rows(accepted: Sequence[Accepted]) -> list[tuple[str, ...]]:
    """Those that somebody discarded, with who and when."""
    return [(*cells(one), plain(one.discarded_by or ""), moment(one.discarded_at)) for one in accepted if not one.stands]
