"""Measures that are no confusion, on the Evidence page."""

import pytest

from ecgcore.evaluation.measures import Measure, Measured, Measures, write_measures
from pages.ui import cards, measures
from tests.ectopy_maps import write_card

F1 = Measure(name="V F1", unit="", better="higher", digits=3)
MSE = Measure(name="MSE", unit="mV²", better="lower", digits=4)
HELD = Measure(name="band holds", unit="%", better="level", digits=1)


def table_of(split, *rows, columns=(F1, MSE), said=()):
    return Measures(
        model="segmenter@1", title=f"Where the map points, {split}", split=split, protocol="peaks within 150 ms", trained={"mitdb": ("101", "106")}, tested={"mitdb": ("100",)},
        measures=columns, rows=rows, said=said, command=f"python -m ecgcore train segmenter {split}", git_commit="abc", device="2 CPU cores", minutes=12,
    )  # fmt: skip


OURS = Measured(name="L2 norm", runs=((0.91, 0.0123), (0.93, None), (0.92, 0.0125)))
PAPER = Measured(name="a paper, 2022", runs=((0.944, None),), published=True)


def test_ours_have_spread_and_runs_and_the_published_are_marked():
    header, rows = measures.rows(table_of("by patient", PAPER, OURS, Measured(name="one seed", runs=((-0.5, None),))))
    assert [cell.replace("\\", "") for cell in header] == ["", "V F1 ↑", "MSE, mV² ↓", "Runs"]
    assert [tuple(cell.replace("\\", "") for cell in row) for row in rows] == [
        ("L2 norm", "**0.920** ± 0.010", "**0.0124** ± 0.0001", "3"),
        ("one seed", "**−0.500**", "not defined", "1"),
        ("*published:* a paper, 2022", "*0.944*", "–", "–"),
    ]


def test_how_they_were_got_is_said():
    said = measures.how(table_of("by patient", OURS, columns=(F1, HELD))).replace("\\", "")
    assert said == (
        "peaks within 150 ms. Mean ± standard deviation over the runs; ↑ more is better, = a stated level is to be met. "
        "Learned from 2 records of mitdb; tested on 1 records of mitdb. 2 CPU cores, 12 minutes, git abc."
    )


def test_a_model_that_follows_no_beat_has_no_samples_before_one(tmp_path):
    facts = dict(cards.facts(write_card(tmp_path)))
    assert facts["Signal"].replace("\\", "") == "2000 samples at 360 Hz, in mV, by segment"


@pytest.fixture
def evidence(app, install):
    """The page with a segmenter and some tables of measures beside it."""

    def open_page(*made):
        folder = install().parent / "segmenter" / "1"
        write_card(folder.parent.parent)
        for number, one in enumerate(made):
            write_measures(one, folder, str(number))
        app.run().switch_page("pages/evidence.py").run()
        assert not app.exception
        return app

    return open_page


def test_random_and_by_patient_stand_apart_with_what_they_show(evidence):
    app = evidence(table_of("by patient", OURS, PAPER, said=("No run collapsed.",)), table_of("random split", OURS))
    assert not app.error
    said = [element.value.replace("\\", "") for element in app.markdown]
    random, patient = (max(at for at, text in enumerate(said) if text == f"#### {split}") for split in ("Random split", "By patient"))
    assert random < said.index("**Where the map points, random split**") < patient < said.index("**Where the map points, by patient**")
    assert "- No run collapsed." in said[patient:]
    assert any("*published:* a paper, 2022 | *0.944*" in text for text in said[patient:])
    assert not any("published" in text for text in said[random:patient])
    assert "`python -m ecgcore train segmenter by patient`" in said
    assert "Not established: nothing was measured." not in said[random:]


def test_a_table_that_does_not_fit_is_said_in_one_line(evidence, app):
    from ecgcore import settings

    evidence(table_of("by patient", OURS))
    (settings.SHIPPED_WEIGHTS / "segmenter" / "1" / "measures-0.json").write_text("{}")
    app.run()
    assert not app.exception
    assert any("measures-0.json of segmenter@1 does not fit" in error.value.replace("\\", "") for error in app.error)
