"""What the Review page says of beats and signal: letters, numbers, tables. Knows nothing of Streamlit."""

from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from ecgcore.figures import trend
from ecgcore.figures.clock import clock
from ecgcore.figures.strip import Letter, Letters, beats_in
from ecgcore.figures.window import Window
from ecgcore.findings import AAMI_CLASSES, AAMI_OF_MIT, Analysis, QualityMark
from ecgcore.record import Annotation, Record
from pages.ui.text import plain

CLASS_NAMES: Final = {"N": "normal or bundle branch block", "S": "supraventricular ectopic", "V": "ventricular ectopic", "F": "fusion", "Q": "paced or unclassifiable"}
BEAT_COLUMNS: Final = ("Time", "Class", "Probability", "RR before", *(f"p({name})" for name in AAMI_CLASSES))


@dataclass(frozen=True)
class Number:
    """A number a clinician may quote, and how it was got."""

    label: str
    value: str
    how: str


def letters(analysis: Analysis, window: Window) -> Letters:
    """The model's beats in the window."""
    beats, fs_hz = analysis.beats, analysis.record.fs_hz
    shown = beats_in(beats.samples, window)
    made = []
    for i in range(shown.start, shown.stop):
        time_s = float(beats.samples[i] / fs_hz)
        others = " · ".join(f"{name} {p:.2f}" for name, p in zip(beats.classes, beats.probabilities[i], strict=True))
        told = f"<b>{escape(beats.labels[i])}</b> {CLASS_NAMES.get(beats.labels[i], '')}<br>at {clock(time_s, 3)} · RR {rr_text(analysis, i)}<br>{others}"
        made.append(Letter(time_s, beats.labels[i], told))
    return Letters(beats.model, tuple(made))


def reference(annotation: Annotation, window: Window) -> Letters:
    """The beats of an annotation file in the window, by AAMI class."""
    shown = beats_in(annotation.samples, window)
    made = []
    for i in range(shown.start, shown.stop):
        symbol = annotation.symbols[i]
        if symbol in AAMI_OF_MIT:
            time_s = float(annotation.samples[i] / window.fs_hz)
            made.append(Letter(time_s, AAMI_OF_MIT[symbol], f"<b>{AAMI_OF_MIT[symbol]}</b>, code {escape(symbol)} in {escape(annotation.annotator)}<br>at {clock(time_s, 3)}"))
    return Letters(annotation.annotator, tuple(made))


def rr_text(analysis: Analysis, beat: int) -> str:
    """The interval before a beat in ms, with its rate; a dash before the first."""
    if beat == 0:
        return "–"
    rr_ms = float(analysis.beats.samples[beat] - analysis.beats.samples[beat - 1]) / analysis.record.fs_hz * 1000
    return f"{rr_ms:.0f} ms ({60_000 / rr_ms:.0f}/min)" if rr_ms > 0 else "–"


def beat_rows(analysis: Analysis, window: Window) -> list[tuple[str, ...]]:
    """The window's beats, a line each, under BEAT_COLUMNS."""
    beats = analysis.beats
    shown = beats_in(beats.samples, window)
    rows = []
    for i in range(shown.start, shown.stop):
        by_class = {name: f"{p:.2f}" for name, p in zip(beats.classes, beats.probabilities[i], strict=True)}
        label = beats.labels[i]
        rows.append(
            (clock(float(beats.samples[i] / analysis.record.fs_hz), 3), f"**{label}**", by_class.get(label, "–"), rr_text(analysis, i), *(by_class.get(c, "–") for c in "NSVFQ"))
        )
    return rows


def headline(analysis: Analysis) -> list[Number]:
    """Counts, burden and heart rate of the whole record."""
    beats = analysis.beats
    source = f"Beats found by {beats.detector} and classified by {beats.model} on {', '.join(beats.leads)}; not reviewed by a physician."
    numbers = [Number("Beats", f"{len(beats):,}", source)]
    for name, count in beats.counts.items():
        share = f" · {count / len(beats):.1%}" if len(beats) else ""
        how = f"{count:,} of {len(beats):,} beats are {name}, {CLASS_NAMES.get(name, 'class of the model')} (AAMI EC57). The burden is their share of all beats found. {source}"
        numbers.append(Number(f"{name} beats", f"{count:,}{share}", how))
    return [*numbers, _heart_rate(analysis)]


def _heart_rate(analysis: Analysis) -> Number:
    _, bpm = trend.heart_rate(analysis.beats, analysis.record.fs_hz, trend.blind(analysis.quality, analysis.leads))
    known = bpm[~np.isnan(bpm)]
    how = "60 / RR of successive beats of any class: median (least–greatest) over the record. Intervals across stretches without a readable lead are left out."
    if not known.size:
        return Number("Heart rate", "not measured", how)
    return Number("Heart rate, 1/min", f"{np.median(known):.0f} ({known.min():.0f}–{known.max():.0f})", how)


def marks_in(analysis: Analysis, window: Window) -> tuple[QualityMark, ...]:
    """Quality marks that touch the window."""
    return tuple(mark for mark in analysis.quality.marks if mark.start_s < window.stop_s and mark.stop_s > window.start_s)


def quality_rows(analysis: Analysis, most: int = 200) -> list[tuple[str, ...]]:
    """Quality marks of the whole record, a line each: lead, from, to, what, why."""
    return [(plain(m.lead), clock(m.start_s, 1), clock(m.stop_s, 1), m.kind, plain(m.reason)) for m in analysis.quality.marks[:most]]


def usable_text(analysis: Analysis) -> str:
    """Share of usable windows by lead."""
    shares = ", ".join(f"{plain(lead)} {share:.0%}" for lead, share in analysis.quality.usable.items())
    return f"Usable {analysis.quality.window_s:g}-s windows: {shares}."


def beat_annotators(record: Record) -> tuple[str, ...]:
    """Annotators of the record that mark beats."""
    return tuple(a.annotator for a in record.annotations if any(symbol in AAMI_OF_MIT for symbol in a.symbols))


def comparison_rows(analysis: Analysis, annotation: Annotation) -> list[tuple[str, ...]]:
    """Counts of the model beside those of an annotation file, by class."""
    counted = [AAMI_OF_MIT[symbol] for symbol in annotation.symbols if symbol in AAMI_OF_MIT]
    rows = [(f"**{name}**", CLASS_NAMES.get(name, ""), f"{count:,}", f"{counted.count(name):,}") for name, count in analysis.beats.counts.items()]
    return [*rows, ("**All**", "", f"{len(analysis.beats):,}", f"{len(counted):,}")]


def rhythm_notes(annotation: Annotation, window: Window) -> str:
    """The rhythm that the annotation file names for the start of the window; empty where it names none."""
    before = [note for sample, note in zip(annotation.samples, annotation.notes, strict=True) if note.startswith("(") and sample <= window.start_s * window.fs_hz]
    return before[-1].strip("(\x00 ") if before else ""
