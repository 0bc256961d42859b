from ecgcore.inference.cards import Card, Figure, InputSpec, TrainingData, shipped
from pages.ui import cards

CARD = Card(
    name="made",
    version="1",
    task="beats",
    input=InputSpec(leads="any", fs_hz=180, samples=180, before_samples=70, units="mV", scaling="none", band_hz=(0.5, 40)),
    classes=("N", "V"),
    thresholds={},
    training=TrainingData(trained={"mitdb": ("101", "106")}, held_out={}, left_out={"mitdb": ("102",)}, augmentation="none", seed=1),
    figures=(
        Figure(name="VEB F1", value=0.93, spread=0.004, n=22, protocol="EC57", split="DS2", command="evaluate beats"),
        Figure(name="SVEB F1", value=None, spread=None, n=0, protocol="EC57", split="DS2", command="evaluate beats"),
        Figure(name="boast", value=0.99, spread=None, n=1, protocol=" ", split="", command=""),
    ),
    sha256="a" * 64,
    git_commit="abc",
    device="cpu",
    minutes=3,
    limits=("not for paced rhythm",),
    intended_use="a first sorting",
)


def test_no_figure_without_its_protocol():
    assert [row[0] for row in cards.figure_rows(CARD)] == ["VEB F1", "SVEB F1"]


def test_figures_have_spread_and_the_unknown_is_called_so():
    (known, unknown) = cards.figure_rows(CARD)
    assert known[1:] == ("**0.93** ± 0.004", "22", "EC57", "DS2", "`evaluate beats`")
    assert unknown[1] == "not established"
    assert cards.value(CARD.figures[2]) == "**0.99** (one run)"


def test_data_are_named_by_record():
    assert cards.data_lines(CARD) == ["Learned from: mitdb, 2 records: 101 106", "Left out: mitdb, 1 records: 102", "Augmentation: none; seed 1"]


def test_the_page_shows_every_card(app):
    app.run().switch_page("pages/evidence.py").run()
    assert not app.exception
    assert not app.error
    assert [element.value.replace("\\", "") for element in app.subheader] == [card.id for card in shipped()]
    text = " ".join(element.value for element in app.markdown)
    for card in shipped():
        assert "Limits" in text
        assert card.sha256 in text
