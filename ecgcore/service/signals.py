"""From the signals in a request to a Record, and whether a recording can be what it is said to be."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError, LeadError
from ecgcore.leads import STANDARD, ecg_leads, is_ecg, normalise
from ecgcore.record import Record, Source, missing_code
from ecgcore.rhythm import LEAST_S, LOW_FS_HZ
from ecgcore.service.asked import Signals
from ecgcore.service.refused import Refused

STEPS_PER_MV: Final = 1e6  # a Record holds whole numbers: these are steps of 1 nV
MOST_SAMPLES: Final = 1 << 25  # of one recording, all leads together: one lead at 250 Hz for a day and a half
MOST_LEAD_S: Final = 3 * 24 * 3600.0  # of one recording, all leads together
MOST_MV: Final = 2000.0  # that those steps can hold
LOUD_MV, FAINT_MV = 50.0, 0.01  # no ECG goes further from its median for long; none of a beating heart stays closer
LOUD_SHARE: Final = 0.99  # of the samples: one artefact does not make a recording implausible
_MV: Final[Mapping[str, float]] = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "V": 1e3}


def record_of(asked: Signals) -> Record:
    """The recording in a request. Raises LeadError for names that are unknown or repeat, InputError for leads of unequal lengths or too large values."""
    names = names_of(asked.leads)
    lengths = {name: len(values) for name, values in zip(names, asked.leads.values(), strict=True)}
    shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
    if lengths[shortest] != lengths[longest]:
        raise InputError(f"{shortest} has {lengths[shortest]:,} samples and {longest} {lengths[longest]:,}; all leads have equally many, and null stands for a missing one")
    mv = np.array(list(asked.leads.values()), np.float64) * _MV[asked.units]
    if (largest := float(np.nanmax(np.abs(mv), initial=0.0))) > MOST_MV:
        raise InputError(f"the values reach {largest / _MV[asked.units]:g} {asked.units}, which is {largest:g} mV; no ECG does: {_other_units(asked.units)}")
    adc = np.where(np.isnan(mv), missing_code(np.dtype(np.int32)), np.rint(np.nan_to_num(mv) * STEPS_PER_MV)).astype(np.int32)
    n = len(names)
    return Record("signals", adc, np.full(n, STEPS_PER_MV), np.zeros(n), asked.fs_hz, names, Source("JSON", "signals.json", sha256(adc.data).hexdigest()))


def names_of(stated: Sequence[str] | Mapping[str, Any]) -> tuple[str, ...]:
    """The leads' standard names. Raises LeadError for a name that is none of an ECG lead, and for two of one lead."""
    names = tuple(normalise(name) for name in stated)
    for name, given in zip(names, stated, strict=True):
        if not is_ecg(name):
            raise LeadError(f"{given[:40]!r} is no lead that is known; there are {', '.join(STANDARD)}, V7, V3R, MLII and others, and ECG for a lead of no standard place")
        if names.count(name) > 1:
            same = ", ".join(repr(other[:40]) for other, its in zip(stated, names, strict=True) if its == name)
            raise LeadError(f"{same} all name the lead {name}; every lead is given once")
    return names


def checked(record: Record, use: Sequence[str] | None, units: str | None) -> tuple[str, ...]:
    """The leads to look at of a recording that can be told something of.

    units  that were stated beside it, None where the file states its own

    Raises LeadError, InputError for a rate or a length that is too small or values that no ECG has, Refused for too many samples.
    """
    if record.adc.size > MOST_SAMPLES:
        raise Refused(413, f"the recording comes to {record.adc.size:,} samples, all leads together; at most {MOST_SAMPLES:,} are taken, so send it in parts")
    if (lead_s := record.duration_s * len(record.leads)) > MOST_LEAD_S:
        raise Refused(413, f"the recording lasts {lead_s / 3600:.1f} h, all leads together; at most {MOST_LEAD_S / 3600:g} h are taken, so send it in parts")
    if record.fs_hz < LOW_FS_HZ:
        raise InputError(f"the recording has {record.fs_hz:g} samples a second; beats and rhythm are told from {LOW_FS_HZ:g} on")
    if record.duration_s < LEAST_S:
        raise InputError(f"the recording lasts {record.duration_s:g} s, {record.n_samples} samples at {record.fs_hz:g} Hz; it must last {LEAST_S:g} s or more")
    leads = record.select(ecg_leads(record.leads) if use is None else use)
    _check_plausible({lead: reach_mv(record.mv((lead,))[0]) for lead in leads}, units)
    return leads


def reach_mv(lead_mv: NDArray[np.float32]) -> float:
    """How far a lead (n,) goes from its median, but for a hundredth of its samples; NaN where all are missing."""
    there = lead_mv[~np.isnan(lead_mv)]
    return float(np.quantile(np.abs(there - np.median(there)), LOUD_SHARE)) if there.size else float("nan")


def _check_plausible(reach: Mapping[str, float], units: str | None) -> None:
    known = {lead: mv for lead, mv in reach.items() if mv == mv}
    if not known:
        raise InputError(f"every sample of {', '.join(reach)} is missing; a lead needs samples to be told something of")
    loudest = max(known, key=known.__getitem__)
    stated = f"in {units}" if units else "by the file's own units"
    if known[loudest] > LOUD_MV:
        raise InputError(f"{loudest} goes {known[loudest]:g} mV from its median, {stated}; an ECG stays within {LOUD_MV:g} mV: {_other_units(units)}, or leave this lead out")
    if known[loudest] < FAINT_MV:
        what = f"no lead goes further than {1000 * known[loudest]:g} µV from its median, {stated}"
        raise InputError(f"{what}; an ECG goes {1000 * FAINT_MV:g} µV or more: {_other_units(units)}, or look at the electrodes")


def _other_units(units: str | None) -> str:
    if units is None:
        return "look at its gain and units"
    others = [name for name in ("mV", "uV", "V") if _MV.get(units) != _MV[name]]
    return f"perhaps the values are in {' or '.join(others)}"
