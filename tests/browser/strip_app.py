"""The strip alone on a page, served by Streamlit over records in memory: `streamlit run tests/browser/strip_app.py`, then /?record=demo-ectopy."""

from dataclasses import asdict

import streamlit as st

from ecgcore.figures.palette import palette
from ecgcore.leads import ecg_leads
from pages.ui import maps
from pages.ui.strip import strip
from tests.browser import strip_desk

app = st.App(__file__, routes=strip_desk.ROUTES)


def main() -> None:
    st.set_page_config(layout="wide")
    asked = st.query_params
    name, reading_id = asked.get("record", "demo-ectopy"), asked.get("reading", "first")
    record, reading = strip_desk.record(name), strip_desk.reading(name, reading_id)
    kept = st.session_state
    kept.setdefault("told", {"edited": 0, "renew": 0, "measure": ""})
    st.title(name, anchor=False)
    with st.container(horizontal=True):
        st.button("Run again")
        if st.button("Go to the minute"):
            kept["goto"] = {"nonce": kept.get("goto", {"nonce": 0})["nonce"] + 1, "time_s": 60.0, "span_s": 10.0, "select": reading.state.samples[60:63].tolist()}
        st.text(f"edited {kept['told']['edited']}, renewed {kept['told']['renew']}, measured {kept['told']['measure'] or 'nothing'}")
    why_not = "" if reading.editable else "signed off as version 1 by bo"
    data = {
        "base": f"/strip/{name}",
        "user": strip_desk.READER,
        "token": f"{reading_id}:{kept['told']['renew']}",
        "token_age_s": 1800,
        "record": {
            "id": f"{name}-{reading_id}",
            "name": name,
            "fs_hz": record.fs_hz,
            "n_samples": record.n_samples,
            "start": "2024-05-01T21:30:00" if name == "day" else None,
            "leads": list(record.available_leads),
            "first_leads": list(ecg_leads(record.leads)),
        },
        "reading": {"id": reading_id, "seq": reading.state.seq, "editable": reading.editable, "why_not": why_not},
        "model": strip_desk.MODEL,
        "author_line": strip_desk.MODEL,
        "filters": strip_desk.filters_of(record.fs_hz),
        "default_filter": asked.get("filter", "diagnostic 0.05–150 Hz"),
        "filtered_up_to_s": 120,
        "quality": [("V1", 40.0, 60.0, "noise", "high-frequency power")] if name == "demo-artefacts" else [],
        "episodes": [(36.5, 39.0, "couplet", "2 V"), (180.0, 184.0, "ventricular run", "3 V, 150/min")] if name in ("demo-ectopy", "day") else [],
        "bands": maps.for_strip(found := strip_desk.ectopy_map(name), found.labels) if "map" in asked else None,
        "annotators": ["atr"],
        "palette": asdict(palette(st.context.theme.type)),
        "class_names": strip_desk.CLASS_NAMES,
        "goto": kept.get("goto"),
    }

    def tell(what: str, told: object) -> None:
        kept["told"] = {**kept["told"], what: told}

    strip(
        data,
        key=f"strip-{name}-{reading_id}",
        on_edited=lambda: tell("edited", kept["told"]["edited"] + 1),
        on_renew=lambda: tell("renew", kept["told"]["renew"] + 1),
        on_measure=lambda start_s, stop_s: tell("measure", f"{start_s:.1f}–{stop_s:.1f}"),
    )
    st.caption("Below the strip")


if __name__ == "__main__":
    main()
