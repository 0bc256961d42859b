"""Recordings made worse by real noise of a known strength, after the MIT-BIH Noise Stress Test (Moody et al., 1984)."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore import data
from ecgcore.errors import InputError
from ecgcore.readers import read
from ecgcore.record import Record, missing_code
from ecgcore.signals.resampling import resample
from ecgcore.signals.windows import cut

KINDS: Final = {"bw": "baseline wander", "ma": "muscle artefact"}
QRS_HALF_S: Final = 0.05
TRAINED_SHARE: Final = 0.5  # training adds noise from the first half of the noise recordings only


@dataclass(frozen=True)
class Noise:
    """Kind of noise, a recording of `nstdb-noise`, and the signal-to-noise ratio in dB."""

    kind: str
    snr_db: float

    @property
    def text(self) -> str:
        """In words, for a protocol."""
        return f"with {KINDS[self.kind]} ({self.kind} of nstdb, its second half, which training does not hear) at {self.snr_db:g} dB"


def parse(text: str) -> Noise:
    """ "ma:12" is muscle artefact at 12 dB. Raises InputError for anything else."""
    kind, _, decibels = text.partition(":")
    try:
        return Noise({name: name for name in KINDS}[kind], float(decibels))
    except (KeyError, ValueError) as error:
        raise InputError(f"no noise {text!r}; write {' or '.join(f'{name}:12' for name in KINDS)}, the number being the ratio in dB") from error


def add(record: Record, peaks: NDArray[np.int64], noise: Noise) -> Record:
    """The record with noise on every lead; peaks (n_beats,) are its R peaks, whose height sets the strength.

    Signal power is that of a sine as high as the median QRS, peak to peak, within 50 ms around R; noise power is its
    variance (`nst` of the WFDB software). Each lead gets a channel of the noise, repeated to the record's length.
    """
    source = read(data.locate("nstdb-noise") / noise.kind)
    channels = source.mv()[:, int(source.n_samples * TRAINED_SHARE) :]
    half = max(1, round(QRS_HALF_S * record.fs_hz))
    adc = record.adc.astype(np.int32)
    for row, lead in enumerate(record.leads):
        clean = record.mv((lead,))[0]
        heights = np.ptp(cut(np.nan_to_num(clean), peaks, half, half), axis=1)
        sound = resample(channels[row % len(channels)], source.fs_hz, record.fs_hz)
        sound = np.resize((sound - sound.mean()) / sound.std(), clean.size)
        gain = float(np.median(heights)) / np.sqrt(8) * 10 ** (-noise.snr_db / 20)
        known = record.adc[row] != missing_code(record.adc.dtype)
        adc[row] = np.where(known, np.round(adc[row] + gain * sound * record.gain[row]), missing_code(adc.dtype))
    return replace(record, adc=adc)
