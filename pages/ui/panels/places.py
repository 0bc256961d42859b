"""Where in the record a model sees ectopic beats: its map behind the trace, the checks of the map, and its strongest places, one click away."""

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from ecgcore.errors import EcgError
from ecgcore.figures.clock import clock
from ecgcore.findings import EctopyMap, Place
from ecgcore.inference.cards import Card
from pages.ui import beats, cards, desk, maps, steering
from pages.ui.hand import Hand
from pages.ui.making import Making
from pages.ui.panels import listing
from pages.ui.text import plain, table
from pages.ui.watching import watch

MOST: Final = 1000
_WANTED: Final = "map_wanted"
_ALL: Final = "all"
_SHOW: Final = "Show where the model sees ectopic beats"


def show(held: Hand) -> None:
    """What a map is and a button for it; how far it is; or its checks and places."""
    known = cards.installed(maps.MODEL)
    if known is None:
        st.caption(plain(maps.NOT_INSTALLED))
        return
    making = _wanted(held)
    if making is not None and making.running:
        watch(making)
    elif making is None or making.found is None:
        ask(held, known, making)
    else:
        told(held, known, making.found)


def bands(held: Hand) -> dict[str, Any] | None:
    """What the strip is told of the map that the reader asked for; None where there is none yet."""
    making, known = _wanted(held), cards.installed(maps.MODEL)
    if making is None or making.found is None or known is None:
        return None
    return maps.for_strip(making.found, [label for label in making.found.labels if label not in maps.doubtful(known)])


def beside(held: Hand) -> None:
    """While another panel is open: how far the map is, so that the strip has it as soon as it is there."""
    making = _wanted(held)
    if making is not None and making.running:
        watch(making)


def forget() -> None:
    """Another record is in hand."""
    st.session_state.pop(_WANTED, None)


def ask(held: Hand, known: Card, before: Making[EctopyMap] | None) -> None:
    """The button, and what became of the last try."""
    if before is not None and before.error is not None:
        if not isinstance(before.error, EcgError):
            raise before.error
        st.error(plain(str(before.error)), icon=":material/error:")
    st.caption(plain(f"{known.id} goes through the whole record on one lead and marks where it sees ectopic beats, whatever class its beats were given. {maps.WHAT_IT_IS}"))
    _choice(held, known)


def told(held: Hand, known: Card, found: EctopyMap) -> None:
    """Checks, what is hidden and why, places."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(found.model)}** on {plain(', '.join(found.leads))}", width="content", help=plain(maps.HOW_CHECKED))
        with st.popover("Other lead", icon=":material/sensors:"):
            _choice(held, known)
    st.caption("  \n".join(maps.worth_lines(known)))
    st.markdown(table(*maps.check_rows(found)))
    for line in maps.hidden_lines(found):
        st.caption(plain(line))
    if found.places:
        places(held, known, found)
    else:
        st.caption(plain(f"The model sees no beat of the classes {', '.join(found.labels)} on {', '.join(found.leads)}."))
    st.caption(plain(maps.WHAT_IT_IS))


def places(held: Hand, known: Card, found: EctopyMap) -> None:
    """The places, the strongest first, with the beat that is there; a click goes there."""
    hidden = [place for place in found.places if maps.why_hidden(found, place)]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        relied_on = [label for label in found.labels if label not in maps.doubtful(known)]
        first = relied_on[0] if len(relied_on) == 1 else _ALL
        label = st.segmented_control("Class", [_ALL, *found.labels], default=first, key="places_class", label_visibility="collapsed", required=True) or _ALL
        only_hidden = bool(hidden) and st.toggle(f"The {len(hidden):,} without a band", key="places_hidden", help="Places that fail a check, or whose class does.")
    of_class = [place for place in (hidden if only_hidden else maps.shown(found)) if label in (_ALL, place.label)]
    strongest = sorted(of_class, key=lambda place: (-place.strength, place.sample))[:MOST]
    if not strongest:
        st.caption("No such place.")
        return
    listing.pick(
        f"places-{held.reading.id}-{found.model}-{found.leads}-{label}-{only_hidden}-{held.state.seq}",
        list(range(len(strongest))),
        {
            "Time": lambda at: clock(strongest[at].sample / held.record.fs_hz, 2),
            "Class": lambda at: strongest[at].label,
            "Strength": lambda at: strongest[at].strength,
            **{name: lambda at, there=there: there[at] or "none" for name, there in _beats_there(held, found, strongest).items()},
            **({"Fails": lambda at: ", ".join(maps.why_hidden(found, strongest[at]))} if only_hidden else {}),
        },
        lambda at: steering.go_to(strongest[at].sample / held.record.fs_hz),
        {
            "Time": st.column_config.TextColumn(width=84),
            "Class": st.column_config.TextColumn(width=44),
            "Strength": st.column_config.NumberColumn(width=62, format="%.2f", help="Of the map at its strongest spot there, 0 to 1; no probability"),
            "Beat": st.column_config.TextColumn(width=48, help="Beat of this reading there, within 150 ms: of that class if there is one, else the nearest"),
        },
    )
    cut = f" The strongest {MOST:,} of {len(of_class):,}." if len(of_class) > MOST else ""
    st.caption(plain(f"{maps.agreement(found, held.state)}{cut} A click goes there; on the strip Shift + B steps through the bands, B changes their strength."))


def _choice(held: Hand, known: Card) -> None:
    """On which lead, and the button."""
    leads = maps.leads_for(known, held.record, held.found.leads)
    if not leads:
        st.caption(plain(f"{known.id} takes the leads {', '.join(known.input.leads)}; this record has none of them."))
        return
    key = f"map-lead-{held.record_id}"
    st.selectbox("Lead to look at", leads, key=key)
    st.button(_SHOW, icon=":material/blur_on:", on_click=_begin, args=(held.record_id, key, known.id))


def _begin(record_id: str, lead_key: str, model: str) -> None:
    """Have the map made, or take the one that is kept: for callbacks. The lead is read now: choice and click may arrive together."""
    lead = st.session_state[lead_key]
    st.session_state[_WANTED] = (record_id, lead, model)
    desk.ectopy_map(record_id, lead, model).start()


def _wanted(held: Hand) -> Making[EctopyMap] | None:
    """The map that the reader asked for; None where he asked for none of this record."""
    wanted = st.session_state.get(_WANTED)
    return desk.ectopy_map(*wanted) if wanted is not None and wanted[0] == held.record_id else None


def _beats_there(held: Hand, found: EctopyMap, those: Sequence[Place]) -> dict[str, list[str]]:
    """Beats at places, of the reading and of the first annotation file that came with the record."""
    fs_hz = held.record.fs_hz
    there = {"Beat": maps.beats_at(found, those, held.state.samples, held.state.labels, fs_hz)}
    for name in beats.beat_annotators(held.record)[:1]:
        there[name] = maps.beats_at(found, those, *maps.of_annotation(desk.annotation(held.record_id, name)), fs_hz)
    return there
