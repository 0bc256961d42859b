"""Which version is in use: promoted on a comparison, refused, overridden by name, rolled back; the table says so and the file follows."""

import json
import shutil
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from ecgcore import registry, settings
from ecgcore.errors import EcgError, InputError, ModelError, StoreError
from ecgcore.evaluation.comparison import Comparison
from ecgcore.inference import cards
from ecgcore.store.audit import Audit
from ecgcore.store.promotions import Promotions
from tests.window_models import write_model

MODEL = "neural_flow"
FALLS = "SVEB Se on DS2 falls by 0.041, more than 0.02"


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A shipped version 1, and a way to have further ones trained here."""
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    first = write_model(tmp_path / "weights", MODEL)

    def train(*versions):
        for version in versions:
            folder = shutil.copytree(first, settings.trained_weights() / MODEL / version)
            with (folder / cards.WEIGHTS).open("ab") as file:  # other weights; nothing here opens them
                file.write(version.encode())
            card = cards.Card.model_validate_json((first / cards.CARD).read_bytes())
            cards.write_card(card.model_copy(update={"version": version, "sha256": cards.digest(folder / cards.WEIGHTS)}), folder)

    train("1.1", "1.2", "1.3")
    return train


@pytest.fixture
def promotions(store, models):
    return Promotions(store)


def of(version):
    return f"{MODEL}@{version}"


def weights(version):
    return cards.read_card(cards.find(of(version))).sha256


def compared(new, current, *refusals):
    return Comparison(
        new=of(new), current=of(current), new_sha256=weights(new), current_sha256=weights(current), task="beat windows", site=None, sets=(),
        verdict="no difference shown", margin=0.02, interval="none", refusals=refusals, caveats=(), command="compare", git_commit="none", minutes=0.1,
    )  # fmt: skip


def promote(promotions, new, current, *refusals, who="ann", override_name=""):
    return promotions.promote(of(new), compared(new, current, *refusals), "job1", who, f"{new} is better", override_name)


def in_file():
    path = settings.trained_weights() / cards.IN_USE
    return json.loads(path.read_text()) if path.is_file() else None


def test_what_came_with_leadwise_is_in_use_until_another_is_promoted(promotions):
    assert promotions.in_use(MODEL) == of("1")
    assert (promotions.standing(MODEL), promotions.before(MODEL), promotions.history()) == (None, "", ())
    made = promote(promotions, "1.1", "1")
    assert (made.kind, made.model, made.was, made.now, made.who, made.job_id, made.overridden) == ("promote", MODEL, of("1"), of("1.1"), "ann", "job1", "")
    assert made.sha256 == weights("1.1")
    assert promotions.in_use(MODEL) == of("1.1")
    assert cards.find(MODEL).name == "1.1"
    assert promotions.standing(MODEL) == made
    assert promotions.before(MODEL) == of("1")
    assert promotions.history() == promotions.history(MODEL) == (made,)
    assert promotions.history("another") == ()


def test_rolling_back_goes_one_promotion_back_each_time(store, promotions):
    for new, current in (("1.1", "1"), ("1.2", "1.1"), ("1.3", "1.2")):
        promote(promotions, new, current)
    for version in ("1.2", "1.1"):
        back = promotions.roll_back(MODEL, "bob", "missed runs")
        assert (back.kind, back.now, back.job_id, back.sha256) == ("roll back", of(version), None, weights(version))
        assert cards.find(MODEL).name == version
    promote(promotions, "1.3", "1.1")  # what was rolled back may be promoted again
    assert [promotions.roll_back(MODEL, "bob", "missed runs").now for _ in range(2)] == [of("1.1"), of("1")]
    assert promotions.before(MODEL) == ""
    with pytest.raises(StoreError, match="nothing to roll neural_flow back to: no promotion of it stands"):
        promotions.roll_back(MODEL, "bob", "missed runs")
    assert [entry.what for entry in Audit(store).search()].count("model rolled back") == 4
    assert Audit(store).search(limit=1)[0].detail == f"in place of {of('1.1')}: missed runs"


def test_a_refusal_is_overridden_by_the_name_of_who_overrides_it(store, promotions):
    with pytest.raises(StoreError, match=r"SVEB Se on DS2 falls by 0\.041.*ann can override this by name"):
        promote(promotions, "1.1", "1", FALLS)
    for name in ("bob", "Ann", "ann "):
        with pytest.raises(InputError, match="ann gives that name"):
            promote(promotions, "1.1", "1", FALLS, override_name=name)
    assert (promotions.history(), in_file(), Audit(store).count()) == ((), None, 0)
    assert promote(promotions, "1.1", "1", FALLS, override_name="ann").overridden == FALLS
    noted = {(entry.who, entry.what, entry.subject, entry.detail) for entry in Audit(store).search()}
    assert noted == {
        ("ann", "refusal overridden", of("1.1"), FALLS),
        ("ann", "model promoted", of("1.1"), f"in place of {of('1')}: 1.1 is better; comparison job1: no difference shown"),
    }


def test_no_reason_no_promotion_and_no_way_back(promotions):
    for reason in ("", " \n", "x" * 2001, "\x00"):
        with pytest.raises(InputError, match="reason"):
            promotions.promote(of("1.1"), compared("1.1", "1"), "job1", "ann", reason)
    promote(promotions, "1.1", "1")
    with pytest.raises(InputError, match="the reason is empty"):
        promotions.roll_back(MODEL, "ann", " ")
    assert promotions.in_use(MODEL) == of("1.1")


def test_the_comparison_must_be_of_this_model_against_the_one_in_use(promotions):
    with pytest.raises(StoreError, match=r"the comparison is of neural_flow@1.2, not of neural_flow@1.1"):
        promotions.promote(of("1.1"), compared("1.2", "1"), "job1", "ann", "better")
    with pytest.raises(StoreError, match=r"weights of neural_flow@1.1 are not those that were compared"):
        promotions.promote(of("1.1"), compared("1.1", "1").model_copy(update={"new_sha256": "a" * 64}), "job1", "ann", "better")
    with pytest.raises(StoreError, match=r"the comparison is against neural_flow@1.2, so compare neural_flow@1.1 with neural_flow@1$"):
        promote(promotions, "1.1", "1.2")
    with pytest.raises(StoreError, match=r"the comparison is against hadln@1; neural_flow@1.1 would replace neural_flow@1"):
        promotions.promote(of("1.1"), compared("1.1", "1").model_copy(update={"current": "hadln@1"}), "job1", "ann", "better")
    with pytest.raises(StoreError, match=r"neural_flow@1 is in use already"):
        promote(promotions, "1", "1.1")


def test_a_model_that_is_not_there_or_altered_is_not_promoted(promotions):
    comparison, later = compared("1.1", "1"), compared("1.2", "1")
    shutil.rmtree(cards.find(of("1.1")))
    with pytest.raises(ModelError, match=r"no model 'neural_flow@1.1'"):
        promotions.promote(of("1.1"), comparison, "job1", "ann", "better")
    with (cards.find(of("1.2")) / cards.WEIGHTS).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="sha256"):
        promotions.promote(of("1.2"), later, "job1", "ann", "better")
    with pytest.raises(ModelError, match="names no version"):
        promotions.promote(MODEL, comparison, "job1", "ann", "better")
    assert promotions.history() == ()


def test_the_second_of_two_who_promote_at_once_is_told(promotions):
    """Both compared with version 1: one gets in, the other is told who came first."""
    at_once, ended = threading.Barrier(2, timeout=30), []

    def try_to(who, version, comparison):
        at_once.wait()
        try:
            ended.append(promotions.promote(of(version), comparison, "job1", who, "better"))
        except EcgError as error:
            ended.append(str(error))

    both = [threading.Thread(target=try_to, args=(who, version, compared(version, "1"))) for who, version in (("ann", "1.1"), ("bob", "1.2"))]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    (said,) = (one for one in ended if isinstance(one, str))
    (done,) = promotions.history()
    assert f"what is in use changed: {done.who} put {done.now} in use" in said
    assert cards.find(MODEL).name == promotions.in_use(MODEL).partition("@")[2]


def test_what_is_gone_is_said_and_can_be_rolled_back(store, promotions):
    for new, current in (("1.1", "1"), ("1.2", "1.1"), ("1.3", "1.2")):
        promote(promotions, new, current)
    shutil.rmtree(cards.find(of("1.3")))
    with pytest.raises(ModelError, match=r"neural_flow@1.3 is in use, and is not there; roll back"):
        cards.find(MODEL)
    shutil.rmtree(cards.find(of("1.2")))
    assert promotions.before(MODEL) == of("1.1")
    assert promotions.roll_back(MODEL, "ann", "lost").now == of("1.1")
    assert Audit(store).search(what="model rolled back")[0].detail == f"in place of {of('1.3')}: lost; passed over, as not there any more: {of('1.2')}"
    assert cards.find(MODEL).name == "1.1"


def test_other_weights_under_the_name_of_those_in_use_before_are_passed_over(promotions, models):
    promote(promotions, "1.1", "1")
    promote(promotions, "1.2", "1.1")
    folder = cards.find(of("1.1"))
    (folder / cards.WEIGHTS).write_bytes(b"others")
    cards.write_card(cards.read_card(folder).model_copy(update={"sha256": cards.digest(folder / cards.WEIGHTS)}), folder)
    assert promotions.before(MODEL) == of("1")


def test_with_all_that_was_in_use_gone_the_newest_shipped_one_comes_back(promotions, tmp_path):
    promote(promotions, "1.1", "1")
    promotions.roll_back(MODEL, "ann", "worse")
    with pytest.raises(StoreError, match="no promotion of it stands"):
        promotions.roll_back(MODEL, "ann", "worse")
    shipped = cards.find(of("1"))
    newer = shipped.rename(tmp_path / "weights" / MODEL / "2")  # as a later Leadwise has it
    cards.write_card(cards.Card.model_validate_json((newer / cards.CARD).read_bytes()).model_copy(update={"version": "2"}), newer)
    with pytest.raises(ModelError, match="neural_flow@1 is in use, and is not there"):
        cards.find(MODEL)
    assert promotions.roll_back(MODEL, "ann", "gone").now == of("2")
    assert cards.find(MODEL) == newer


def test_where_nothing_is_left_it_is_said_what_is_missing(promotions):
    promote(promotions, "1.1", "1")
    promote(promotions, "1.2", "1.1")
    for version in ("1", "1.1", "1.2", "1.3"):
        shutil.rmtree(cards.find(of(version)))
    with pytest.raises(StoreError, match=r"neural_flow@1.1, neural_flow@1 are not there any more; import one"):
        promotions.roll_back(MODEL, "ann", "gone")
    assert promotions.before(MODEL) == ""


def test_the_table_wins_over_the_file(promotions):
    path = settings.trained_weights() / cards.IN_USE
    path.write_text('{"neural_flow": "1.3", "hadln": "7"}')  # of another database
    promotions.sync()
    assert in_file() is None
    assert promotions.in_use(MODEL) == of("1")
    promote(promotions, "1.1", "1")
    for spoilt in ("{", "[]", ""):
        path.write_text(spoilt)
        with pytest.raises(ModelError, match="Admin page"):
            cards.find(MODEL)
        assert promotions.in_use(MODEL) == of("1.1")
        promotions.sync()
        assert in_file() == {MODEL: "1.1"}
    assert [path.name for path in settings.trained_weights().iterdir() if path.is_file()] == [cards.IN_USE]  # nothing half-written lies beside it


def test_only_what_was_never_in_use_is_deleted(store, promotions):
    promote(promotions, "1.1", "1")
    promote(promotions, "1.2", "1.1")
    for version, said in (
        ("1", "came with Leadwise and stays"),
        ("1.1", "stays: it was in use"),
        ("1.2", "stays: it is in use"),
        ("7", "was trained or imported here"),
        ("../1", "names the model"),
        ("", "names the model"),
    ):
        with pytest.raises(ModelError, match=said):
            registry.remove_model(store, of(version), "ann")
    registry.remove_model(store, of("1.3"), "ann")
    with pytest.raises(ModelError, match=r"no model 'neural_flow@1.3'"):
        cards.find(of("1.3"))
    assert sorted(path.name for path in (settings.trained_weights() / MODEL).iterdir()) == ["1.1", "1.2"]
    assert sorted(path.name for path in settings.trained_weights().iterdir()) == [cards.IN_USE, MODEL]
    assert [(entry.who, entry.subject) for entry in Audit(store).search(what="model deleted")] == [("ann", of("1.3"))]


def test_a_broken_model_can_be_deleted(store, promotions):
    (settings.trained_weights() / MODEL / "1.3" / cards.CARD).unlink()
    registry.remove_model(store, of("1.3"), "ann")
    assert cards.refused() == ()


def test_a_promotion_is_never_changed(store, promotions):
    promote(promotions, "1.1", "1")
    for statement in ("UPDATE promotions SET now = 'x'", "DELETE FROM promotions"):
        with pytest.raises((DBAPIError, IntegrityError), match="never changed"), store.engine.begin() as connection:
            connection.execute(text(statement))
    assert promotions.in_use(MODEL) == of("1.1")


def test_an_unknown_model_is_named(promotions):
    with pytest.raises(ModelError, match="no model 'nobody' is there"):
        promotions.in_use("nobody")
    with pytest.raises(StoreError, match="no promotion of it stands"):
        promotions.roll_back("nobody", "ann", "why not")
