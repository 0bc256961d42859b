"""Record → CSV: statements of rate, unit and start, a header row, then time and millivolts; missing cells are empty."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ecgcore.reconstructed import Accepted
from ecgcore.record import Annotation, Record, missing_code
from ecgcore.writers.files import whole

_PIECE_SAMPLES: Final = 1 << 18
TIME_DECIMALS: Final = 6


def write(record: Record, out: Path, annotations: Sequence[Annotation], reconstructions: Sequence[Accepted] = ()) -> tuple[Path, ...]:  # noqa: ARG001  # the signature of every writer
    """Write one CSV file that our reader reads without asking; its path. Annotations are not kept; reconstructions are told of above the header.

    Each value is rounded to a hundredth of an ADC step or finer.
    """
    import pyarrow as pa
    from pyarrow import csv

    names = ["time_s", *(_cell(lead) for lead in record.leads)]
    schema = pa.schema([(name, pa.float64()) for name in names])
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    with whole([out]) as (temporary,), temporary.open("wb") as file:
        start = f"# start: {record.start.isoformat()}\n" if record.start else ""
        told = "".join(f"# reconstructed, not in this file: {' '.join(one.said.split())}\n" for one in reconstructions)
        file.write(f"# fs_hz: {record.fs_hz!r}\n# units: mV\n{start}{told}{','.join(names)}\n".encode())
        with csv.CSVWriter(file, schema, write_options=options) as table:
            for first in range(0, record.n_samples, _PIECE_SAMPLES):
                stop = min(first + _PIECE_SAMPLES, record.n_samples)
                time_s = np.round(np.arange(first, stop) / record.fs_hz, TIME_DECIMALS)
                table.write_table(pa.table([pa.array(time_s), *(_column(record, row, first, stop) for row in range(len(record.leads)))], schema=schema))
    return (out,)


def _column(record: Record, row: int, first: int, stop: int):  # type: ignore[no-untyped-def]  # pyarrow has no types
    """Millivolts of one lead, null where missing."""
    import pyarrow as pa

    adc = record.adc[row, first:stop]
    decimals = max(6, int(np.ceil(np.log10(abs(record.gain[row])))) + 2)
    values = np.round((adc - record.baseline[row]) / record.gain[row], decimals) + 0.0
    return pa.array(values, mask=adc == missing_code(adc.dtype))


def _cell(name: str) -> str:
    """A lead name that needs no quotes."""
    return " ".join(name.replace(",", " ").replace('"', "").replace("'", "").split()) or "lead"
