"""A comparison of two models for a reader at the terminal."""

from typing import Final

from ecgcore.evaluation.comparison import LEAST_BEATS, Comparison, FigureComparison, PatientComparison, SetComparison

MOST_PATIENTS: Final = 5  # of those who lost or gained most
LEAST_P: Final = 0.0001


def text(comparison: Comparison) -> str:
    """Every figure of both models by set, what is shown, who lost and gained most, and what must be known of it."""
    lines = [f"{comparison.new} against {comparison.current}: {comparison.verdict}"]
    for one in comparison.sets:
        lines += ["", *_set(one, comparison)]
    lines += ["", *(f"note    {said}" for said in (*comparison.caveats, comparison.interval) if said)]
    lines += [f"refused {said}" for said in comparison.refusals]
    if not comparison.refusals and any(one.n_beats is not None for one in comparison.sets):
        lines.append(f"No sensitivity for VEB or SVEB falls by more than {100 * comparison.margin:g} percentage points on a set with {LEAST_BEATS} or more of them.")
    return "\n".join([*lines, f"made by {comparison.command} in {comparison.minutes:.1f} min"])


def _set(one: SetComparison, comparison: Comparison) -> list[str]:
    beats = f", {one.n_patients} patient{'s' if one.n_patients != 1 else ''}, {one.n_beats:,} reference beats" if one.n_beats is not None else ""
    wide = max([len(figure.name) for figure in one.figures] + [len("figure")])
    columns = max(12, len(comparison.new), len(comparison.current))
    lines = [f"{one.name}{beats}", f"  {one.protocol}", f"  {'figure':{wide}}  {comparison.new:>{columns}}  {comparison.current:>{columns}}  difference (95 % interval)"]
    scale = 1 if one.n_beats is None else 100
    lines += [_figure(figure, wide, columns, scale) for figure in one.figures]
    if one.mcnemar and one.calibration_new and one.calibration_current:
        lines.append(f"  right by {comparison.new} alone {one.mcnemar.b:,} beats, by {comparison.current} alone {one.mcnemar.c:,}; McNemar p {_p(one.mcnemar.p)}")
        lines.append(f"  calibration error of {comparison.new} {_value(one.calibration_new.ece, 100)} %, of {comparison.current} {_value(one.calibration_current.ece, 100)} %")
    lines += _patients("lost most", [patient for patient in one.patients if patient.change < 0][:MOST_PATIENTS])
    lines += _patients("gained most", [patient for patient in reversed(one.patients) if patient.change > 0][:MOST_PATIENTS])
    return [*lines, *(f"  note  {said}" for said in one.caveats)]


def _figure(figure: FigureComparison, wide: int, columns: int, scale: int) -> str:
    interval = f" ({_value(figure.low, scale, '+')} to {_value(figure.high, scale, '+')})" if figure.low is not None else ""
    unit = " %" if scale == 100 else "  "
    new, current = (f"{_value(value, scale) + unit:>{columns}}" for value in (figure.new, figure.current))
    return f"  {figure.name:{wide}}  {new}  {current}  {_value(figure.difference, scale, '+')}{interval}  {figure.verdict}"


def _patients(what: str, patients: list[PatientComparison]) -> list[str]:
    said = [f"{patient.name} {100 * patient.change:+.2f} of {patient.n:,} beats" for patient in patients]
    return [f"  {what}, in percentage points called right: {'; '.join(said)}"] if said else []


def _p(value: float) -> str:
    return f"= {value:.4f}" if value >= LEAST_P else f"< {LEAST_P}"


def _value(value: float | None, scale: int, sign: str = "") -> str:
    return "–" if value is None else f"{scale * value:{sign}.{2 if scale == 100 else 4}f}"
