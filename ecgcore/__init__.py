"""Leadwise: ECG recordings in, beats and rhythm out, each finding with the model that made it.

>>> import ecgcore
>>> record = ecgcore.read("path/to/119")                # doctest: +SKIP
>>> ecgcore.analyze(record, ["MLII"]).beats.counts      # doctest: +SKIP
{'N': 1543, 'S': 0, 'V': 444, 'F': 0, 'Q': 0}

Each name is imported when it is first used, so that a part which is not needed, or not there, costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgcore.analysis import analyze
    from ecgcore.api import convert, evaluate, info, list_models, load_model, quantize, train
    from ecgcore.archive import Archive, analyze_folder
    from ecgcore.comparing import compare_models
    from ecgcore.data import fetch
    from ecgcore.demo import make_demo, write_demos
    from ecgcore.ectopy import locate
    from ecgcore.errors import EcgError
    from ecgcore.findings import Analysis, Beats, Info, Quality, QualityMark
    from ecgcore.readers import read
    from ecgcore.record import Annotation, Patient, Record, Source
    from ecgcore.registry import export_model, import_model
    from ecgcore.restoration import fill, forecast
    from ecgcore.rhythm import rhythm_along, rhythm_of
    from ecgcore.rhythm_findings import Rhythm, RhythmTrend

__version__ = "0.2.0"

__all__ = [
    "Analysis",
    "Annotation",
    "Archive",
    "Beats",
    "EcgError",
    "Info",
    "Patient",
    "Quality",
    "QualityMark",
    "Record",
    "Rhythm",
    "RhythmTrend",
    "Source",
    "analyze",
    "analyze_folder",
    "compare_models",
    "convert",
    "evaluate",
    "export_model",
    "fetch",
    "fill",
    "forecast",
    "import_model",
    "info",
    "list_models",
    "load_model",
    "locate",
    "make_demo",
    "quantize",
    "read",
    "rhythm_along",
    "rhythm_of",
    "train",
    "write_demos",
]

_HOMES = {
    "analysis": ("analyze",),
    "api": ("convert", "evaluate", "info", "list_models", "load_model", "quantize", "train"),
    "archive": ("Archive", "analyze_folder"),
    "comparing": ("compare_models",),
    "data": ("fetch",),
    "demo": ("make_demo", "write_demos"),
    "ectopy": ("locate",),
    "errors": ("EcgError",),
    "findings": ("Analysis", "Beats", "Info", "Quality", "QualityMark"),
    "readers": ("read",),
    "record": ("Annotation", "Patient", "Record", "Source"),
    "registry": ("export_model", "import_model"),
    "restoration": ("fill", "forecast"),
    "rhythm": ("rhythm_along", "rhythm_of"),
    "rhythm_findings": ("Rhythm", "RhythmTrend"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"ecgcore.{module}"), name)
    raise AttributeError(f"module 'ecgcore' has no attribute {name!r}")
