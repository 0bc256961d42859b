"""Record → EDF+C through edfio.

A missing sample is stored as −32768, below the digital minimum of −32767, which the reader takes as missing again.
The last data record is filled up with missing samples, and the EDF+ text "Recording ends" tells where they begin.

Source: https://www.edfplus.info/specs/edfplus.html
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import leads as lead_names
from ecgcore.errors import InputError
from ecgcore.readers.edf import ENDS
from ecgcore.reconstructed import Accepted
from ecgcore.record import Annotation, Record, missing_code
from ecgcore.writers.files import whole

if TYPE_CHECKING:
    import edfio

MISSING: Final = -32768
DIGITAL_RANGE: Final = (-32767, 32767)
MAX_RECORD_S: Final = 60


def write(record: Record, out: Path, annotations: Sequence[Annotation], reconstructions: Sequence[Accepted] = ()) -> tuple[Path, ...]:
    """Write one EDF+ file, each mark of the annotations as a text such as "V" or "+ (AFIB", each reconstruction as one that lasts; its path.

    Comments are not kept; samples beyond 16 bits are scaled to fit. Raises InputError for what EDF cannot hold.
    """
    import edfio

    n_per_record, record_s = _record_length(record.fs_hz)
    try:
        signals = [_signal(record, row, n_per_record, record_s) for row in range(len(record.leads))]
        file = edfio.Edf(
            signals,
            patient=_patient(record),
            recording=edfio.Recording(startdate=record.start.date() if record.start and record.start.year >= 1985 else None),
            starttime=record.start.time() if record.start else None,
            data_record_duration=record_s,
            annotations=_texts(record, annotations, reconstructions),
        )
    except ValueError as error:
        raise InputError(f"{record.name} does not fit EDF: {' '.join(str(error).split())}") from error
    with whole([out]) as (temporary,):
        file.write(temporary)
    return (out,)


def _record_length(fs_hz: float) -> tuple[int, float]:
    """Samples and seconds of a data record: whole seconds where the rate allows, else as near as EDF's 8 digits come."""
    seconds = Fraction(fs_hz).limit_denominator(MAX_RECORD_S)
    if abs(float(seconds) / fs_hz - 1) < 1e-9:
        return seconds.numerator, float(seconds.denominator)
    n_per_record = max(round(fs_hz), 1)
    return n_per_record, float(f"{n_per_record / fs_hz:.6f}")


def _signal(record: Record, row: int, n_per_record: int, record_s: float) -> "edfio.EdfSignal":
    import edfio

    adc = record.adc[row]
    absent = adc == missing_code(adc.dtype)
    digital, gain, baseline = _sixteen_bits(adc, absent, float(record.gain[row]), float(record.baseline[row]))
    n_filled = -(-len(digital) // n_per_record) * n_per_record
    filled = np.zeros(n_filled, np.int16)
    filled[: len(digital)] = np.where(absent, 0, digital)
    low, high = ((limit - baseline) / gain for limit in DIGITAL_RANGE)
    signal = edfio.EdfSignal.from_digital(
        filled,
        n_per_record / record_s,
        label=_label(record.leads[row]),
        physical_dimension="mV",
        physical_range=(low, high),
        digital_range=DIGITAL_RANGE,
    )
    # edfio checks samples against the digital range; the missing ones lie outside it on purpose.
    signal.digital[: len(digital)][absent] = MISSING
    signal.digital[len(digital) :] = MISSING
    return signal


def _sixteen_bits(adc: NDArray[np.integer[Any]], absent: NDArray[np.bool_], gain: float, baseline: float) -> tuple[NDArray[np.int16], float, float]:
    """Samples within ±32767 with their gain and baseline: as they are, shifted, or scaled."""
    present = adc[~absent]
    low, high = (int(present.min()), int(present.max())) if len(present) else (0, 0)
    if low >= DIGITAL_RANGE[0] and high <= DIGITAL_RANGE[1]:
        return adc.astype(np.int16), gain, baseline
    middle = (low + high) // 2
    factor = min(DIGITAL_RANGE[1] / (high - middle + 1), 1.0)
    values = np.rint((adc.astype(np.float64) - middle) * factor)
    return np.where(absent, 0, values).astype(np.int16), gain * factor, (baseline - middle) * factor


def _label(lead: str) -> str:
    """The EDF+ label, "ECG II" for a lead known; 16 ASCII characters."""
    known = lead_names.is_ecg(lead) and lead_names.normalise(f"ECG {lead}") == lead and not lead.startswith("ECG")
    label = f"ECG {lead}" if known else lead
    return label.encode("ascii", "replace").decode()[:16]


def _patient(record: Record) -> "edfio.Patient":
    """The patient field; an age goes into a subfield of its own, for EDF+ knows only a birth date."""
    import edfio

    patient = record.patient
    age = (f"age_{patient.age_years:g}",) if patient.age_years is not None else ()
    return edfio.Patient(code=_subfield(patient.id, 20), sex=patient.sex or "X", birthdate=None, name=_subfield(patient.name, 35), additional=age)


def _subfield(text: str | None, n_characters: int) -> str:
    plain = re.sub(r"\s+", "_", (text or "").strip()).encode("ascii", "replace").decode()
    return re.sub(r"[^!-~]", "?", plain)[:n_characters] or "X"


def _texts(record: Record, annotations: Sequence[Annotation], reconstructions: Sequence[Accepted]) -> list["edfio.EdfAnnotation"]:
    """One text a mark: symbol and note, after the annotator's name where there are several; what is reconstructed beside it; where the record ends."""
    import edfio

    found = []
    for annotation in annotations:
        prefix = f"{annotation.annotator}: " if len(annotations) > 1 else ""
        for sample, symbol, note in zip(annotation.samples.tolist(), annotation.symbols, annotation.notes, strict=True):
            text = note if symbol == '"' and note else f"{symbol} {note}".strip()
            found.append(edfio.EdfAnnotation(sample / record.fs_hz, None, prefix + re.sub(r"[\x00-\x1f]", " ", text)))
    for one in reconstructions:
        span_s = (one.made.stop_sample - one.made.start_sample) / record.fs_hz
        found.append(edfio.EdfAnnotation(one.made.start_sample / record.fs_hz, span_s, re.sub(r"[\x00-\x1f]", " ", f"reconstructed: {one.said}")))
    return [*found, edfio.EdfAnnotation(record.n_samples / record.fs_hz, None, ENDS)]
