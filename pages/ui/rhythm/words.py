"""What the Rhythm page says of a rhythm, its leads and their weights. Knows nothing of Streamlit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ecgcore import leads as lead_names
from ecgcore.errors import LeadError
from ecgcore.figures.clock import clock
from ecgcore.figures.rhythm import probability
from ecgcore.findings import CORRELATED
from ecgcore.inference.cards import Card
from ecgcore.record import Record
from ecgcore.review import Item, State
from ecgcore.review.rhythms import WFDB_NAMES
from ecgcore.rhythm_findings import RHYTHM_NAMES, LeadChecks, Rhythm, RhythmSpan, RhythmTrend
from pages.ui.hand import first_leads
from pages.ui.text import duration, plain

MODEL: Final = "universal"
LONG_S: Final = 60.0  # a longer recording has no one rhythm
NOT_INSTALLED: Final = f"No model that tells the rhythm is installed: weights/{MODEL} is missing. Train it with: python -m ecgcore train {MODEL}. All else works without."
FIBRILLATION: Final = "AFIB"
SUBSETS: Final = {"Six limb leads": lead_names.LIMB, "I, II, V1": ("I", "II", "V1"), "I, II": ("I", "II"), "II": ("II",), "I": ("I",)}
ONLY_THESE: Final = "It knows these rhythms only: a paced, junctional or ventricular one may be called one of them."
WHAT_WEIGHTS_ARE: Final = (
    "How much the network took from each lead for its answer; together 100 %. A weight is no measurement of the heart and says nothing of where in the lead the network looked. "
    "Dotted: what each lead would weigh if all weighed the same."
)
HOW_CHECKED: Final = (
    "Measured on this stretch. Dropping: without the heaviest lead the probability of the rhythm must fall by more than without another lead, on the average of the others. "
    f"Randomisation: correlation of the weights with those of the same network with random weights; from {CORRELATED:g} on they show the signal, not what was learned."
)


@dataclass(frozen=True)
class Compared:
    """The rhythm on some leads; `found` is None where `why` says that none could be told."""

    name: str
    leads: tuple[str, ...]
    found: Rhythm | None
    why: str = ""

    @property
    def said(self) -> str:
        """The rhythm called; in words where none is."""
        if self.found is None:
            return self.why
        return RHYTHM_NAMES.get(self.found.label, self.found.label) if self.found.sure else f"not sure: {self.found.doubt}"

    def probability(self, label: str | None = None) -> float | None:
        """That of a rhythm, or of the most probable one."""
        return None if self.found is None else self.found.probabilities[label or self.found.label]


def leads_of(record: Record) -> tuple[str, ...]:
    """The leads that can be chosen, derived ones too; in standard order where all have a place in it, else as recorded."""
    there = lead_names.ecg_leads(record.available_leads)
    return lead_names.in_order(there) if set(there) <= set(lead_names.STANDARD) else there


def subsets(record: Record) -> dict[str, tuple[str, ...]]:
    """The subsets of leads that a record has, under their names; none twice."""
    every = lead_names.STANDARD if set(lead_names.STANDARD) <= set(record.available_leads) else first_leads(record)
    found = {f"All {len(every)} leads" if len(every) > 1 else every[0]: every}
    for name, wanted in SUBSETS.items():
        try:
            chosen = record.select(wanted)
        except LeadError:
            continue
        if chosen not in found.values():
            found[name if chosen == wanted else ", ".join(chosen)] = chosen
    return found


def without_each(leads: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The leads without each one of them, by the one left out; nothing for a single lead."""
    return {left_out: tuple(lead for lead in leads if lead != left_out) for left_out in leads} if len(leads) > 1 else {}


def heading(found: Rhythm) -> str:
    """What is called, or that nothing is."""
    return RHYTHM_NAMES.get(found.label, found.label).capitalize() if found.sure else "Not sure"


def under_heading(found: Rhythm) -> str:
    """Probability of what is called; why nothing is, and what is then the most probable; Markdown."""
    value = f"**{plain(probability(found.probabilities[found.label]))}**"
    if found.sure:
        return f"**{plain(found.label)}** with a probability of {value}"
    return f"{plain(_sentence(found.doubt))}  \nMost probable, not called: {plain(RHYTHM_NAMES.get(found.label, found.label))} ({plain(found.label)}) {value}"


def source(found: Rhythm, known: Card) -> str:
    """By which model on which leads of what stretch, and how far its probabilities can be taken."""
    limit = f" A rhythm is called from {known.certain_from:g} on, chosen on held-out patients." if known.certain_from is not None else ""
    few = f" Measured on too few patients to be called: {', '.join(known.unestablished)}." if known.unestablished else ""
    of_what = f"{found.model} on {', '.join(found.leads)}, {clock(found.start_s, 1)} to {clock(found.stop_s, 1)}."
    return f"{of_what} Probabilities are calibrated on held-out patients.{limit}{few} {ONLY_THESE}"


def check_lines(checks: LeadChecks | None, leads: Sequence[str]) -> list[str]:
    """Both checks of the weights, a line each; Markdown."""
    if len(leads) < 2:
        return ["One lead has all the weight there is: nothing to check."]
    if checks is None:
        return ["Not checked, for the weights of fewer than three leads have nothing to be compared by: not to be relied on."]
    verdict = {name: "**failed**" if name in checks.failing else "passed" for name in ("dropping", "randomisation")}
    return [
        f"Without {plain(checks.heaviest)}, the heaviest, the probability falls by {plain(_signed(checks.highlighted))}, "
        f"without another lead by {plain(_signed(checks.random))}: {verdict['dropping']}",
        f"Correlation with the weights of a network with random weights {plain(_signed(checks.correlation))}: {verdict['randomisation']}",
    ]


def not_believed(checks: LeadChecks | None) -> str:
    """Why the weights are not to be believed; empty where they may be."""
    return f"Not to be believed: {checks.failed}." if checks is not None and checks.failed else ""


def change(now: Rhythm, other: Rhythm | None) -> float | None:
    """By how much the probability of the most probable rhythm is another on other leads."""
    return None if other is None else round(other.probabilities[now.label] - now.probabilities[now.label], 2) + 0.0  # no "−0.00"


def burden(found: RhythmTrend) -> tuple[str, str]:
    """Atrial fibrillation's share of the time judged, and how it was got."""
    share = found.share(FIBRILLATION)
    judged_s = found.judged * found.duration_s
    how = (
        f"Time of the {found.window_s:g}-s windows called {FIBRILLATION} ({RHYTHM_NAMES[FIBRILLATION]}) as a share of all windows in which a rhythm is called: "
        f"{clock(judged_s)} of {clock(found.duration_s)}. "
        f"Windows that are not sure count for neither. Flutter (AF) is not counted. By {found.model} on {', '.join(found.leads)}; a burden of seconds is beyond its resolution."
    )
    return ("not judged" if share != share else f"{share:.1%}"), how


def judged(found: RhythmTrend) -> tuple[str, str]:
    """Share of the record in which a rhythm is called, and why not elsewhere."""
    doubts: dict[str, int] = {}
    for doubt in found.doubts:
        if doubt:
            kind = doubt.partition(":")[0] if ":" in doubt else doubt
            doubts[kind] = doubts.get(kind, 0) + 1
    listed = "; ".join(f"{n:,} × {doubt}" for doubt, n in sorted(doubts.items(), key=lambda item: -item[1])[:4])
    return f"{found.judged:.1%}", f"Share of the record in which a rhythm is called.{f' Windows that are not sure: {listed}.' if listed else ''}"


def longest(found: RhythmTrend) -> tuple[str, str]:
    """The longest span of atrial fibrillation, and how many there are."""
    spans = [span for span in found.spans() if span.label == FIBRILLATION]
    most = max((span.stop_s - span.start_s for span in spans), default=0.0)
    return (duration(most) if spans else "none"), f"{counted(len(spans))} of {FIBRILLATION}; a window that is not sure ends a span. Edges are exact to {found.window_s:g} s."


def marks_in(state: State, span: RhythmSpan, fs_hz: float) -> list[Item]:
    """The rhythm marks of a reading that touch a stretch."""
    start, stop = span.start_s * fs_hz, span.stop_s * fs_hz
    return [item for item in state.items if item.kind == "rhythm" and item.start < stop and start < item.stop]


def is_marked(state: State, span: RhythmSpan, fs_hz: float) -> Item | None:
    """The mark that says the same as a span; None where there is none."""
    return next((item for item in marks_in(state, span, fs_hz) if item.text == WFDB_NAMES.get(span.label)), None)


def counted(n: int) -> str:
    """So many spans."""
    return "1 span" if n == 1 else f"{n:,} spans"


def said_of(span: RhythmSpan) -> str:
    """A span in a few words."""
    return f"{span.label} {clock(span.start_s)} to {clock(span.stop_s)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def _signed(value: float) -> str:
    return f"{value:z.3f}".replace("-", "−")
