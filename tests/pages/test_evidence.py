from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData, shipped
from pages.ui import cards

CARD = Card(
    name="made",
    version="1",
    task="beats",
    input=InputSpec(leads="any", fs_hz=180, samples=180, before_samples=70, units="mV", scaling="none", band_hz=(0.5, 40)),
    classes=("N", "V"),
    thresholds={},
    training=TrainingData(trained={"mitdb": ("101", "106")}, held_out={}, left_out={"mitdb": ("102",)}, protocol="two folds", augmentation="none", seed=1),
    figures=(
        Figure(name="V F1, gross", value=0.9, spread=None, n=1, protocol="folds", split="DS1", command="python -m ecgcore train made"),
        Figure(name="VEB F1, gross", value=0.93, spread=0.004, n=3, protocol="EC57", split="DS2", command="python -m ecgcore evaluate made"),
        Figure(name="VEB F1, average", value=0.9, spread=0.01, n=3, protocol="EC57", split="DS2", command="python -m ecgcore evaluate made"),
        Figure(name="SVEB F1, gross", value=None, spread=None, n=3, protocol="EC57", split="DS2", command="python -m ecgcore evaluate made"),
        Figure(name="boast", value=0.99, spread=None, n=1, protocol=" ", split="", command=""),
    ),
    sha256="a" * 64,
    git_commit="abc",
    device="cpu",
    minutes=3,
    limits=("not for paced rhythm",),
    intended_use="a first sorting",
)


def test_figures_stand_with_how_they_were_measured_and_tests_come_first():
    test, choice = cards.figure_tables(CARD)
    assert (test.command, choice.command) == ("python -m ecgcore evaluate made", "python -m ecgcore train made")
    assert test.how == "**DS2** · EC57 · mean ± standard deviation of 3 runs"
    assert choice.how.endswith("one run")


def test_no_figure_without_its_protocol():
    assert not any("boast" in column for part in cards.figure_tables(CARD) for column in part.header)


def test_figures_have_spread_and_the_unknown_is_called_so():
    test, _ = cards.figure_tables(CARD)
    assert test.header == ("", "VEB F1", "SVEB F1")
    assert test.rows == (("gross", "**0.93** ± 0.004", "not established"), ("average", "**0.9** ± 0.01", ""))


def test_data_are_named_by_record():
    assert cards.data_lines(CARD) == ["two folds", "Learned from: mitdb, 2 records: 101 106", "Left out: mitdb, 1 records: 102", "Augmentation: none; seed 1"]


def test_the_page_shows_every_card(app):
    app.run().switch_page("pages/evidence.py").run()
    assert not app.exception
    assert not app.error
    assert [element.value.replace("\\", "") for element in app.subheader] == [card.id for card in shipped()]
    text = " ".join(element.value for element in app.markdown)
    for card in shipped():
        assert "Limits" in text
        assert card.sha256 in text
