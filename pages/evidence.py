"""What is known of each model, from its card: data, protocol, figures, limits."""

import streamlit as st

from ecgcore.inference.cards import Card
from pages.ui import cards, shell
from pages.ui.text import plain, table


def main() -> None:
    """The page."""
    st.title("Evidence", anchor=False)
    st.caption("What was measured for each model that Leadwise carries, on which data, how, and where it ends. A figure without its protocol is not shown.")
    with shell.one_line_errors():
        known = cards.known()
        if not known:
            st.info("No model is installed, so there is nothing to show evidence for.", icon=":material/info:")
        for card in known:
            show(card)


def show(card: Card) -> None:
    """One model."""
    with st.container(border=True):
        st.subheader(plain(card.id), anchor=False)
        st.markdown(f"{plain(card.task)}  \n**For** {plain(card.intended_use)}")
        measured = cards.figure_tables(card)
        for part in measured:
            st.markdown(f"{part.how}\n\n{table(part.header, part.rows)}")
            st.markdown(f"`{part.command}`")
        if not measured:
            st.markdown("Not established: nothing was measured.")
        limits, data = st.columns(2, gap="large")
        with limits:
            st.markdown("**Limits**\n\n" + "\n".join(f"- {plain(limit)}" for limit in card.limits))
        with data:
            st.markdown("**Data**\n\n" + "\n".join(f"- {line}" for line in cards.data_lines(card)))
        with st.expander("Input, thresholds, training and provenance"):
            st.markdown(table(("", ""), cards.facts(card)))


if __name__ == "__main__":
    shell.run(main)
