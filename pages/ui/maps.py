"""What the Review page says of an ectopy map, and how the strip gets it. Knows nothing of Streamlit."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from ecgcore.findings import AAMI_OF_MIT, EctopyMap, MapChecks, Place
from ecgcore.inference.cards import Card
from ecgcore.leads import ecg_leads, normalise
from ecgcore.record import Annotation, Record
from ecgcore.review import State
from pages.ui.text import plain

MODEL: Final = "segmenter"
MATCH_S: Final = 0.15  # ANSI/AAMI EC57: a beat this near is the same beat
UNSEEN: Final = "by patient, mitdb ds2"  # the split of the figures told beside a map
DOUBTFUL_PPV: Final = 0.5  # below it more places are wrong than right
PACKED_STEP_S: Final = 0.02  # half a millimetre at 25 mm/s
NOT_INSTALLED: Final = f"No model that makes maps is installed: weights/{MODEL} is missing. Train it with: python -m ecgcore train {MODEL}. All else works without."
WHAT_IT_IS: Final = (
    "The network was told of stretches of signal only whether they hold such beats, never where. "
    "The map is where it looked to tell; its strength is no probability, and no measurement of the heart."
)
HOW_CHECKED: Final = (
    "Measured on this record when the map was made. Deletion: each highlighted part is flattened; the probability of its class must fall by more than when equally long parts "
    "elsewhere are flattened. Randomisation: correlation of the map with that of the same network with random weights; from 0.5 on the map shows the signal, not "
    "what was learned. A place that fails either has no band; a class that fails over all its places has none at all."
)
NOTHING: Final = "–"
WHY: Final = {
    "deletion": "flattened, what they highlight matters no more than other parts",
    "randomisation": "the map of random weights looks the same there",
}


def doubtful(known: Card) -> tuple[str, ...]:
    """Classes of which, on patients never seen, more places were wrong than right: they are drawn where the reader asks for them, and not before."""
    measured = {figure.name: figure.value for figure in known.figures if figure.split == UNSEEN}
    return tuple(label for label in known.classes if (ppv := measured.get(f"{label} PPV")) is not None and ppv < DOUBTFUL_PPV)


def worth_lines(known: Card) -> list[str]:
    """What the places of each class were worth on patients never seen, a sentence a class; what was not measured is said so."""
    measured = {figure.name: figure for figure in known.figures if figure.split == UNSEEN and figure.value is not None}
    said = []
    for label in known.classes:
        found, right = (measured.get(f"{label} {what}") for what in ("sensitivity", "PPV"))
        if found is None or right is None:
            said.append(f"{label}: not measured on unseen patients.")
            continue
        warning = " **Not to be relied on**; drawn only if you choose it." if label in doubtful(known) else ""
        said.append(f"{label}: {found.value:.0%} of the beats have a place, {right.value:.0%} of the places are right ({plain(found.split)}, {found.n} trainings).{warning}")
    return said


def leads_for(known: Card, record: Record, first: Sequence[str]) -> tuple[str, ...]:
    """Leads of a record that a model may look at, those of `first` before the others."""
    there = ecg_leads(record.available_leads)
    taken = there if known.input.leads == "any" else tuple(lead for lead in there if normalise(lead) in known.input.leads)
    return tuple(dict.fromkeys(lead for lead in (*first, *taken) if lead in taken))


def hidden_class(found: EctopyMap, label: str) -> str:
    """Why no band of a class is shown; empty where it is."""
    checks = found.checks.get(label)
    return checks.failed if checks is not None else ""


def why_hidden(found: EctopyMap, place: Place) -> tuple[str, ...]:
    """The checks for which a place has no band: its own, else those of its class; none where it has one."""
    return place.checks.failing or (checks.failing if (checks := found.checks.get(place.label)) else ())


@lru_cache(maxsize=4)
def shown(found: EctopyMap) -> tuple[Place, ...]:
    """The places that have a band, in the order in which they begin."""
    return tuple(sorted((place for place in found.places if not why_hidden(found, place)), key=lambda place: place.start_sample))


def check_rows(found: EctopyMap) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the two checks, a column a class."""
    visible = shown(found)
    counted = [(sum(place.label == label for place in visible), sum(place.label == label for place in found.places)) for label in found.labels]
    told: dict[str, Callable[[MapChecks], str]] = {
        "Deletion, highlighted": lambda checks: _two(checks.highlighted),
        "Deletion, elsewhere": lambda checks: _two(checks.random),
        "Random weights, r": lambda checks: _two(checks.correlation),
        "Checks": lambda checks: "**failed**" if checks.failing else "passed",
    }
    measured = [(name, *(NOTHING if (checks := found.checks.get(label)) is None else say(checks) for label in found.labels)) for name, say in told.items()]
    return ("", *found.labels), [("Bands, of places", *(f"{n:,} of {of:,}" for n, of in counted)), *measured]


def hidden_lines(found: EctopyMap) -> list[str]:
    """What is hidden and why, a sentence a class; nothing where all is shown."""
    said = []
    for label in found.labels:
        those = [place for place in found.places if place.label == label]
        failing = [place for place in those if place.checks.failing]
        if why := hidden_class(found, label):
            said.append(f"No band of class {label} is shown: {why}.")
        elif failing:
            reasons = "; ".join(f"{WHY[check]} ({n:,})" for check in WHY if (n := sum(check in place.checks.failing for place in failing)))
            said.append(f"{len(failing):,} of {len(those):,} places of class {label} {'has' if len(failing) == 1 else 'have'} no band: {reasons}.")
    return said


def beats_at(found: EctopyMap, places: Sequence[Place], samples: NDArray[np.int64], labels: NDArray[np.str_], fs_hz: float) -> list[str]:
    """What beat is at each place, within it or MATCH_S of its strongest spot: one of the place's class if there is one, else the nearest, else ""."""
    if not places or not samples.size:
        return [""] * len(places)
    reach = MATCH_S * fs_hz
    peaks = np.array([place.sample for place in places])
    low = np.minimum([place.start_sample for place in places], peaks - reach)
    high = np.maximum([place.stop_sample for place in places], peaks + reach)
    same = np.zeros(len(places), bool)
    for label in found.labels:
        of_class = samples[labels == label]
        there = np.searchsorted(of_class, high, "right") > np.searchsorted(of_class, low)
        same |= there & np.array([place.label == label for place in places])
    after = np.searchsorted(samples, peaks)
    before, after = np.maximum(after - 1, 0), np.minimum(after, samples.size - 1)
    nearest = np.where(peaks - samples[before] <= samples[after] - peaks, before, after)
    within = (samples[nearest] >= low) & (samples[nearest] <= high)
    return [place.label if hit else str(labels[at]) if near else "" for place, hit, at, near in zip(places, same, nearest, within, strict=True)]


def of_annotation(annotation: Annotation) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Samples (n,) and AAMI classes (n,) of the beats of an annotation file."""
    kept = [at for at, symbol in enumerate(annotation.symbols) if symbol in AAMI_OF_MIT]
    return annotation.samples[kept], np.array([AAMI_OF_MIT[annotation.symbols[at]] for at in kept], "<U1")


def agreement(found: EctopyMap, state: State) -> str:
    """How many of the places with a band hold a beat of their class in a reading, a sentence a class."""
    there = beats_at(found, shown(found), state.samples, state.labels, state.fs_hz or 1.0)
    said = []
    for label in found.labels:
        those = [beat for place, beat in zip(shown(found), there, strict=True) if place.label == label]
        if those:
            n, same, none = len(those), those.count(label), those.count("")
            said.append(f"Of {n:,} {label} places with a band {same:,} hold a beat that is {label} in this reading, {n - same - none:,} another beat, {none:,} none.")
    return " ".join(said)


def for_strip(found: EctopyMap, unasked: Sequence[str]) -> dict[str, Any]:
    """What the strip is told of a map; its places it fetches by `query`. `unasked` are the classes that are drawn before the reader chooses."""
    return {
        "query": urlencode({"lead": found.leads[0], "model": found.model}),
        "model": found.model,
        "leads": list(found.leads),
        "labels": list(found.labels),
        "unasked": list(unasked),
        "step_s": found.step_s * _coarser(found),
        "checks": [f"{label} {_checked(found, label)}" for label in found.labels],
        "how": HOW_CHECKED,
    }


def _checked(found: EctopyMap, label: str) -> str:
    """How many bands of a class there are, and its two checks, in short."""
    measured = found.checks.get(label)
    if measured is None:
        return "nowhere"
    if measured.failing:
        return "hidden: fails its checks"
    n, of = (sum(place.label == label for place in those) for those in (shown(found), found.places))
    less = f" ({of - n:,} hidden)" if of > n else ""
    return f"{n:,}{less}: deletion {_two(measured.highlighted)}, elsewhere {_two(measured.random)}; random weights r {_two(measured.correlation)}"


def packed(found: EctopyMap, fs_hz: float) -> bytes:
    """The places that have a band, for the browser; little-endian.

    Numbers of places n and of steps (2 u4); by place start, stop and strongest sample (i4), first step and steps (u4), then a byte each:
    which label, strength · 255, and its checks · 100 (highlighted, random, correlation; signed); then the strengths of all steps · 255.
    """
    those, coarser = shown(found), _coarser(found)
    step = found.step_s * coarser * fs_hz  # samples
    rows = {label: _pooled(found.strengths[index], coarser) for index, label in enumerate(found.labels)}
    first = [int(place.start_sample / step) for place in those]
    stop = [max(begin + 1, int(np.ceil(place.stop_sample / step))) for begin, place in zip(first, those, strict=True)]
    pieces = [rows[place.label][begin:end] for place, begin, end in zip(those, first, stop, strict=True)]
    wide = np.array([[place.start_sample, place.stop_sample, place.sample] for place in those], "<i4").reshape(-1, 3)
    checks = np.array([[place.checks.highlighted, place.checks.random, place.checks.correlation] for place in those], np.float64).reshape(-1, 3)
    parts = [
        np.array([len(those), sum(map(len, pieces))], "<u4"),
        wide.T.copy(),
        np.array(first, "<u4"),
        np.array([len(piece) for piece in pieces], "<u4"),
        np.array([found.labels.index(place.label) for place in those], np.uint8),
        _bytes(np.array([place.strength for place in those], np.float32)),
        np.clip(np.round(100 * np.nan_to_num(checks)), -100, 100).astype(np.int8).T.copy(),
        np.concatenate(pieces) if pieces else np.zeros(0, np.uint8),
    ]
    return b"".join(part.tobytes() for part in parts)


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _coarser(found: EctopyMap) -> int:
    """How many steps of the map make one for the browser."""
    return max(1, round(PACKED_STEP_S / found.step_s))


def _pooled(strengths: NDArray[np.float32], coarser: int) -> NDArray[np.uint8]:
    """Bytes; of each few steps the strongest."""
    padded = np.pad(strengths, (0, -strengths.size % coarser))
    return _bytes(padded.reshape(-1, coarser).max(axis=1))


def _bytes(strengths: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(255 * np.clip(np.nan_to_num(strengths), 0, 1)).astype(np.uint8)
