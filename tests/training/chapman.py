"""Synthetic records in the layout of Chapman-Shaoxing, in which rate tells the rhythm."""

import numpy as np
import pandas as pd
from scipy.io import savemat

from ecgcore.demo import NO_P, synthesise
from ecgcore.leads import STANDARD

RATES = {"SB": 50, "SR": 75, "ST": 120, "AF": 140}
FLAT = "MUSE_SR_0"  # nothing can be measured in it


def write(folder, counts):
    """So many records of each rhythm of RATES; the workbook has one more row, without a record."""
    (folder / "ECGDataDenoisedMat").mkdir(parents=True)
    rows = []
    for rhythm, count in counts.items():
        for i in range(count):
            name, rr = f"MUSE_{rhythm}_{i}", 60 / RATES[rhythm]
            beats = [(at, "N" if rhythm != "AF" else NO_P) for at in np.arange(0.3 + 0.03 * i, 9.8, rr)]
            mv = synthesise(beats, 10, STANDARD, 500, seed=i, wander_mv=0.01) if name != FLAT else np.zeros((12, 5000))
            savemat(folder / "ECGDataDenoisedMat" / f"{name}.mat", {"val": 1000 * mv.T})
            rows.append(row(name, rhythm, PatientAge=40 + i, Gender="MALE" if i % 2 else "FEMALE", VentricularRate=RATES[rhythm], AtrialRate=0 if i == 1 else RATES[rhythm]))
    rows.append(row("MUSE_elsewhere", "AVRT"))
    pd.DataFrame(rows).to_excel(folder / "Diagnostics.xlsx", index=False)


def row(name, rhythm, **values):
    usual = {
        "FileName": name, "Rhythm": rhythm, "Beat": "NONE", "PatientAge": 50, "Gender": "FEMALE", "VentricularRate": 70, "AtrialRate": 70, "QRSDuration": 90, "QTInterval": 380,
        "QTCorrected": 420, "RAxis": -30, "TAxis": 0, "QRSCount": 12, "QOnset": 220, "QOffset": 265, "TOffset": 410,
    }  # fmt: skip
    return {**usual, **values}
