"""Tables of measures that are no confusion: where a map points, how near a reconstruction comes. Runs of several arms beside what was published."""

from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import ValidationError

from ecgcore.errors import ModelError
from ecgcore.evaluation.tables import Part

FILES: Final = "measures-*.json"


class Measure(Part):
    """A column: `better` says which way is good, or "level" where a stated level is to be met; `digits` after the point when it is shown."""

    name: str
    unit: str
    better: Literal["higher", "lower", "level"]
    digits: int


class Measured(Part):
    """A row: one arm, by run (fold or seed) its values in the order of the measures, None where one is not defined; `published` rows have one run."""

    name: str
    runs: tuple[tuple[float | None, ...], ...]
    published: bool = False

    def summary(self) -> tuple[tuple[float, float], ...]:
        """Mean and standard deviation (n - 1) over the runs by measure; NaN where none has it, or only one."""
        by_measure = [[value for value in column if value is not None] for column in zip(*self.runs, strict=True)]
        return tuple((float(np.mean(known)) if known else np.nan, float(np.std(known, ddof=1)) if len(known) > 1 else np.nan) for known in by_measure)


class Measures(Part):
    """All that was measured under one protocol, as it stands in measures-*.json beside the weights.

    said  what the table shows, in words that its figures bear out
    """

    model: str
    title: str
    split: Literal["random split", "by patient"]
    protocol: str
    trained: dict[str, tuple[str, ...]]
    tested: dict[str, tuple[str, ...]]
    measures: tuple[Measure, ...]
    rows: tuple[Measured, ...]
    said: tuple[str, ...] = ()
    command: str
    git_commit: str
    device: str
    minutes: float


def read_measures(folder: Path) -> tuple[Measures, ...]:
    """The measures in a model's folder, by file name. Raises ModelError for a table that does not fit."""
    found = []
    for path in sorted(folder.glob(FILES)):
        try:
            found.append(Measures.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            first = error.errors()[0]
            raise ModelError(f"{path.name} of {folder.parent.name}@{folder.name} does not fit: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return tuple(found)


def write_measures(measures: Measures, folder: Path, name: str) -> None:
    """Write measures-<name>.json into a model's folder."""
    (folder / FILES.replace("*", name)).write_text(measures.model_dump_json(indent=1) + "\n")
