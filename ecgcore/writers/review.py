"""Files that leave a review: a WFDB annotation file, the beats as CSV, and everything with its history as JSON.

All are made of plain values; nothing here knows where a reading is kept.
"""

import csv
import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgcore.findings import Beats
from ecgcore.review import State
from ecgcore.reviewed import certainty
from ecgcore.writers.csv import TIME_DECIMALS
from ecgcore.writers.provenance import Provenance, Signed
from ecgcore.writers.reconstructed import reconstructed_csv
from ecgcore.writers.review_json import ReviewFile, read_review_json, review_json
from ecgcore.writers.review_marks import annotation

__all__ = ["Provenance", "ReviewFile", "Signed", "annotation", "beats_csv", "read_review_json", "reconstructed_csv", "review_json"]

COLUMNS: Final = ("sample", "time_s", "class", "code", "author", "probability", "rr_ms")


def beats_csv(state: State, fs_hz: float, provenance: Provenance, found: Beats | None = None) -> str:
    """A line a beat, after lines "# key: value" that tell where it comes from; `pandas.read_csv(…, comment="#")` reads it.

    class        AAMI letter; `code` the MIT code
    author       who says so: the model, a reader, a file
    probability  of the class shown where it is the model that says so, from the beats it `found`; else empty
    rr_ms        since the beat before, whatever lies between; empty for the first
    """
    out = io.StringIO()
    out.writelines(f"# {line}\n" for line in provenance.lines())
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    probability = _cells(certainty(found, state), 4) if found is not None else [""] * len(state)
    rr_ms = _cells(np.diff(state.samples, prepend=np.nan) / fs_hz * 1000, 1)
    time_s = np.round(state.samples / fs_hz, TIME_DECIMALS).tolist()
    authors = [author.replace("#", " ") for author in state.authors.tolist()]  # a comment begins at "#" even within quotes
    rows.writerows(zip(state.samples.tolist(), time_s, state.labels.tolist(), state.codes.tolist(), authors, probability, rr_ms, strict=True))
    return out.getvalue()


def _cells(values: NDArray[np.floating], decimals: int) -> list[str]:
    """Numbers as text, empty where there is none."""
    return ["" if value != value else f"{value:.{decimals}f}" for value in values.tolist()]
