"""Leadwise: ECG recordings in, beats and rhythm out, each finding with the model that made it.

>>> import ecgcore
>>> record = ecgcore.read("path/to/119")                # doctest: +SKIP
>>> ecgcore.analyze(record, ["MLII"]).beats.counts      # doctest: +SKIP
{'N': 1543, 'S': 0, 'V': 445, 'F': 0, 'Q': 0}
"""

from ecgcore.analysis import analyze
from ecgcore.api import convert, evaluate, info, load_model, models, train
from ecgcore.demo import make_demo, write_demos
from ecgcore.errors import EcgError
from ecgcore.findings import Analysis, Beats, Info, Quality, QualityMark, Rhythm
from ecgcore.readers import read
from ecgcore.record import Annotation, Patient, Record, Source

__all__ = [
    "Analysis",
    "Annotation",
    "Beats",
    "EcgError",
    "Info",
    "Patient",
    "Quality",
    "QualityMark",
    "Record",
    "Rhythm",
    "Source",
    "analyze",
    "convert",
    "evaluate",
    "info",
    "load_model",
    "make_demo",
    "models",
    "read",
    "train",
    "write_demos",
]
