"""What is known of each model, from its card and its tables: data, protocol, figures, the beats behind them, limits."""

import streamlit as st

from ecgcore.evaluation.measures import Measures
from ecgcore.evaluation.tables import Table
from ecgcore.figures import calibration
from ecgcore.inference.beats import TASKS
from ecgcore.inference.cards import Card
from pages.ui import behind, cards, cells, measures, models, shell, tables, warmup
from pages.ui.text import plain, table

STILL = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def main() -> None:
    """The page."""
    shell.go_on_to_review()
    st.title("Evidence", anchor=False)
    st.caption("What was measured for each model that Leadwise carries, on which data, how, and where it ends. A figure without its protocol is not shown.")
    warmup.settle()
    with shell.one_line_errors():
        known = cards.known()
        if not known:
            st.info("No model is installed, so there is nothing to show evidence for.", icon=":material/info:")
        elif absent := models.compared().absent:
            st.caption(plain(models.not_installed(absent)))
        for card in known:
            show(card, models.standing(card, known))


def show(card: Card, standing: str = "") -> None:
    """One model, and whether it is in use where there are several versions of it."""
    with st.container(border=True):
        st.subheader(plain(card.id), anchor=False)
        if standing:
            st.caption(plain(standing))
        st.markdown(f"{plain(card.task)}  \n**For** {plain(card.intended_use)}")
        with shell.one_line_errors():
            by_split = tables.of_card(card)
            measures_by_split = measures.of_card(card)
            measured = cards.figure_tables(card, {one.protocol for those in (*by_split.values(), *measures_by_split.values()) for one in those})
            for part in measured:
                st.markdown(f"{part.how}\n\n{table(part.header, part.rows)}")
                st.markdown(f"`{part.command}`")
            if not measured and not any((*by_split.values(), *measures_by_split.values())):
                st.markdown("Not established: nothing was measured.")
            for split, those in by_split.items():
                if those or measures_by_split[split]:
                    split_part(split, those, measures_by_split[split])
            if card.task in TASKS:
                for number, test in enumerate(cells.tests_of(card, by_split["by patient"])):
                    behind.show(card, test, number)
        trust(card)
        limits, data = st.columns(2, gap="large")
        with limits:
            st.markdown("**Limits**\n\n" + "\n".join(f"- {plain(limit)}" for limit in card.limits))
        with data:
            st.markdown("**Data**\n\n" + "\n".join(f"- {line}" for line in cards.data_lines(card)))
        with st.expander("Input, thresholds, training and provenance"):
            st.markdown(table(("", ""), cards.facts(card)))


def split_part(split: str, those: tuple[Table, ...], measured: tuple[Measures, ...]) -> None:
    """The tables of one way of splitting, under a heading of their own."""
    st.markdown(f"#### {split.capitalize()}")
    st.caption(tables.SPLITS[split])
    for one in those:
        st.markdown(f"**{plain(one.title)}**")
        st.caption(tables.how(one))
        st.markdown(table(*tables.overall(one)))
        with st.expander("By class, ours and the published", expanded=True) if one.published else st.expander("By class", expanded=split == "by patient"):
            st.markdown(table(*tables.by_class(one)))
        if one.comparisons:
            with st.expander(f"Networks compared run by run ({len(one.comparisons)})"):
                st.markdown(table(*tables.compared(one.comparisons)))
        st.markdown(f"`{one.command}`")
    for part in measured:
        measures_part(part)


def measures_part(those: Measures) -> None:
    """One table of measures: how they were got, the figures, what they show."""
    st.markdown(f"**{plain(those.title)}**")
    st.caption(measures.how(those))
    st.markdown(table(*measures.rows(those)))
    if those.said:
        st.markdown("\n".join(f"- {plain(line)}" for line in those.said))
    st.markdown(f"`{those.command}`")


def trust(card: Card) -> None:
    """How far its probabilities can be believed, where that was measured."""
    drawn, colours = [], shell.colours()
    if card.reliability:
        drawn.append(("Reliability of the most probable class", calibration.reliability(card.reliability, colours), calibration.reliability_alt(card.reliability)))
    if card.uncertain:
        drawn.append(("What flagging uncertain beats leaves wrong", calibration.flagged(card.uncertain, colours), calibration.flagged_alt(card.uncertain)))
    if not drawn:
        return
    for number, (column, (title, figure, alt)) in enumerate(zip(st.columns(2, gap="large"), drawn, strict=False)):
        with column:
            st.markdown(f"**{title}, on unseen patients**")
            st.plotly_chart(figure, theme=None, config=STILL, alt=alt, key=f"trust-{card.id}-{number}")
    if card.certain_from is not None:
        st.caption(plain(f"A beat counts as uncertain where the class called has a probability below {card.certain_from:g}."))


if __name__ == "__main__":
    shell.run(main)
