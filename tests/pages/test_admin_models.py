"""The Admin page about models: compared, put in use, taken back, taken in and out, and the log; and what Review says of it."""

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from ecgcore import registry
from ecgcore.analysis import analyze
from ecgcore.evaluation.comparison import NOT_INDEPENDENT, Calibration, Comparison, FigureComparison, McNemar, PatientComparison, PatientFigure, SetComparison
from ecgcore.inference import cards
from ecgcore.jobs.specs import CompareSpec, RecomputeSpec, parse
from ecgcore.review import Relabel
from ecgcore.store import Store
from ecgcore.store.audit import Audit
from ecgcore.store.jobs import Jobs
from ecgcore.store.promotions import Promotions
from ecgcore.store.reviews import Reviews
from ecgcore.store.workers import Workers
from pages.ui import access
from pages.ui.admin import audit, models, verdicts
from pages.ui.admin.entries import Wanted

NEW, CURRENT = "beats@2.1", "beats@2"
REFUSAL = "SVEB sensitivity on mitdb DS2 falls from 61.0% to 54.0%, by 7 percentage points, and 2 are allowed (1,837 beats of 12 patients)."
PATIENTS = (
    PatientComparison(name="232", n=1780, n_veb=0, n_sveb=1381, right_new=0.61, right_current=0.75, figures=(PatientFigure(name="SVEB Se", new=0.5, current=0.7),)),
    PatientComparison(name="100", n=2273, n_veb=1, n_sveb=29, right_new=0.99, right_current=0.99, figures=(PatientFigure(name="VEB Se", new=1.0, current=None),)),
    PatientComparison(name="200", n=2601, n_veb=700, n_sveb=28, right_new=0.985, right_current=0.98, figures=(PatientFigure(name="VEB Se", new=0.97, current=0.95),)),
)


@pytest.fixture
def trained(install: Callable[..., Path], home: Path) -> Path:
    """beats@2.1, which answers as beats@2 does, among the trained models; its folder."""
    shipped = install() / "2"
    folder = home / "models" / "beats" / "2.1"
    shutil.copytree(shipped, folder)
    card = cards.read_card(shipped)
    cards.write_card(card.model_copy(update={"version": "2.1", "parent": CURRENT, "minutes": 2.0, "figures": ()}), folder)
    return folder


@pytest.fixture
def open_part(app, store):
    def opened(part: str, **about: str):
        app.query_params.update({"part": part, **about})
        app.run().switch_page("pages/admin.py").run()
        assert not app.exception
        return app

    return opened


def figure(name: str, new: float, current: float, low: float | None, high: float | None, verdict: str) -> FigureComparison:
    return FigureComparison(name=name, n=1837, n_patients=12, new=new, current=current, difference=round(new - current, 5), low=low, high=high, verdict=verdict)


def comparison(refusals: tuple[str, ...] = (), current: str = CURRENT, caveats: tuple[str, ...] = ("Only 3 of its 22 records are on this machine.", NOT_INDEPENDENT)) -> Comparison:
    """A comparison that was not computed."""
    sha256 = cards.read_card(cards.find(CURRENT)).sha256
    bins = Calibration(bins=((0.6, 0.5, 100), (0.95, 0.97, 3000)), ece=0.0123)
    figures = (
        figure("VEB Se", 0.96, 0.93, 0.01, 0.05, "better"),
        figure("SVEB Se", 0.54, 0.61, -0.12, -0.03, "worse"),
        figure("SVEB F1", 0.5, 0.51, None, None, "no difference shown"),
    )
    one = SetComparison(
        name="mitdb DS2", split="mitdb ds2, by patient", protocol="EC57 from the raw record", n_patients=3, n_beats=6654, figures=figures, patients=PATIENTS,
        mcnemar=McNemar(n=6654, b=12, c=49, p=0.0004), calibration_new=bins, calibration_current=bins, learned_new=("232",), caveats=caveats,
    )  # fmt: skip
    return Comparison(
        new=NEW, current=current, new_sha256=sha256, current_sha256=sha256, task="beats", site=None, sets=(one,), verdict="worse", margin=0.02, interval="95 %",
        refusals=refusals, caveats=("svdb held out is left out.",), command=f"python -m ecgcore compare {NEW} {current}", git_commit="abc", minutes=1.5,
    )  # fmt: skip


def done(store: Store, found: Comparison) -> str:
    """A comparison as the worker leaves it; the id of its job."""
    kept = Jobs(store)
    job = kept.submit("compare", f"{found.new} against {found.current}", CompareSpec(new=found.new, current=found.current), "local")
    kept.claim(job.id, worker(store))
    kept.finish(job.id, found.model_dump_json())
    return job.id


def worker(store: Store) -> str:
    there = Workers(store).list()
    return there[0].id if there else Workers(store).register("here", 1, "CPU", 1000).id


def text(app) -> str:
    said = [*(one.value for kind in (app.markdown, app.caption, app.info, app.error, app.warning, app.success) for one in kind)]
    return "\n".join(said).replace("\\", "")


def button(app, label: str):
    return next(one for one in app.button if one.label == label)


def test_a_comparison_is_asked_for_and_waits_for_a_worker(open_part, trained, store):
    app = open_part("compare")
    assert app.selectbox(key="compare-new").value == NEW
    assert app.selectbox(key=f"compare-with-{NEW}").value == CURRENT
    assert "beats@2.1 and beats@2 were not compared yet" in text(app)
    button(app, "Compare").click().run()
    assert not app.exception
    (job,) = Jobs(store).list()
    assert (job.kind, parse("compare", job.spec), job.created_by) == ("compare", CompareSpec(new=NEW, current=CURRENT), "local")
    assert "No worker is running" in text(app)
    button(app, "Cancel").click().run()
    assert Jobs(store).get(job.id).status == "cancelled"


def test_a_comparison_tells_verdicts_patients_caveats_and_the_command(open_part, trained, store):
    done(store, comparison())
    app = open_part("compare", model=NEW)
    said = text(app)
    assert "beats@2.1 against beats@2: **worse**" in said
    assert "| **mitdb DS2** | 3 | 6,654 | **worse** | **better**, +3.00 | **worse**, −7.00 | no difference shown, −1.00 |" in said
    assert "| VEB\u00a0Se | 1,837 | 12 | 96.00 | 93.00 | +3.00 | +1.00\u00a0to\u00a0+5.00 | **better** |" in said
    assert "| SVEB\u00a0F1 | 1,837 | 12 | 50.00 | 51.00 | −1.00 | none | no\u00a0difference\u00a0shown |" in said
    assert f"12 are right by beats@2.1 alone and 49 by beats@2 alone (McNemar's exact test, p below 0.001). {NOT_INDEPENDENT}" in said
    assert said.count(NOT_INDEPENDENT) == 1
    assert "1 with fewer beats called right, 1 with more, 1 unchanged" in said
    for line in (
        "Only 3 of its 22 records",
        "svdb held out is left out",
        "looked at mitdb DS2 once so far",
        "`python -m ecgcore compare beats@2.1 beats@2`",
        "beats@2.1 1.23, beats@2 1.23",
    ):
        assert line in said
    table = app.dataframe[0].value
    assert list(table["Patient"]) == ["232", "100", "200"]
    assert list(table["Learned from by"]) == ["new", "", ""]
    assert table["VEB Se"].isna().tolist() == [True, True, False]
    charts = [one.proto for one in app.get("plotly_chart")]
    assert [chart.alt.partition(" ")[0] for chart in charts] == ["Differences", "Reliability"]


def test_a_model_is_put_in_use_with_a_reason_and_rolled_back_with_one(open_part, trained, store):
    job_id = done(store, comparison())
    app = open_part("compare", model=NEW)
    button(app, f"Put {NEW} in use").click().run()
    assert "reason" in app.error[0].value
    assert cards.find("beats").name == "2"
    app.text_input(key=f"promote-reason-{job_id}").set_value("fewer V missed").run()
    button(app, f"Put {NEW} in use").click().run()
    assert not app.exception
    assert "beats@2.1 is in use, in place of beats@2." in text(app)
    assert "beats@2.1 is in use since" in text(app)
    assert not any(one.label.startswith("Put ") for one in app.button)
    assert cards.find("beats").name == "2.1"
    app.query_params.update({"part": "models"})
    app.run()
    assert "| beats@2 → **beats@2.1** | fewer V missed | – |" in text(app)
    button(app, f"Roll back to {CURRENT}").click().run()
    assert "reason" in app.error[0].value
    app.text_input(key="models-back-reason-beats").set_value("misses SVEB").run()
    button(app, f"Roll back to {CURRENT}").click().run()
    assert not app.exception
    assert "beats@2 is in use again, in place of beats@2.1." in text(app)
    assert cards.find("beats").name == "2"
    assert [(one.kind, one.now, one.reason) for one in Promotions(store).history("beats")] == [("promote", NEW, "fewer V missed"), ("roll back", CURRENT, "misses SVEB")]


def test_a_refusal_is_overridden_only_by_ones_own_name(open_part, trained, store):
    job_id = done(store, comparison((REFUSAL,)))
    app = open_part("compare", model=NEW)
    assert REFUSAL in app.error[0].value.replace("\\", "")
    app.text_input(key=f"promote-reason-{job_id}").set_value("needed for V").run()
    for typed in ("", "Local", "anna@x"):
        app.text_input(key=f"promote-override-{job_id}").set_value(typed).run()
        button(app, f"Put {NEW} in use").click().run()
        assert not app.exception
        assert cards.find("beats").name == "2"
    app.text_input(key=f"promote-override-{job_id}").set_value("local").run()
    button(app, f"Put {NEW} in use").click().run()
    assert cards.find("beats").name == "2.1"
    assert Promotions(store).history("beats")[0].overridden == REFUSAL
    assert any(entry.what == "refusal overridden" for entry in Audit(store).search())


def test_only_a_comparison_with_what_is_in_use_puts_a_model_in_use(open_part, trained, store, install):
    job_id = done(store, comparison(current="hadln@1"))
    install("hadln")
    app = open_part("compare", job=job_id)
    assert app.selectbox(key=f"compare-with-{NEW}").value == "hadln@1"
    assert "beats@2.1 would replace beats@2, which is in use: compare it with that to promote it." in text(app)
    assert not any(one.label.startswith("Put ") for one in app.button)


def test_a_model_whose_weights_changed_since_is_said_to_have(open_part, trained, store):
    done(store, comparison().model_copy(update={"new_sha256": "0" * 64}))
    app = open_part("compare", model=NEW)
    assert "beats@2.1 has other weights now than those compared; compare again." in text(app)


def test_models_are_listed_with_why_one_is_refused_and_why_one_stays(open_part, trained, store):
    (trained.parent / "3").mkdir()
    (trained.parent / "3" / cards.CARD).write_text("{}")
    app = open_part("models")
    said = text(app)
    assert "**beats@2.1**" in said
    assert "beats/3" in said
    assert "One model is refused" in said
    deletes = {one.key: one.disabled for one in app.button if one.label == "Delete"}
    assert deletes == {f"delete-{NEW}": False, f"delete-{CURRENT}": True}
    app.button(key=f"delete-{NEW}").click().run()
    app.button(key="confirm-delete-model").click().run()
    assert not app.exception
    assert not trained.exists()
    assert f"{NEW} is deleted." in text(app)


def test_a_model_goes_out_as_one_file_and_comes_in_again(open_part, trained, store):
    taken_out = models.archive(access.LOCAL, NEW)
    registry.remove_model(store, NEW, "local")
    app = open_part("models")
    app.file_uploader[0].set_value(("beats.leadwise.zip", taken_out[:5000], "application/zip")).run()
    assert len(app.error) == 1
    assert not cards.folders(trained.parent.parent)
    app.file_uploader[0].set_value(("beats.leadwise.zip", taken_out, "application/zip")).run()
    assert not app.exception
    assert f"{NEW} is taken in. It is not in use." in text(app)
    assert cards.find("beats").name == "2"
    assert cards.find(NEW) == trained
    assert {"model exported", "model deleted", "model imported"} <= set(Audit(store).whats())


def test_stored_analyses_of_another_version_are_made_anew_beside_the_old(open_part, trained, store, files):
    record = store.add(files())
    kept = store.save_analysis(record.id, analyze(store.open(record.id), model=CURRENT))
    reading = Reviews(store).reading(record.id, kept.id)
    assert "Of 1 record stored none has a newest analysis by another version than beats@2" in text(open_part("models"))
    Promotions(store).promote(NEW, comparison(), "j", "local", "better")
    app = open_part("models")
    assert "Of 1 record stored 1 has a newest analysis by another version than beats@2.1, which is in use (beats@2: 1)." in text(app)
    button(app, "Analyse it again by beats@2.1").click().run()
    assert not app.exception
    (job,) = Jobs(store).list(kind="recompute")
    assert parse("recompute", job.spec) == RecomputeSpec(model=NEW, records=(record.id,))
    store.save_analysis(record.id, analyze(store.open(record.id), model=NEW))
    assert Reviews(store).get(reading.id).analysis_id == kept.id
    app.switch_page("pages/records.py").run()
    assert any("By beats@2 on" in (one.help or "").replace("\\", "") for one in app.markdown)


def test_the_log_is_searched_page_by_page_and_taken_out(open_part, store):
    for number in range(audit.PAGE + 5):
        Audit(store).note("anna@x" if number % 2 else "ben@x", "model imported", f"beats@{number}", "|a *pipe*")
    app = open_part("audit")
    assert "**55 entries**" in text(app)
    assert "beats@54" in text(app)
    assert "beats@4 |" not in text(app)
    app.selectbox(key="audit-who").set_value("anna@x").run()
    assert not app.exception
    assert "**27 entries**" in text(app)
    app.text_input(key="audit-text").set_value("BEATS@53").run()
    assert "**1 entry**" in text(app)
    lines = audit.csv(access.LOCAL, Wanted(text="beats@53", who="anna@x")).splitlines()
    assert len(lines) == 2
    app.text_input(key="audit-text").set_value("nothing such").run()
    assert "No entry fits" in text(app)


@pytest.mark.parametrize("taken_out", [lambda user: models.archive(user, CURRENT), lambda user: audit.csv(user, Wanted())], ids=["archive", "log"])
def test_what_goes_out_asks_anew_who_may(taken_out, home, monkeypatch):
    monkeypatch.setattr(access, "rules", lambda: access.Rules({"x": 1}, {"anna@x": "reviewer"}))
    with pytest.raises(access.AccessError, match="may not administer"):
        taken_out(access.User("anna@x", "admin"))


@pytest.fixture
def read(trained, store, files) -> tuple[str, str]:
    """The ids of a record read by beats@2 with one correction, and of its reading; beats@2.1 is in use since."""
    record = store.add(files())
    kept = store.save_analysis(record.id, analyze(store.open(record.id), ("MLII", "V1"), model=CURRENT))
    reading = Reviews(store).reading(record.id, kept.id)
    Reviews(store).edit(reading.id, "local", Relabel((int(Reviews(store).state(reading.id).samples[3]),), "V"), uuid.uuid4().hex)
    Promotions(store).promote(NEW, comparison(), "j", "local", "better")
    return record.id, reading.id


def open_record(app, record_id: str):
    app.query_params["record"] = record_id
    app.run().switch_page("pages/review.py").run()
    assert not app.exception
    return app


def test_review_says_that_another_version_is_in_use_and_changes_nothing_unasked(app, read, store, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("ecgcore.analysis.analyze", lambda *_, **__: pytest.fail("analysed unasked"))
        open_record(app, read[0])
    assert "Beats by beats@2; beats@2.1 is in use since" in text(app)
    assert Reviews(store).get(read[1]).model == CURRENT
    app.button(key=f"by-version-in-use-{read[1]}").click().run()
    assert not app.exception
    assert not app.error
    state = Reviews(store).state(read[1])
    assert (Reviews(store).get(read[1]).model, state.codes[3], state.changed) == (NEW, "V", 1)
    assert "is in use" not in text(app)
    assert {f"{one.model}@{one.version}" for one in store.analyses(read[0])} == {CURRENT, NEW}


def test_a_signed_reading_is_not_found_anew(app, read, store):
    Reviews(store).sign(read[1], "local", "")
    open_record(app, read[0])
    assert "Beats by beats@2; beats@2.1 is in use" in text(app)
    assert app.button(key=f"by-version-in-use-{read[1]}").disabled


def test_a_result_of_another_form_is_said_to_be_unreadable(open_part, trained, store):
    kept = Jobs(store)
    job = kept.submit("compare", "old", CompareSpec(new=NEW, current=CURRENT), "local")
    kept.claim(job.id, worker(store))
    kept.finish(job.id, json.dumps({"verdict": "better"}))
    app = open_part("compare", model=NEW)
    assert "cannot be read; compare again" in text(app)


def test_figures_of_cards_are_told_as_they_stand_there():
    figure = FigureComparison(name="MSE", n=3, n_patients=None, new=0.0031, current=0.0042, difference=-0.0011, low=-0.002, high=-0.0002, verdict="better")
    one = SetComparison(name="ptbxl fold 10", split="by patient", protocol="gaps of 1 s", n_patients=None, n_beats=None, figures=(figure,))
    found = comparison().model_copy(update={"sets": (one,), "verdict": "better", "task": "reconstruction"})
    assert verdicts.figure_rows(one)[0][2:] == ("–", "0.0031", "0.0042", "−0.0011", "−0.002\u00a0to\u00a0−0.0002", "**better**")
    assert verdicts.by_set(found) == (("Set", "Patients", "Beats", "Verdict"), [("**ptbxl fold 10**", "–", "–", "**better**")])
    assert "every figure that stands on both cards" in verdicts.how_decided(found)
    assert (verdicts.mcnemar(found, one), verdicts.caveats(one)) == ("", ())


def test_looks_at_the_final_set_are_counted_by_models_of_beats(store, trained):
    for found in (comparison(), comparison(), comparison().model_copy(update={"new": "wonhee@1.1"})):
        done(store, found)
    Jobs(store).submit("compare", "not done", CompareSpec(new=NEW, current=CURRENT), "local")
    assert "looked at mitdb DS2 twice so far" in verdicts.looks(Jobs(store).list(), {"beats"})


def test_evidence_tells_which_of_several_versions_is_in_use(app, trained, store):
    Promotions(store).promote(NEW, comparison(), "j", "local", "better")
    app.run().switch_page("pages/evidence.py").run()
    assert not app.exception
    assert "Not in use: beats@2.1 is." in text(app)
    assert text(app).count("This version is in use.") == 1
