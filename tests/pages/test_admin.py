"""The Admin page: who may open it, a training begun, jobs followed, and how the system is."""

import json
import socket
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import streamlit

from ecgcore import jobs as handed_in
from ecgcore.analysis import analyze
from ecgcore.jobs.specs import CompareSpec, RecomputeSpec, TrainSpec
from ecgcore.review import Relabel
from ecgcore.site import CORRECTED_WEIGHT
from ecgcore.store import manifest
from ecgcore.store.audit import Audit
from ecgcore.store.datasets import Datasets
from ecgcore.store.jobs import Job, Jobs, LogLine, Point, Worker, Workers
from ecgcore.store.reviews import Reviews
from ecgcore.training.recipes.choices import CHOICES
from pages.ui import access, warmup
from pages.ui.admin import health, parts, plans, retraining, telling

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def sets(tmp_path, monkeypatch):
    """The public sets that this machine is said to have."""
    for name in ("mitdb", "svdb"):
        (tmp_path / "data" / name).mkdir(parents=True)
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("LEADWISE_QUEUE_URL", raising=False)


@pytest.fixture
def at(app, monkeypatch):
    """Opens a part of the page, which needs nothing of what the first page has loaded behind it."""
    monkeypatch.setattr(warmup, "start", lambda: None)

    def open_part(part: str, **about: str):
        for name, value in {parts.PART: part, **about}.items():
            app.query_params[name] = value
        app.run().switch_page("pages/admin.py").run()
        assert not app.exception
        return app

    return open_part


@pytest.fixture
def signed(store, files, monkeypatch):
    """Stores a recording whose reading has so many beats corrected and is signed off, of a patient that is learned from."""
    monkeypatch.setattr(manifest, "HELD_OUT_SHARE", 0.0)

    def put(name: str = "one", corrected: int = 3, duration_s: int = 40, *, sign: bool = True):
        stored = store.add(files(name, duration_s=duration_s))
        reviews = Reviews(store)
        reading = reviews.reading(stored.id, store.save_analysis(stored.id, analyze(store.open(stored.id))).id)
        beats = reviews.state(reading.id).samples[:corrected]
        reviews.edit(reading.id, "local", Relabel(tuple(int(sample) for sample in beats), "V"), uuid.uuid4().hex)
        return reviews.sign(reading.id, "local", "") if sign else None

    return put


@pytest.fixture
def worker(store):
    return Workers(store).register(socket.gethostname(), 4711, "CPU", 8192)


@pytest.fixture
def running(store, worker):
    """A training that runs, with two of its parts drawn."""
    jobs = Jobs(store)
    job = jobs.submit("train", "Fine-tune beats@2", TrainSpec(recipe="beats", start="beats@2", minutes=10), "local")
    jobs.claim(job.id, worker.id)
    jobs.draw(
        job.id,
        [
            ("fold 1", "loss", 0.5, 0.9),
            ("fold 1", "loss", 1.0, 0.7),
            ("fold 2", "loss", 0.5, 0.8),
            ("fold 2", "loss", 1.0, 0.5),
            ("fold 2", "validation loss", 1.0, 0.6),
            ("fold 2", "validation F1", 1.0, 0.5),
        ],
    )
    jobs.log(job.id, "part 1 of 4, fold 1: 12 epochs of 100 steps")
    jobs.tell(job.id, 0.25, "part 2 of 4, epoch 3 of 12")
    return job


def said(app) -> str:
    kinds = (app.markdown, app.caption, app.info, app.error, app.warning, app.success, app.subheader, app.text)
    return " ".join(element.value for kind in kinds for element in kind).replace("\\", "")


def charts(app) -> list[tuple[dict, str]]:
    """The figures as the browser gets them, and their words."""
    return [(json.loads(one.proto.spec), one.proto.alt) for one in app.get("plotly_chart")]


def bar(app):
    return app.get("progress")[0].proto


# Who may open it


def test_who_may_not_is_told_in_one_line_and_sees_nothing_of_it(at, monkeypatch):
    monkeypatch.setattr(access, "current_user", lambda: access.User("anna@x", "reader"))
    app = at("system")
    assert [error.value.replace("\\", "") for error in app.error] == ["anna@x is reader and may not administer Leadwise; admin may"]
    assert not app.segmented_control
    assert [button.key for button in app.button] == ["sign-out"]


def test_only_an_admin_has_it_in_the_navigation(app, monkeypatch):
    shown, navigation = [], streamlit.navigation
    monkeypatch.setattr(streamlit, "navigation", lambda pages, position: shown.append({page.title: page.visibility for page in pages}) or navigation(pages, position=position))
    app.run()
    monkeypatch.setattr(access, "current_user", lambda: access.User("anna@x", "reader"))
    app.run()
    assert [pages["Admin"] for pages in shown] == ["visible", "hidden"]
    assert {name: seen for name, seen in shown[1].items() if seen == "hidden"} == {"Admin": "hidden"}


def test_the_address_opens_a_part_and_a_part_changes_the_address(at):
    app = at("jobs")
    assert "There is no job yet." in said(app)
    app.segmented_control(key="admin-part").set_value("system").run()
    assert app.query_params[parts.PART] == "system"
    assert "**Storage**" in said(app)
    app.query_params[parts.PART] = "jobs"
    app.run()
    assert app.segmented_control(key="admin-part").value == "jobs"
    next(button for button in app.button if button.label == "Go to Retrain").click().run()
    assert app.query_params[parts.PART] == "retrain"
    assert app.selectbox(key="train-recipe").value == "beats"


def test_an_address_that_names_no_part_opens_the_first(at):
    assert at("nonsense").selectbox(key="train-recipe").value == "beats"


# Retrain


def test_without_a_worker_it_says_how_to_start_one_and_with_one_on_what_it_trains(at, store):
    app = at("retrain")
    assert [warning.value for warning in app.warning] == [telling.NO_WORKER]
    Workers(store).register("gpu-box", 7, "NVIDIA H100 80GB HBM3", 79_647)
    app.run()
    assert not app.warning
    assert "Trains on **NVIDIA H100 80GB HBM3, 78 GB (gpu-box)**" in said(app)


def test_a_training_is_begun_as_chosen_even_where_choice_and_click_arrive_together(at, store):
    app = at("retrain")
    assert "Fine-tunes beats@2 on 62 public recordings (mitdb, svdb) for at most 10 minutes. Nothing is in use until you promote it." in said(app)
    app.multiselect(key="train-public-beats").set_value(["svdb"])
    app.number_input(key="train-minutes-tune").set_value(2.0)
    app.button(key="train-start").click().run()
    assert not app.exception
    (job,) = Jobs(store).list()
    assert (job.kind, job.title, job.status, job.created_by) == ("train", "Fine-tune beats@2", "queued", "local")
    assert TrainSpec.model_validate_json(job.spec) == TrainSpec(recipe="beats", start="beats@2", public=("svdb",), minutes=2.0)
    assert (app.query_params[parts.PART], app.query_params[parts.JOB]) == ("jobs", job.id)
    assert app.subheader[0].value.replace("\\", "") == "Fine-tune beats@2"


def test_a_click_together_with_another_recipe_begins_nothing_that_nobody_has_seen(at, store):
    app = at("retrain")
    app.selectbox(key="train-recipe").set_value("hadln")
    app.button(key="train-start").click().run()
    assert not app.exception
    assert Jobs(store).list() == ()
    assert [error.value for error in app.error] == [retraining.CHANGED]
    app.segmented_control(key="train-from-hadln").set_value("scratch")
    app.button(key="train-start").click().run()
    assert not app.exception
    assert Jobs(store).list() == ()
    app.button(key="train-start").click().run()
    assert [job.title for job in Jobs(store).list()] == ["Train hadln from scratch"]


def test_from_scratch_of_a_paper_means_its_whole_recipe(at, store):
    app = at("retrain")
    app.selectbox(key="train-recipe").set_value("hadln").run()
    assert "Fine-tunes hadln@1 on 21 public recordings (mitdb)" in said(app)
    app.segmented_control(key="train-from-hadln").set_value("scratch").run()
    assert "Trains hadln from scratch by its whole recipe on mitdb without a limit of time." in said(app)
    assert not app.multiselect
    app.button(key="train-start").click().run()
    assert TrainSpec.model_validate_json(Jobs(store).list()[0].spec) == TrainSpec(recipe="hadln")


def test_the_time_limit_of_a_fine_tuning_can_be_left_empty_and_choices_are_kept_while_another_part_is_open(at):
    app = at("retrain")
    app.number_input(key="train-minutes-tune").set_value(None)
    app.multiselect(key="train-public-beats").set_value(["mitdb"]).run()
    for part in ("jobs", "retrain"):
        app.segmented_control(key="admin-part").set_value(part).run()
    assert "Fine-tunes beats@2 on 21 public recordings (mitdb) without a limit of time." in said(app)
    assert app.number_input(key="train-minutes-tune").value is None


def test_what_cannot_be_trained_says_why_and_how_to_get_what_is_missing(at):
    app = at("retrain")
    app.selectbox(key="train-recipe").set_value("hadln_cinc2017").run()
    assert "is trained from scratch: it classifies whole recordings, and signed beats say nothing of those." in said(app)
    assert "Not on this machine: cinc2017. Get it with `python -m ecgcore data get cinc2017`" in said(app)
    assert "Its whole recipe needs cinc2017, which is not on this machine." in said(app)
    assert app.button(key="train-start").disabled
    app.selectbox(key="train-recipe").set_value("seresnet18").run()
    assert "Put its folder at `LEADWISE_DATA/chapman`" in said(app)


def test_nothing_to_learn_from_is_no_training(at):
    app = at("retrain")
    app.multiselect(key="train-public-beats").set_value([]).run()
    assert app.button(key="train-start").disabled
    assert "There is nothing to learn from; choose a public data set or signed readings." in said(app)


def test_signed_readings_are_previewed_frozen_and_learned_from(at, store, signed):
    signed("one", corrected=3)
    signed("two", corrected=5, duration_s=41)
    signed("three", duration_s=42, sign=False)
    app = at("retrain")
    assert "Signed off now: 2 recordings of 2 patients, none of them held out, 8 corrected beats." in said(app)
    assert "| three | not signed off |" in said(app)
    app.button(key="train-freeze").click().run()
    assert not app.exception
    (version,) = Datasets(store).list()
    assert (version.number, version.created_by) == (1, "local")
    assert app.selectbox(key="train-dataset").value == 1
    app.slider(key="train-weight").set_value(7.0).run()
    assert "up to 62 public recordings (mitdb, svdb) and 2 own patients (2 recordings, whose 8 corrected beats weigh 7 times another)" in said(app)
    assert list(app.dataframe[0].value["Corrected"]) in ([3, 5], [5, 3])
    app.button(key="train-start").click().run()
    spec = TrainSpec.model_validate_json(Jobs(store).list()[0].spec)
    assert (spec.dataset, spec.weight) == (1, 7.0)
    assert Jobs(store).list()[0].title == "Fine-tune beats@2 with data set version 1"


def test_a_version_of_held_out_patients_alone_teaches_nothing(at, signed, monkeypatch):
    signed()
    monkeypatch.setattr(manifest, "HELD_OUT_SHARE", 1.0)
    monkeypatch.setattr(manifest, "FEW", 1)
    app = at("retrain")
    app.button(key="train-freeze").click().run()
    assert "Data set version 1 holds no record to learn from; more patients must be signed off." in said(app)
    assert app.button(key="train-start").disabled


def test_a_role_taken_away_meanwhile_begins_nothing(at, store, monkeypatch):
    app = at("retrain")
    monkeypatch.setattr(access, "renewed", lambda _: access.User("local", "reader"))
    app.button(key="train-start").click().run()
    assert Jobs(store).list() == ()
    assert "may not administer Leadwise" in said(app)


def test_what_the_queue_refuses_is_said_where_it_was_asked(at, monkeypatch):
    def refuses(*_):
        raise access.AccessError("no more jobs today")

    monkeypatch.setattr(handed_in, "submit", refuses)
    app = at("retrain")
    app.button(key="train-start").click().run()
    assert [error.value for error in app.error] == ["no more jobs today"]
    assert app.query_params[parts.PART] == "retrain"


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.recipe)
def test_every_recipe_is_offered_with_a_sentence(choice):
    plan = plans.Plan(choice, None, choice.sets, None, CORRECTED_WEIGHT, None)
    assert plans.sentence(plan).startswith(f"Trains {choice.recipe} from scratch")
    assert plan.spec.public is None
    assert not plans.why_no_start(plan, {})


# Jobs


def test_jobs_are_listed_the_newest_first_and_one_is_opened_by_its_title(at, store, running):
    jobs = Jobs(store)
    jobs.cancel(jobs.submit("recompute", "Analyse all records anew by beats@2", RecomputeSpec(model="beats@2"), "anna@x").id, "anna@x")
    app = at("jobs")
    assert [button.label.replace("\\", "") for button in app.button] == ["Analyse all records anew by beats@2", "Fine-tune beats@2"]
    assert [button.icon for button in app.button] == [":material/cancel:", ":material/play_circle:"]
    cells = [cell.value.replace("\\", "") for cell in app.markdown]
    assert cells[:2] == ["Analyses anew", "anna@x"]
    assert cells[-2:] == ["running", "25%"]
    app.button(key=f"job-{running.id}").click().run()
    assert app.query_params[parts.JOB] == running.id
    assert app.subheader[0].value.replace("\\", "") == "Fine-tune beats@2"


def test_a_running_training_shows_how_far_it_is_its_curves_and_its_log(at, store, running):
    app = at("jobs", job=running.id)
    assert (bar(app).value, bar(app).text.replace("\\", "")) == (25, "Part 2 of 4, epoch 3 of 12 · time left: known after the first minute")
    (losses, alt), (scores, _) = charts(app)
    assert [(trace["name"], trace["y"]) for trace in losses["data"]] == [("loss", [0.8, 0.5]), ("validation loss", [0.6])]
    assert alt.startswith("Over the epochs: loss from 0.8 to 0.5 after epoch 1, ")
    assert [trace["name"] for trace in scores["data"]] == ["validation F1"]
    assert "part 1 of 4, fold 1: 12 epochs of 100 steps" in said(app)
    assert "from the weights of beats@2; all public sets of the recipe; no signed readings; at most 10 minutes." in said(app)
    Jobs(store).tell(running.id, 0.5, "part 3 of 4, epoch 1 of 12", 372.0)
    app.selectbox(key=f"part-{running.id}").set_value("fold 1").run()
    assert bar(app).text.replace("\\", "") == "Part 3 of 4, epoch 1 of 12 · about 6 minutes left"
    assert [trace["y"] for trace in charts(app)[0][0]["data"]] == [[0.9, 0.7]]


def test_it_is_cancelled_and_the_page_says_what_became_of_it(at, store, running):
    app = at("jobs", job=running.id)
    app.button(key=f"cancel-{running.id}").click().run()
    assert Jobs(store).cancelling(running.id)
    assert bar(app).text == "Being cancelled"
    assert app.button(key=f"cancel-{running.id}").disabled
    Jobs(store).cancelled(running.id)
    app.run()
    assert not app.exception
    assert "Cancelled at 25%. Nothing came of it." in said(app)
    assert not app.get("progress")


def test_a_waiting_job_says_what_it_waits_for(at, store):
    job = Jobs(store).submit("train", "Train hadln", TrainSpec(recipe="hadln"), "local")
    app = at("jobs", job=job.id)
    assert bar(app).text == "Waiting for its turn"
    assert [warning.value for warning in app.warning] == [telling.NO_WORKER]
    app.button(key=f"cancel-{job.id}").click().run()
    app.run()
    assert Jobs(store).get(job.id).status == "cancelled"


def test_what_was_trained_leads_to_the_comparison(at, store, running):
    figure = {"name": "VEB F1, gross", "value": 0.8712, "spread": None, "n": 1, "protocol": "EC57", "split": "by patient", "command": "c"}
    Jobs(store).finish(running.id, json.dumps({"model": "beats@2.1", "folder": "/f", "figures": [figure]}))
    app = at("jobs", job=running.id)
    assert "**beats@2.1** is trained. It is not in use until you promote it." in said(app)
    assert "| VEB F1, gross | 0.8712 | EC57 |" in said(app)
    assert len(charts(app)) == 2
    next(button for button in app.button if button.label == "Compare it").click().run()
    assert (app.query_params[parts.PART], app.query_params[parts.MODEL]) == ("compare", "beats@2.1")


def test_what_failed_says_why_and_what_was_resumed_says_so(at, store, running):
    jobs = Jobs(store)
    jobs.requeue(running.id, "its worker was killed")
    app = at("jobs", job=running.id)
    assert "its worker was killed; goes on from its last checkpoint" in said(app)
    jobs.claim(running.id, Workers(store).list()[0].id)
    app.run()
    assert "It was begun twice; the log says why." in said(app)
    jobs.fail(running.id, "no data set 'mitdb' in .data; get it with: python -m ecgcore data get mitdb")
    app.run()
    assert [error.value.replace("\\", "") for error in app.error] == ["no data set 'mitdb' in .data; get it with: python -m ecgcore data get mitdb"]


def test_what_was_analysed_anew_is_counted_and_what_failed_is_named(at, store, files, worker):
    stored = store.add(files())
    jobs = Jobs(store)
    job = jobs.submit("recompute", "Analyse all records anew", RecomputeSpec(model="beats@2"), "local")
    jobs.claim(job.id, worker.id)
    jobs.finish(job.id, json.dumps({"model": "beats@2", "analysed": 4, "there": 1, "failures": [{"record": stored.id, "why": "no lead can be read"}]}))
    app = at("jobs", job=job.id)
    assert "4 records analysed anew by beats@2; 1 record had such an analysis already; 1 record could not be analysed. The old analyses stay." in said(app)
    assert "| one | no lead can be read |" in said(app)


def test_a_comparison_that_is_done_is_one_click_away(at, store, worker):
    jobs = Jobs(store)
    job = jobs.submit("compare", "Compare", CompareSpec(new="beats@2.1", current="beats@2", dataset=3), "local")
    jobs.claim(job.id, worker.id)
    jobs.finish(job.id, "{}")
    app = at("jobs", job=job.id)
    assert "beats@2.1 against beats@2, with data set version 3." in said(app)
    assert "Open the comparison" in [button.label for button in app.button]


def test_an_unknown_job_is_said_in_one_line(at):
    app = at("jobs", job="nothing")
    assert ["no job 'nothing' is stored" in error.value.replace("\\", "") for error in app.error] == [True]


# System


def test_the_system_says_how_it_is(at, store, worker, running):
    app = at("system")
    assert not app.error
    text = said(app)
    assert f"| {socket.gethostname()} | 4711 | CPU, ".replace("\\", "") in text
    assert "alive, just now" in text
    assert "SQLite file queue.db: 0 jobs waiting, 1 running, 0 messages in the queue." in text
    assert "| Database | SQLite " in text
    assert "job_points 6" in text
    assert "| local | admin | " in text
    assert "Local mode: no sign-in is configured" in text
    assert app.button(key="remove-runs").disabled


def test_runs_of_ended_jobs_are_removed_and_those_of_others_stay(at, store, home, running):
    ended = Jobs(store).submit("train", "Train", TrainSpec(recipe="beats"), "local")
    Jobs(store).cancel(ended.id, "local")
    for name in (ended.id, running.id, "beats-2-seed1"):
        (home / "runs" / name).mkdir(parents=True)
        (home / "runs" / name / "last.ckpt").write_bytes(b"x" * 2_000_000)
    app = at("system")
    assert "| runs of trainings | 6 MB |" in said(app)
    app.button(key="remove-runs").click().run()
    assert sorted(path.name for path in (home / "runs").iterdir()) == sorted([running.id, "beats-2-seed1"])
    assert "| runs of trainings | 4 MB |" in said(app)
    assert Audit(store).search(what="runs removed")[0].who == "local"


def test_a_queue_that_cannot_be_reached_is_said_in_its_place_and_the_rest_stands(at, monkeypatch):
    monkeypatch.setenv("LEADWISE_QUEUE_URL", "redis://anna:hidden@localhost:1/0")
    app = at("system")
    assert "the queue of jobs cannot be used" in app.error[0].value.replace("\\", "")
    assert "hidden" not in said(app)
    assert "Users and roles" in said(app)


def test_users_are_listed_by_role_with_when_the_log_last_heard_of_them():
    rules = access.Rules({"cookie_secret": "hidden"}, {"anna@x": "reader", "carla@x": "admin", "bert@x": "reviewer"})
    rows = health.users(rules, {"anna@x": NOW - timedelta(hours=3)}, NOW)
    assert [(name.replace("\\", ""), role, seen) for name, role, seen in rows] == [
        ("carla@x", "admin", "never"),
        ("bert@x", "reviewer", "never"),
        ("anna@x", "reader", "3 hours ago"),
    ]
    assert "secrets.toml" in health.where_roles_are(rules, ["/etc/leadwise/secrets.toml"])


def test_of_a_queue_s_url_neither_user_nor_password_is_shown():
    assert health.queue("redis://anna:hidden@cache.example:6379/0") == "Redis at cache.example:6379"
    assert health.queue("unix:///run/redis.sock") == "Redis at /run/redis.sock"


# Words


def job(**changes) -> Job:
    kept = {"started": NOW, "finished": None, "worker_id": None, "progress": 0.1, "doing": "epoch 1 of 9", "left_s": None, "attempts": 1, "cancelling": False, "result": None}
    return Job(**{"id": "j", "kind": "train", "title": "t", "spec": "{}", "status": "running", "created_by": "local", "created": NOW, "error": None, **kept, **changes})


@pytest.mark.parametrize(
    ("left_s", "text"),
    [
        (None, "time left: known after the first minute"),
        (20.0, "less than a minute left"),
        (61.0, "about 1 minute left"),
        (372.0, "about 6 minutes left"),
        (7.4 * 3600, "about 7 hours left"),
    ],
)
def test_time_left(left_s, text):
    assert telling.left(job(left_s=left_s)) == text


@pytest.mark.parametrize(("size", "text"), [(12, "12 bytes"), (36_900, "36.9 kB"), (1.25e6, "1.25 MB"), (812e6, "812 MB"), (70.2e9, "70.2 GB"), (2_500e9, "2,500 GB")])
def test_sizes(size, text):
    assert telling.gigabytes(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(1, "just now"), (31, "31 s ago"), (61, "1 minute ago"), (7300, "2 hours ago"), (90_000, "1 day ago")])
def test_how_long_ago(seconds, text):
    assert telling.ago(seconds) == text


def test_how_many_cores_another_machine_has_is_not_said():
    other = Worker("w", "elsewhere", 1, "CPU", 16_000, NOW, NOW, None)
    assert telling.machine(other) == "CPU, 16 GB of memory"


def test_a_resumed_training_tells_an_epoch_again_and_the_last_word_counts():
    points = [
        Point(1, "a", "loss", 1.0, 0.9),
        Point(2, "a", "loss", 2.0, 0.8),
        Point(3, "a", "loss", 2.0, 0.7),
        Point(4, "a", "accuracy", 2.0, 0.5),
        Point(5, "b", "loss", 1.0, 3.0),
    ]
    assert telling.parts(points) == ("a", "b")
    assert [(curve.name, curve.points) for curve in telling.curves(points, "a")] == [("loss", ((1.0, 0.9), (2.0, 0.7))), ("accuracy", ((2.0, 0.5),))]


def test_a_long_log_shows_its_newest_lines():
    lines = [LogLine(number, NOW, f"line {number}") for number in range(5)]
    assert telling.log(lines, 2) == "2026-11-22 12:00:00  line 3\n2026-11-22 12:00:00  line 4"
    assert telling.log(lines).count("\n") == 4
