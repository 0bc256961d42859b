"""Synthetic recordings with known beats, for a first look and for tests: a moving heart vector seen from each lead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import InputError
from ecgcore.leads import LIMB_FROM_I_II, STANDARD
from ecgcore.record import Annotation, Patient, Record, Source, missing_code

GAIN: Final = 1000.0  # ADC units per mV

# Dower et al. (1980): each lead from the heart vector (x left, y down, z back).
DOWER: Final = {
    "I": (0.632, -0.235, 0.059),
    "II": (0.235, 1.066, -0.132),
    "V1": (-0.515, 0.157, -0.917),
    "V2": (0.044, 0.164, -1.387),
    "V3": (0.882, 0.098, -1.277),
    "V4": (1.213, 0.127, -0.601),
    "V5": (1.125, 0.127, -0.086),
    "V6": (0.831, 0.076, 0.230),
}


@dataclass(frozen=True)
class Wave:
    """A Gaussian of the heart vector: s after the R peak, standard deviation in s, vector in mV."""

    at_s: float
    width_s: float
    vector_mv: tuple[float, float, float]


_P = Wave(-0.16, 0.022, (0.06, 0.12, -0.02))
_QRS = (Wave(-0.030, 0.009, (-0.12, -0.05, -0.16)), Wave(0.0, 0.012, (0.85, 0.75, 0.30)), Wave(0.030, 0.011, (-0.18, -0.15, 0.42)))
_T = Wave(0.27, 0.045, (0.22, 0.22, -0.12))
_FIBRILLATION_MV: Final = (-0.017, 0.034, -0.037)
NO_P: Final = "N without P"  # a beat of atrial fibrillation, whose code is N
SHAPES: Final = {
    "N": (_P, *_QRS, _T),
    "A": (Wave(-0.12, 0.018, (-0.03, -0.08, 0.02)), *_QRS, _T),
    NO_P: (*_QRS, _T),
    "V": (Wave(-0.02, 0.032, (-0.30, 1.00, -0.45)), Wave(0.05, 0.030, (-0.45, -0.60, 0.35)), Wave(0.30, 0.065, (0.15, -0.40, 0.20))),
}


def _lead_vector(lead: str) -> NDArray[np.float64]:
    if lead in DOWER:
        return np.array(DOWER[lead])
    a, b = LIMB_FROM_I_II[lead]
    return a * np.array(DOWER["I"]) + b * np.array(DOWER["II"])


def synthesise(
    beats: Sequence[tuple[float, str]],
    duration_s: float,
    leads: Sequence[str],
    fs_hz: float,
    *,
    noise_mv: float = 0.01,
    wander_mv: float = 0.05,
    seed: int = 0,
    fibrillation_s: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Signal in mV (n_leads, n) of beats given as (R peak in s, key of SHAPES), with white noise and baseline wander.

    fibrillation_s  from when to when the atria fibrillate
    """
    rng = np.random.default_rng(seed)
    n = round(duration_s * fs_hz)
    heart = np.zeros((3, n))
    for at_s, code in beats:
        for wave in SHAPES[code]:
            centre, reach = at_s + wave.at_s, 5 * wave.width_s
            first, last = max(0, int((centre - reach) * fs_hz)), min(n, int((centre + reach) * fs_hz) + 1)
            shape = np.exp(-0.5 * ((np.arange(first, last) / fs_hz - centre) / wave.width_s) ** 2)
            heart[:, first:last] += np.outer(wave.vector_mv, shape)
    if fibrillation_s is not None:
        heart += _fibrillation(np.arange(n) / fs_hz, *fibrillation_s)
    mv = np.stack([_lead_vector(lead) for lead in leads]) @ heart
    breath = np.sin(2 * np.pi * 0.25 * np.arange(n) / fs_hz)
    return np.asarray(mv + wander_mv * rng.normal(size=(len(leads), 1)) * breath + noise_mv * rng.normal(size=mv.shape))


def _fibrillation(time_s: NDArray[np.float64], start_s: float, stop_s: float) -> NDArray[np.float64]:
    """Heart vector (3, n) of fibrillating atria: waves at about 6.5 Hz, never twice alike, the largest in V1."""
    phase = 2 * np.pi * 6.5 * time_s + 1.1 * np.sin(2 * np.pi * 0.37 * time_s) + 0.7 * np.sin(2 * np.pi * 0.91 * time_s)
    wave = (np.sin(phase) + 0.35 * np.sin(2 * phase + 0.8)) * (1 + 0.4 * np.sin(2 * np.pi * 0.23 * time_s))
    return np.outer(_FIBRILLATION_MV, wave * ((time_s >= start_s) & (time_s < stop_s)))


def record_of(
    name: str,
    mv: NDArray[np.float64],
    beats: Sequence[tuple[float, str]],
    leads: Sequence[str],
    fs_hz: float,
    comments: tuple[str, ...] = (),
    *,
    rhythms: Sequence[tuple[float, str]] = (),
) -> Record:
    """A Record of a synthetic signal (n_leads, n) in mV, NaN where missing, with its beats and where rhythms such as "(AFIB" begin (in s) as annotations "atr"."""
    limit = np.iinfo(np.int16)
    adc = np.clip(np.round(np.nan_to_num(mv) * GAIN), limit.min + 1, limit.max).astype(np.int16)
    adc[np.isnan(mv)] = missing_code(adc.dtype)
    inside = [(round(at * fs_hz), "N" if code == NO_P else code, "") for at, code in beats if 0 <= round(at * fs_hz) < mv.shape[1]]
    marks = sorted([*((round(at * fs_hz), "+", note) for at, note in rhythms), *inside])
    truth = replace(Annotation.of("atr", np.array([sample for sample, _, _ in marks], np.int64), [code for _, code, _ in marks]), notes=tuple(note for _, _, note in marks))
    ones = np.ones(len(leads))
    return Record(
        name, adc, GAIN * ones, 0 * ones, fs_hz, tuple(leads), Source("synthetic", f"{name}.hea", "0" * 64, "16"),
        patient=Patient(id="synthetic"), annotations=(truth,), comments=("Synthetic recording made by Leadwise; no patient", *comments),
    )  # fmt: skip


def _rhythm(duration_s: float, rate_bpm: float, ectopic: dict[int, str], seed: int) -> list[tuple[float, str]]:
    """Sinus rhythm with respiratory variation; ectopic[i] makes the i-th beat premature, V with a compensatory pause."""
    rng = np.random.default_rng(seed)
    rr, beats, now, number = 60 / rate_bpm, [], 0.6, 0
    while now < duration_s - 0.5:
        code = ectopic.get(number, "N")
        early = {"N": 0.0, "A": 0.35, "V": 0.4}[code] * rr
        beats.append((now - early, code))
        now += rr * (1 + 0.03 * np.sin(2 * np.pi * 0.25 * now) + 0.01 * rng.normal()) - (early if code == "A" else 0)
        number += 1
    return beats


def _ectopy() -> Record:
    ventricular = (40, 41, 77, 120, 122, 124, 126, 200, 201, 202, 260, 300, 371, 420, 480, 533)
    supraventricular = (20, 60, 95, 180, 240, 330, 400, 455, 510, 580)
    ectopic = dict.fromkeys(ventricular, "V") | dict.fromkeys(supraventricular, "A")
    beats = _rhythm(600, 66, ectopic, seed=1)
    leads = ("MLII", "V1")
    mv = synthesise(beats, 600, ("II", "V1"), 250, seed=1)
    return record_of("demo-ectopy", mv, beats, leads, 250)


def _twelve_lead() -> Record:
    beats = _rhythm(10, 72, {}, seed=2)
    return record_of("demo-12-lead", synthesise(beats, 10, STANDARD, 500, noise_mv=0.005, seed=2), beats, STANDARD, 500)


def _artefacts() -> Record:
    beats = _rhythm(120, 75, {30: "V", 90: "A"}, seed=3)
    mv = synthesise(beats, 120, ("II", "V1", "V5"), 250, seed=3)
    rng = np.random.default_rng(4)

    def at(start_s: float, stop_s: float) -> slice:
        return slice(round(start_s * 250), round(stop_s * 250))

    mv[0, at(20, 30)] = 0.0
    mv[1, at(40, 60)] += 0.5 * rng.normal(size=mv[1, at(40, 60)].size)
    mv[1] = np.clip(mv[1], -2.5, 2.5)
    mv[2, at(70, 85)] = np.nan
    mv[2, at(90, 100)] = np.clip(6 * mv[2, at(90, 100)], -1.2, 1.2)
    mv[2] = np.clip(mv[2], -1.2, 1.2)
    return record_of("demo-artefacts", mv, beats, ("II", "V1", "V5"), 250)


def _irregular(start_s: float, stop_s: float, seed: int) -> list[tuple[float, str]]:
    """Beats of atrial fibrillation: no P wave, and no interval that follows from the last."""
    rng = np.random.default_rng(seed)
    beats, now = [], start_s
    while now < stop_s:
        beats.append((now, NO_P))
        now += float(np.clip(rng.normal(0.66, 0.17), 0.36, 1.2))
    return beats


def _fibrillating() -> Record:
    beats = _irregular(0.4, 9.7, seed=5)
    mv = synthesise(beats, 10, STANDARD, 500, noise_mv=0.005, seed=5, fibrillation_s=(0, 10))
    return record_of("demo-af", mv, beats, STANDARD, 500, rhythms=((0, "(AFIB"),))


def _paroxysmal() -> Record:
    start_s, stop_s = 190.0, 420.0
    sinus = [beat for beat in _rhythm(600, 64, {150: "A", 500: "A"}, seed=6) if not start_s - 0.9 < beat[0] < stop_s + 0.6]
    beats = sorted([*sinus, *_irregular(start_s, stop_s, seed=6)])
    leads = ("I", "II", "V1")
    mv = synthesise(beats, 600, leads, 250, seed=6, fibrillation_s=(start_s, stop_s))
    return record_of("demo-paroxysmal-af", mv, beats, leads, 250, rhythms=((0, "(N"), (start_s, "(AFIB"), (stop_s, "(N")))


_MAKERS: Final[dict[str, Callable[[], Record]]] = {
    "demo-ectopy": _ectopy,
    "demo-12-lead": _twelve_lead,
    "demo-artefacts": _artefacts,
    "demo-af": _fibrillating,
    "demo-paroxysmal-af": _paroxysmal,
}
DEMOS: Final = {
    "demo-ectopy": "10 minutes, two leads: sinus rhythm with ventricular and supraventricular ectopic beats, a couplet, a run, bigeminy",
    "demo-12-lead": "10 seconds, twelve leads: sinus rhythm",
    "demo-artefacts": "2 minutes, three leads: a flat stretch, noise, a gap and clipping, each in one lead",
    "demo-af": "10 seconds, twelve leads: atrial fibrillation",
    "demo-paroxysmal-af": "10 minutes, three leads: sinus rhythm, four minutes of atrial fibrillation, sinus rhythm again",
}


def make_demo(name: str) -> Record:
    """A synthetic recording by its name in DEMOS, the same at each call. Raises InputError for another name."""
    if name not in _MAKERS:
        raise InputError(f"no demo record {name!r}; there are: {', '.join(_MAKERS)}")
    return _MAKERS[name]()


def write_demos(folder: str | Path) -> tuple[Path, ...]:
    """Write all demo records as WFDB into a folder, which is made if need be; the files written."""
    from ecgcore import writers

    Path(folder).mkdir(parents=True, exist_ok=True)
    return tuple(path for name in DEMOS for path in writers.write(make_demo(name), Path(folder) / f"{name}.hea"))
