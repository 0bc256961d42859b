"""The models side by side on the beats of the reading: counts, where they disagree, and where the attention lay over one beat."""

from collections.abc import Callable
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ecgcore import attention, side_by_side
from ecgcore.errors import InputError
from ecgcore.figures import attention as attention_figure
from ecgcore.figures.clock import clock, seconds
from ecgcore.findings import AttentionMap
from ecgcore.inference import beat_windows
from ecgcore.side_by_side import SideBySide
from pages.ui import models, shell, steering
from pages.ui.hand import Hand
from pages.ui.models import Compared
from pages.ui.panels import listing
from pages.ui.text import plain, table

_FOUND: Final = "models_found"
_WANTED: Final = "models_wanted"
_BEAT: Final = "models_beat"
_MAPS: Final = "models_maps"
_MOST_MAPS: Final = 32
_STILL: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def show(held: Hand) -> None:
    """Counts by model, disagreements, and the beat in hand with the attention under it."""
    there = models.compared()
    if there.absent:
        st.caption(plain(models.not_installed(there.absent)))
    if len(there.cards) < 2:
        st.caption("Nothing to compare: only one model is installed.")
        return
    found = _found(held, there)
    if found is None:
        st.caption(plain(f"{', '.join(there.ids)} can classify the {len(held.state.samples):,} beats of this reading, so that you see where they disagree."))
        st.button("Compare models", icon=":material/compare_arrows:", on_click=st.session_state.update, args=({_WANTED: _key(held, there)},))
        return
    for caution in found.cautions:
        st.caption(plain(caution))
    st.markdown(table(*models.count_rows(found)))
    st.caption(plain(f"{models.pairs(found)} {models.how_compared(found)}"))
    disagreements(held, found)
    index = beat_in_hand(held, found)
    if index is not None:
        beat(held, found, there, index)


def disagreements(held: Hand, found: SideBySide) -> None:
    """The beats that two models call differently, in time order; a click goes there."""
    apart = found.disagreements().tolist()
    if not apart:
        st.markdown("**The models disagree on no beat.**")
        return
    st.markdown(f"**{len(apart):,} {'beat' if len(apart) == 1 else 'beats'} of {found.samples.size:,} on which they disagree**")
    short = {beats.model: beats.model.partition("@")[0] for beats in found.by_model}
    listing.pick(
        f"models-{held.reading.id}-{held.state.seq}",
        apart,
        {"Time": lambda index: clock(found.samples[index] / held.record.fs_hz, 2), **{short[beats.model]: _caller(beats.labels) for beats in found.by_model}},
        lambda index: _take(held, int(found.samples[index])),
        {"Time": st.column_config.TextColumn(width=84)},
        most_px=6 * listing.ROW_PX + 3,
    )


def beat_in_hand(held: Hand, found: SideBySide) -> int | None:
    """The beat chosen in the list, or by its time; at first the first disagreement. None where there is no beat."""
    if not found.samples.size:
        return None
    st.text_input("Attention over the beat at", placeholder="h:mm:ss, or choose one in the list", key=f"models-at-{held.reading.id}", on_change=_typed, args=(held, found))
    chosen = st.session_state.get(_BEAT)
    if chosen is None or chosen[0] != held.reading.id:
        apart = found.disagreements()
        return int(apart[0]) if apart.size else 0
    return int(np.abs(found.samples - chosen[1]).argmin())


def beat(held: Hand, found: SideBySide, there: Compared, index: int) -> None:
    """What each model calls the beat, and the map of each that has attention."""
    at = clock(found.samples[index] / held.record.fs_hz, 2)
    said = " · ".join(f"{plain(beats.model)}: **{beats.labels[index]}** {_top(beats.probabilities[index], beats.classes, beats.labels[index])}" for beats in found.by_model)
    st.markdown(f"Beat at {at}: {said}")
    for card in there.cards:
        if card.task == beat_windows.TASK:
            one(held, _map(held, card.id, index), len(found.by_model[found.models.index(card.id)].leads))
    if any(card.task == beat_windows.TASK for card in there.cards):
        st.caption(models.WHAT_IT_IS)


def one(held: Hand, found: AttentionMap, n_leads: int) -> None:
    """The map of one model, or why it is not shown."""
    st.markdown(f"**{plain(found.model)}** on {plain(found.lead)}" + (f", the first of {n_leads} leads averaged" if n_leads > 1 else ""))
    if hidden := models.why_hidden(found):
        st.caption(plain(f"{hidden} {models.checked(found)}"))
        return
    drawn = attention_figure.figure(held.record, found, shell.colours())
    st.plotly_chart(drawn, theme=None, config=_STILL, alt=attention_figure.alt(found), key=f"attention-{found.model}")
    st.caption(plain(f"{models.told(found)} {models.checked(found)}"))


def forget() -> None:
    """Another record is in hand."""
    for name in (_BEAT, _MAPS):
        st.session_state.pop(name, None)


def _caller(labels: tuple[str, ...]) -> Callable[[int], object]:
    return lambda index: labels[index]


def _top(probabilities: NDArray[np.float32], classes: tuple[str, ...], label: str) -> str:
    return f"(p {probabilities[classes.index(label)]:.2f})"


def _take(held: Hand, sample: int) -> None:
    """Have this beat in hand, here and on the strip."""
    st.session_state[_BEAT] = (held.reading.id, sample)
    steering.go_to(sample / held.record.fs_hz, select=[sample])


def _typed(held: Hand, found: SideBySide) -> None:
    """The beat nearest to the time that the reader typed."""
    text = st.session_state.get(f"models-at-{held.reading.id}", "")
    if not text.strip():
        return
    try:
        at = seconds(text) * held.record.fs_hz
    except InputError as error:
        st.toast(str(error), icon=":material/error:")
        return
    _take(held, int(found.samples[np.abs(found.samples - at).argmin()]))


def _key(held: Hand, there: Compared) -> tuple[object, ...]:
    return held.record_id, held.found.leads, there.ids, hash(held.state.samples.tobytes())


def _found(held: Hand, there: Compared) -> SideBySide | None:
    """The models on the beats as they are now: kept until beats come, go or move, made where that was asked for, None where it was not."""
    key = _key(held, there)
    kept = st.session_state.get(_FOUND)
    if kept is None or kept[0] != key:
        wanted = st.session_state.get(_WANTED)
        if wanted is None or wanted[:3] != key[:3]:
            return None
        bar = st.progress(0.0, "Classifying beats …")
        made = side_by_side.compare(held.record, held.state.samples, held.found.leads, there.ids, lambda share, text: bar.progress(min(share, 1.0), f"{text.capitalize()} …"))
        bar.empty()
        kept = st.session_state[_FOUND] = (key, made)
    found: SideBySide = kept[1]
    return found


def _map(held: Hand, model: str, index: int) -> AttentionMap:
    """The map of a model over a beat; the last few are kept."""
    kept = st.session_state.setdefault(_MAPS, {})
    key = (held.record_id, held.found.leads, model, hash(held.state.samples.tobytes()), index)
    if key not in kept:
        while len(kept) >= _MOST_MAPS:
            kept.pop(next(iter(kept)))
        kept[key] = attention.attend(held.record, held.state.samples, index, held.found.leads, model=model)
    found: AttentionMap = kept[key]
    return found
