"""Beats whose waves begin and end where they are said to, and are nothing outside: what a delineator must find again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgcore.demo import record_of
from ecgcore.leads import STANDARD
from ecgcore.record import Record


@dataclass(frozen=True)
class Shape:
    """Onset and end of each wave in ms from R, None for a wave that is not there; heights in mV."""

    p: tuple[float, float] | None = (-190.0, -90.0)
    qrs: tuple[float, float] = (-44.0, 46.0)
    t: tuple[float, float] | None = (170.0, 370.0)
    p_mv: float = 0.15
    r_mv: float = 1.0
    t_mv: float = 0.35
    u_mv: float = 0.0
    spike_ms: float | None = None


def _arc(time_ms, start, stop):
    inside = (time_ms >= start) & (time_ms <= stop)
    return np.where(inside, np.sin(np.pi * np.clip((time_ms - start) / (stop - start), 0, 1)), 0.0)


def waves(time_ms, shape):
    """P, Q, R, S, T, U and pacing spike at times (n,), each of height 1, (7, n)."""
    first, last = shape.qrs
    none = np.zeros_like(time_ms)
    p = none if shape.p is None else _arc(time_ms, *shape.p) ** 2
    q, r, s = (_arc(time_ms, *ends) ** 2 for ends in ((first, first * 0.45), (first * 0.45, last * 0.45), (last * 0.45, last)))
    t = none if shape.t is None else _arc(time_ms, *shape.t) ** 2
    u = none if shape.t is None else _arc(time_ms, shape.t[1] + 20, shape.t[1] + 180) ** 2
    spike = none if shape.spike_ms is None else (np.abs(time_ms - shape.spike_ms) <= 1.5).astype(float)
    return np.stack([p, q, r, s, t, u, spike])


def heights(shape, n_leads, seed=3):
    """How high each wave is in each lead (n_leads, 7): another view of the heart each, the second lead upright like a II."""
    rng = np.random.default_rng(seed)
    turned = rng.uniform(0.35, 1.0, (n_leads, 7)) * rng.choice([-1.0, 1.0], (n_leads, 1))
    turned[min(1, n_leads - 1)] = 1.0
    return turned * np.array([shape.p_mv, -0.25 * shape.r_mv, shape.r_mv, -0.3 * shape.r_mv, shape.t_mv, shape.u_mv, 2.0])


def beat(shape, n_leads=12, fs_hz=500.0, before_ms=450.0, after_ms=900.0):
    """One beat (n_leads, n) in mV and the sample of R."""
    r = round(before_ms / 1000 * fs_hz)
    time_ms = (np.arange(r + round(after_ms / 1000 * fs_hz)) - r) / fs_hz * 1000
    return (heights(shape, n_leads) @ waves(time_ms, shape)).astype(np.float32), r


def recording(
    beats: Sequence[tuple[float, Shape]],
    duration_s: float = 12.0,
    leads: Sequence[str] = STANDARD,
    fs_hz: float = 500.0,
    noise_mv: float = 0.01,
    wander_mv: float = 0.1,
) -> Record:
    """A recording of beats given as (R in s, shape), with white noise and baseline wander; the reference beats are N."""
    rng = np.random.default_rng(1)
    time_s = np.arange(round(duration_s * fs_hz)) / fs_hz
    mv = noise_mv * rng.normal(size=(len(leads), time_s.size)) + wander_mv * rng.uniform(0.5, 1.0, (len(leads), 1)) * np.sin(2 * np.pi * 0.2 * time_s)
    for at_s, shape in beats:
        near = np.abs(time_s - at_s) < 1.0
        mv[:, near] += heights(shape, len(leads)) @ waves((time_s[near] - at_s) * 1000, shape)
    return record_of("waves", mv, [(at_s, "N") for at_s, _ in beats], leads, fs_hz)


def steady(shape: Shape = Shape(), rr_s: float = 0.9, **options) -> Record:
    """A recording of one beat again and again."""
    return recording([(float(at_s), shape) for at_s in np.arange(0.7, options.get("duration_s", 12.0) - 0.3, rr_s)], **options)
