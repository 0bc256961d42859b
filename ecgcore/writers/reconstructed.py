"""Accepted reconstructions → CSV: the values that stand beside a recording, in a file of their own that says what they are."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from ecgcore.reconstructed import DECIMALS, NEVER_MEASURED, Accepted, standing
from ecgcore.writers.csv import TIME_DECIMALS

SUFFIX: Final = ".reconstructed.csv"
COLUMNS: Final = ("lead", "kind", "sample", "time_s", "reconstructed_mv", "reconstructed_low_mv", "reconstructed_high_mv", "coverage", "model", "accepted_by", "accepted_at")


def reconstructed_csv(accepted: Iterable[Accepted], about: Sequence[str] = ()) -> str:
    """A line a sample of those that stand, after lines "# …" that say what they are; `pandas.read_csv(…, comment="#")` reads it.

    about  lines on where the file comes from, as `Provenance.lines` gives them
    """
    out = io.StringIO()
    out.writelines(f"# {line}\n" for line in (f"reconstructed signal: {NEVER_MEASURED}", *about))
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for one in standing(accepted):
        made = one.made
        after = (f"{made.coverage:g}", made.model, one.who.replace("#", " "), one.at.isoformat(timespec="seconds"))  # a comment begins at "#" even within quotes
        for k, values in enumerate(zip(made.signal_mv.tolist(), made.low_mv.tolist(), made.high_mv.tolist(), strict=True)):
            sample = made.start_sample + k
            millivolts = (f"{value:.{DECIMALS}f}" for value in values)
            rows.writerow((made.lead, made.kind, sample, round(sample / made.fs_hz, TIME_DECIMALS), *millivolts, *after))
    return out.getvalue()
