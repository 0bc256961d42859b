"""A synthetic record to write."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ecgcore.record import Annotation, Patient, Record, Source

MakeRecord = Callable[..., Record]


@pytest.fixture
def marks() -> Annotation:
    """Marks with every field used."""
    return Annotation(
        "atr",
        np.array([0, 10, 2000, 2000, 3599]),
        ("+", "N", "V", "~", '"'),
        ("(AFIB", "", "", "", "a note"),
        np.array([0, 1, -1, 0, 0], np.int16),
        np.array([0, 0, 1, 1, 0], np.int16),
        np.array([0, 2, 2, -3, 0], np.int16),
    )


@pytest.fixture
def make_record(marks: Annotation) -> MakeRecord:
    """Builds a record of two leads and 3600 samples at 360 Hz; one stretch is missing."""

    def build(**fields: Any) -> Record:
        t = np.arange(3600)
        adc = np.stack([np.rint(400 * np.sin(t / 30)) + 1024, np.rint(300 * np.cos(t / 17))]).astype(np.int16)
        adc[1, 100:200] = -32768
        given = {
            "name": "t",
            "adc": adc,
            "gain": np.array([200.0, 1716.0]),
            "baseline": np.array([1024.0, -7.0]),
            "fs_hz": 360.0,
            "leads": ("MLII", "V1"),
            "source": Source("WFDB", "t.hea", "0" * 64, "212"),
            "patient": Patient(sex="F", age_years=51.0),
            "annotations": (marks,),
            "comments": ("51 F 1129", "", " indented "),
        }
        return Record(**{**given, **fields})

    return build
