"""Filling a gap and forecasting: what is asked for, what the model makes of it, and what becomes of that."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.findings import QualityMark, Reconstruction
from ecgcore.reconstructed import overlapping
from ecgcore.record import Record
from pages.ui import access, cards, dashed, desk, gaps, keeping, rights, steering
from pages.ui.panels import listing
from pages.ui.text import plain, table

FILL, FORECAST = "Fill a gap", "Forecast"
FORECASTS_S: Final = (1, 2)
STEP_S: Final = 0.01  # by which the number fields step
_RECORD: Final = "restored"
_LEAD, _TASK, _FROM, _TO, _AT, _LONG = "restore-lead", "restore-task", "restore-from", "restore-to", "restore-at", "restore-long"
_CANDIDATE: Final = "restore-candidate"
_SAID: Final = "restore-said"


def arrive(record_id: str, record: Record, lead: str) -> None:
    """This record is in hand: what was asked for of another is forgotten."""
    kept = st.session_state
    if kept.get(_RECORD) != record_id:
        kept[_RECORD] = record_id
        for key in (_CANDIDATE, _SAID):
            kept.pop(key, None)
        kept.update({_LEAD: lead, _TASK: FILL, _FROM: 0.0, _TO: 0.0, _AT: record.duration_s, _LONG: FORECASTS_S[0]})
    keeping.keep((_LEAD, _TASK, _FROM, _TO, _AT, _LONG))
    steering.arrive(record_id)


def marked() -> dict[str, Any]:
    """The gap for the strip, on the lead chosen."""
    kept = st.session_state
    filling = kept[_TASK] == FILL and candidate() is None
    return {"lead": kept[_LEAD], "start_s": kept[_FROM], "stop_s": kept[_TO] if filling else kept[_FROM]}


def candidate() -> Reconstruction | None:
    """What the model made last, neither accepted nor discarded."""
    made: Reconstruction | None = st.session_state.get(_CANDIDATE)
    return made


def mark(record: Record, start_s: float, stop_s: float, lead: str | None) -> None:
    """A gap is marked on the strip, or chosen from the list: for callbacks."""
    kept = st.session_state
    if lead in gaps.leads_for(record):
        kept[_LEAD] = lead
    kept.update({_TASK: FILL, _FROM: round(max(0.0, start_s), 3), _TO: round(min(stop_s, record.duration_s), 3)})
    _drop()


def panel(user: access.User, record_id: str, record: Record, marks: tuple[QualityMark, ...] | None) -> None:
    """What to reconstruct, and what came of it. `marks` are None where the signal was not checked yet. Raises EcgError."""
    known = cards.installed(gaps.MODEL)
    if known is None:
        st.info(gaps.NOT_INSTALLED, icon=":material/download:")
    st.selectbox("Lead", gaps.leads_for(record), key=_LEAD, on_change=_drop)
    st.segmented_control("Task", (FILL, FORECAST), key=_TASK, required=True, label_visibility="collapsed", on_change=_drop, width="stretch")
    if st.session_state[_TASK] == FILL:
        fill(record, record_id, disabled=known is None)
    else:
        forecast(record, record_id, disabled=known is None)
    if said := st.session_state.get(_SAID):
        st.error(plain(said), icon=":material/error:")
    if known is not None and (made := candidate()) is not None:
        verdict(user, record_id, made, gaps.figures(known, made), known.limits)
    if known is not None and st.session_state[_TASK] == FILL:
        proposals(record_id, record, marks, known.id)


def fill(record: Record, record_id: str, *, disabled: bool) -> None:
    """The ends of the gap, and a button."""
    st.caption("Shift + drag over the strip, then Gap (Shift + G); or enter its ends; or choose one below.")
    left, right = st.columns(2, gap="small")
    left.number_input("From, s", 0.0, record.duration_s, step=STEP_S, format="%.3f", key=_FROM, on_change=_drop)
    right.number_input("To, s", 0.0, record.duration_s, step=STEP_S, format="%.3f", key=_TO, on_change=_drop)
    st.button("Fill", type="primary", icon=":material/timeline:", width="stretch", disabled=disabled, on_click=_make, args=(record_id, _filled))


def forecast(record: Record, record_id: str, *, disabled: bool) -> None:
    """From when, how long, and a button."""
    st.caption("Within the record the signal as recorded stands beside the forecast, so that both can be compared.")
    left, right = st.columns(2, gap="small", vertical_alignment="bottom")
    left.number_input("From, s", 0.0, record.duration_s, step=STEP_S, format="%.3f", key=_AT, on_change=_drop, help="The end of the record at first.")
    right.segmented_control("For", FORECASTS_S, key=_LONG, required=True, format_func=lambda seconds: f"{seconds} s", on_change=_drop)
    st.button("Forecast", type="primary", icon=":material/timeline:", width="stretch", disabled=disabled, on_click=_make, args=(record_id, _foreseen))


def proposals(record_id: str, record: Record, marks: tuple[QualityMark, ...] | None, model: str) -> None:
    """Gaps that are there to be filled, but for those that are; a click marks one."""
    lead = st.session_state[_LEAD]
    stand = desk.reconstructions().of(record_id)
    found = [gap for gap in gaps.found(record, marks or (), lead, model) if not overlapping(stand, lead, *gaps.samples(record, *gap[:2]))]
    st.markdown(f"**Gaps to fill on {plain(lead)}: {len(found)}**")
    if found:
        columns: dict[str, Callable[[tuple[float, float, str]], object]] = {"From, s": lambda gap: gap[0], "Length, s": lambda gap: gap[1] - gap[0], "Why": lambda gap: gap[2]}
        number = st.column_config.NumberColumn(format="%.2f")

        def choose(gap: tuple[float, float, str]) -> None:
            mark(record, gap[0], gap[1], lead)
            steering.go_to((gap[0] + gap[1]) / 2)

        listing.pick(f"gaps-{lead}", found, columns, choose, {"From, s": number, "Length, s": number}, most_px=180)
    if marks is None:
        st.caption("Only missing samples are looked for: the quality of the signal is checked when the record is first opened on Review.")


def verdict(user: access.User, record_id: str, made: Reconstruction, measured: str, limits: tuple[str, ...]) -> None:
    """What is only looked at so far: what it is, what its maker is worth, and two buttons."""
    with st.container(border=True):
        st.markdown(f"**Not accepted: {plain(made.lead)} {plain(dashed.span(made))}**", help=plain(gaps.WHAT_IT_IS))
        st.caption(f"By {plain(made.model)}. Shaded: should hold {made.coverage:.0%} of the true samples. {measured}", help=plain(" ".join(limits)) or None)
        why_not = rights.why_not_accept(user)
        with st.container(horizontal=True):
            st.button("Accept", type="primary", icon=":material/check:", disabled=bool(why_not), on_click=_accept, args=(record_id,))
            st.button("Discard", icon=":material/close:", key="discard-candidate", on_click=_drop)
        if why_not:
            st.caption(plain(why_not))


def kept(user: access.User, record_id: str) -> None:
    """Those that were accepted, each with a way to it and a way to let it go; and those discarded since. Raises StoreError."""
    everything = desk.reconstructions().of(record_id, discarded=True)
    stand = [one for one in everything if one.stands]
    st.markdown(f"**Accepted reconstructions: {len(stand)}**", help=plain(gaps.WHAT_IT_IS))
    if not stand:
        st.caption("What is accepted is kept beside the record, with who and when.")
    widths = (0.7, 1.0, 0.8, 1.0, 1.2, 1.8, 1.4, 0.9, 1.0)
    if stand:
        for column, text in zip(st.columns(widths), gaps.HEADER, strict=False):
            column.caption(text)
    why_not = rights.why_not_accept(user)
    for one in stand:
        *cells, show, remove = st.columns(widths, vertical_alignment="center")
        for cell, text in zip(cells, gaps.cells(one), strict=True):
            cell.markdown(text)
        middle_s = (one.made.start_sample + one.made.stop_sample) / 2 / one.made.fs_hz
        show.button("Show", key=f"show-{one.id}", type="tertiary", icon=":material/my_location:", on_click=steering.go_to, args=(middle_s,))
        remove.button(
            "Discard", key=f"discard-{one.id}", type="tertiary", icon=":material/delete:", disabled=bool(why_not), help=why_not or None, on_click=_discard, args=(one.id,)
        )
    if gone := gaps.discarded_rows(everything):
        with st.expander(f"Discarded: {len(gone)}"):
            st.markdown(table((*gaps.HEADER, "Discarded by", "Discarded (UTC)"), gone))


def _filled(record: Record) -> Reconstruction:
    from ecgcore import restoration

    kept = st.session_state
    return restoration.fill(record, kept[_LEAD], *gaps.samples(record, kept[_FROM], kept[_TO]), model=gaps.MODEL)


def _foreseen(record: Record) -> Reconstruction:
    from ecgcore import restoration

    kept = st.session_state
    at = min(record.n_samples, gaps.samples(record, kept[_AT], 0.0)[0])
    return restoration.forecast(record, kept[_LEAD], at, float(kept[_LONG]), model=gaps.MODEL)


def _make(record_id: str, make: Callable[[Record], Reconstruction]) -> None:
    """Have it made and shown; where that cannot be, say why."""
    _drop()
    try:
        access.require(access.current_user(), "read")
        made = make(desk.record(record_id))
    except EcgError as error:
        st.session_state[_SAID] = str(error)
        return
    st.session_state[_CANDIDATE] = made
    steering.go_to((made.start_sample + made.stop_sample) / 2 / made.fs_hz)


def _accept(record_id: str) -> None:
    made = candidate()
    if made is None:
        return
    try:
        user = rights.accepting(access.current_user())
        desk.reconstructions().accept(record_id, made, user.name)
    except EcgError as error:
        st.session_state[_SAID] = str(error)
        return
    _drop()
    st.session_state.update({_FROM: 0.0, _TO: 0.0})
    st.toast(plain(f"{made.lead} {dashed.span(made)} is accepted"), icon=":material/check:")


def _discard(accepted_id: str) -> None:
    try:
        user = rights.accepting(access.current_user())
        desk.reconstructions().discard(accepted_id, user.name)
    except EcgError as error:
        st.session_state[_SAID] = str(error)


def _drop() -> None:
    """What was made or said of the last request no longer holds."""
    for key in (_CANDIDATE, _SAID):
        st.session_state.pop(key, None)
