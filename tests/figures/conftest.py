import numpy as np
import pytest

from ecgcore.record import Record, Source, missing_code


def record(n_leads: int = 2, duration_s: float = 60.0, fs_hz: float = 250.0) -> Record:
    """Leads of slow sine waves with a tall beat each second; lead II is missing from 12 s to 14 s."""
    time_s = np.arange(round(duration_s * fs_hz)) / fs_hz
    mv = np.stack([0.1 * np.sin(time_s * (1 + row)) + np.exp(-((np.mod(time_s, 1.0) - 0.5) ** 2) / 1e-4) for row in range(n_leads)])
    adc = np.round(mv * 200).astype(np.int16)
    names = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")[:n_leads]
    if n_leads > 1:
        adc[1, round(12 * fs_hz) : round(14 * fs_hz)] = missing_code(adc.dtype)
    return Record("made", adc, np.full(n_leads, 200.0), np.zeros(n_leads), fs_hz, names, Source("made", "made", "0" * 64))


@pytest.fixture
def made():
    return record
