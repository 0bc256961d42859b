"""Lead names, their orders, and the limb leads that follow from I and II."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import LeadError

LIMB: Final = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST: Final = ("V1", "V2", "V3", "V4", "V5", "V6")
STANDARD: Final = LIMB + CHEST
CABRERA: Final = ("aVL", "I", "-aVR", "II", "aVF", "III", *CHEST)
LEAD_II: Final = ("MLII", "II")  # names of the lead that the classifiers of single beats learn from, the first choice first

# Goldberger and Einthoven: each limb lead as a·I + b·II.
LIMB_FROM_I_II: Final[dict[str, tuple[float, float]]] = {
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "-aVR": (0.5, 0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}

_EXTRA = tuple("V7 V8 V9 V3R V4R V5R V6R V7R MLI MLII MLIII MV1 MV2 MV3 MV4 MV5 MV6 CM1 CM2 CM4 CM5 CC5 ECG -aVR".split())
_KNOWN: Final = {"ekg": "ECG", **{name.lower(): name for name in (*STANDARD, *_EXTRA)}}
# A modified lead answers for its standard namesake when the record has no such lead.
_STANDS_IN: Final = {"I": "MLI", "II": "MLII", "III": "MLIII", **{f"V{i}": f"MV{i}" for i in range(1, 7)}}

_PREFIX = re.compile(r"^(?:(?:ecg|ekg|lead|channel)[\s_.:\-]+)+", re.IGNORECASE)
_BRACKETED = re.compile(r"\(.*?\)|\[.*?\]")
_NUMBERED = re.compile(r"^(?:ecg|ekg)\s*_?(\d{1,2})$", re.IGNORECASE)


def normalise(name: str) -> str:
    """The field's standard spelling of a lead name; an unknown name is kept as it is.

    >>> normalise("Lead I (Einthoven)"), normalise("avr"), normalise("ecg 1"), normalise("Fp1")
    ('I', 'aVR', 'ECG1', 'Fp1')
    """
    stripped = name.strip()
    if numbered := _NUMBERED.match(stripped):
        return f"ECG{numbered[1]}"
    if stripped.lower() in _KNOWN:
        return _KNOWN[stripped.lower()]
    core = re.sub(r"[\s_]+", "", _PREFIX.sub("", _BRACKETED.sub("", stripped)))
    return _KNOWN.get(core.lower(), stripped)


def namesake(name: str) -> str:
    """The standard lead that a modified one answers for (MLII: II); any other name normalised.

    >>> namesake("MLII"), namesake("mv1"), namesake("V9")
    ('II', 'V1', 'V9')
    """
    spelt = normalise(name)
    return next((standard for standard, modified in _STANDS_IN.items() if modified == spelt), spelt)


def is_ecg(name: str) -> bool:
    """Whether a normalised name is that of an ECG lead."""
    return name.lower() in _KNOWN or _NUMBERED.match(name) is not None or re.search(r"\b(ecg|ekg)", name, re.IGNORECASE) is not None


def ecg_leads(leads: Sequence[str]) -> tuple[str, ...]:
    """Those of a record's leads that are named as ECG leads; all of them where none is."""
    return tuple(name for name in leads if is_ecg(name)) or tuple(leads)


def lead_ii(leads: Sequence[str]) -> str:
    """MLII where a record has it, else II, else its first lead."""
    return next((name for name in LEAD_II if name in leads), leads[0])


def derivable(leads: Sequence[str]) -> tuple[str, ...]:
    """Limb leads that the record lacks but I and II give, in standard order."""
    if "I" not in leads or "II" not in leads:
        return ()
    return tuple(name for name in LIMB if name in LIMB_FROM_I_II and name not in leads)


def derive(name: str, lead_i: NDArray[np.float32], lead_ii: NDArray[np.float32]) -> NDArray[np.float32]:
    """A limb lead (n_samples,) in the unit of I and II; NaN where either is missing.

    Raises LeadError for a lead that does not follow from I and II.
    """
    if name not in LIMB_FROM_I_II:
        raise LeadError(f"lead {name!r} does not follow from I and II; these do: {', '.join(LIMB_FROM_I_II)}")
    a, b = LIMB_FROM_I_II[name]
    return (np.float32(a) * lead_i + np.float32(b) * lead_ii).astype(np.float32, copy=False)


def select(wanted: Iterable[str], available: Sequence[str]) -> tuple[str, ...]:
    """The record's own (or derivable) leads for the names wanted, in that order, each once.

    A name matches in any spelling; a modified lead such as MLII answers for II where II is absent.
    Raises LeadError naming the leads there are.
    """
    offered = (*available, *derivable(available))
    chosen: list[str] = []
    for name in wanted:
        found = next((lead for lead in (name.strip(), normalise(name), _STANDS_IN.get(normalise(name))) if lead in offered), None)
        if found is None and normalise(name) == "-aVR" and {"I", "II"} <= set(available):
            found = "-aVR"
        if found is None:
            raise LeadError(f"no lead {name!r} in this record; it has {', '.join(offered)}")
        if found not in chosen:
            chosen.append(found)
    if not chosen:
        raise LeadError(f"no lead was named; the record has {', '.join(offered)}")
    return tuple(chosen)


def in_order(leads: Sequence[str], order: Sequence[str] = STANDARD) -> tuple[str, ...]:
    """Leads sorted by an order (standard or Cabrera); those outside it keep their place at the end."""
    rank = {name: position for position, name in enumerate(order)}
    return tuple(sorted(leads, key=lambda name: rank.get(name, len(rank))))


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Names with repeats told apart by a suffix: II, II-2, II-3."""
    seen: dict[str, int] = {}
    result: list[str] = []
    taken = set()
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        candidate = name if seen[name] == 1 else f"{name}-{seen[name]}"
        while candidate in taken:
            seen[name] += 1
            candidate = f"{name}-{seen[name]}"
        taken.add(candidate)
        result.append(candidate)
    return tuple(result)
