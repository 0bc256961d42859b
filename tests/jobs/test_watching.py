"""What a training tells on its way, and the time that is left."""

import math

import pytest

from ecgcore.errors import StoreError
from ecgcore.jobs import watching
from ecgcore.jobs.specs import TrainSpec
from ecgcore.jobs.watching import MOST_POINTS, Pace, Watching
from ecgcore.progress import watch, watched
from tests.jobs.conftest import until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def job(jobs, workers):
    queued = jobs.submit("train", "t", TrainSpec(recipe="beats"), "anna@x")
    return jobs.claim(queued.id, workers.register("here", 1, "CPU", 1).id)


@pytest.fixture
def following(jobs, job, clock):
    return Watching(jobs, job, clock=clock)


def told(jobs, job):
    now = jobs.get(job.id)
    return now.progress, now.doing, now.left_s


def texts(jobs, job):
    return [line.text for line in jobs.lines(job.id)]


def test_how_far_a_training_of_parts_is(jobs, job, following):
    following.plan(4)
    following.begun("fold 1", 12, 10)
    following.begun("fold 2", 12, 10)
    following.step(2, 4)
    following.write()
    assert told(jobs, job) == (pytest.approx((1 + 2.5 / 12) / 4), "part 2 of 4, epoch 3 of 12", None)
    assert texts(jobs, job) == ["part 1 of 4, fold 1: 12 epochs of 10 steps", "part 2 of 4, fold 2: 12 epochs of 10 steps"]
    following.begun("all", 12, 10)
    following.begun("more", 12, 10)
    following.step(11, 9)
    following.write()
    assert told(jobs, job) == (1.0, "part 4 of 4, epoch 12 of 12", None)


def test_how_far_a_training_of_one_part_is(jobs, job, following):
    following.begun("all", 2, 4)
    following.step(1, 1)
    following.write()
    assert told(jobs, job) == (0.75, "epoch 2 of 2", None)


def test_the_time_left_by_the_first_minutes_speed(jobs, job, following, clock):
    following.begun("all", 10, 10)
    following.step(0, 0)
    clock.now += 59
    following.step(0, 5)
    following.write()
    assert told(jobs, job)[2] is None
    clock.now += 1
    following.step(0, 6)
    following.write()
    assert told(jobs, job)[2] == pytest.approx(930)  # 6 steps a minute; 93 are left
    clock.now += 60
    following.step(0, 12)
    following.write()
    assert told(jobs, job)[2] == pytest.approx(870)


def test_the_time_left_is_no_longer_than_the_limit(jobs, job, clock):
    following = Watching(jobs, job, 5, clock)
    following.begun("all", 10, 10)
    following.step(0, 0)
    clock.now += 100
    following.step(0, 1)
    following.write()
    assert told(jobs, job)[2] == 200
    clock.now += 300
    following.step(0, 2)
    following.write()
    assert told(jobs, job)[2] == 0


def test_what_was_there_before_a_break_says_nothing_of_the_speed(clock):
    pace = Pace(None, clock)
    assert pace.left_s(0.25, first=True) is None  # a part that was there
    assert pace.left_s(0.60, first=True) is None  # and half of another
    clock.now += 60
    assert pace.left_s(0.60) is None  # nothing has moved
    assert pace.left_s(0.61) == pytest.approx(60 * 0.39 / 0.01)


def test_a_curve_has_few_points_and_the_end_of_every_epoch(jobs, job, following):
    following.begun("all", 4, 1000)
    for epoch in range(4):
        for step in range(1000):
            following.point("loss", epoch + (step + 1) / 1000, 1.0)
        following.point("validation loss", epoch + 1, 2.0)
    following.write()
    loss, validation = ([point for point in jobs.points(job.id) if point.name == name] for name in ("loss", "validation loss"))
    assert MOST_POINTS / 2 < len(loss) <= MOST_POINTS + 4
    assert {1.0, 2.0, 3.0, 4.0} <= {point.epoch for point in loss}
    assert [(point.part, point.epoch, point.value) for point in validation] == [("all", epoch, 2.0) for epoch in (1.0, 2.0, 3.0, 4.0)]


def test_values_that_are_no_number_are_said_once(jobs, job, following):
    following.begun("all", 4, 10)
    for step in range(3):
        following.point("loss", 0.1 * step, math.nan)
    following.point("loss", 0.5, 1.0)
    following.write()
    assert texts(jobs, job)[1:] == ["loss is nan after 0 epochs; values that are no number are not drawn"]
    assert [point.value for point in jobs.points(job.id)] == [1.0]


def test_epochs_gone_over_again_do_not_stand_twice(jobs, job, following):
    following.begun("all", 4, 10)
    for epoch in (1, 1.5, 2, 2.5):
        following.point("loss", epoch, epoch)
    following.write()
    jobs.requeue(job.id, "killed")
    again = Watching(jobs, jobs.claim(job.id, job.worker_id))
    again.begun("all", 4, 10)
    for epoch in (2, 2.5, 3):
        again.point("loss", epoch, 10 * epoch)
    again.write()
    assert [(point.epoch, point.value) for point in jobs.points(job.id)] == [(1, 1), (1.5, 1.5), (2, 20), (2.5, 25), (3, 30)]


def test_it_writes_by_itself_and_what_is_left_at_the_end(jobs, job, monkeypatch):
    monkeypatch.setattr(watching, "EVERY_S", 0.01)
    with Watching(jobs, job) as following, watched(following):
        watch().said("one")
        until(lambda: texts(jobs, job) == ["one"])
        monkeypatch.setattr(watching, "EVERY_S", 100)
        watch().said("two")
        watch().progress(0.5, "half")
    assert texts(jobs, job) == ["one", "two"]
    assert told(jobs, job)[:2] == (0.5, "half")


def test_what_the_database_refuses_is_written_later(jobs, job, following, monkeypatch):
    following.begun("all", 2, 4)
    following.step(0, 0)
    following.point("loss", 0.25, 1.0)

    def refuses(*_):
        raise StoreError("the database cannot be used: it is away")

    with monkeypatch.context() as away:
        away.setattr(jobs, "log", refuses)
        with pytest.raises(StoreError, match="it is away"):
            following.write()
    following.said("two")
    following.write()
    assert texts(jobs, job) == ["all: 2 epochs of 4 steps", "two"]
    assert [point.value for point in jobs.points(job.id)] == [1.0]


def test_a_training_goes_on_while_the_database_is_away(jobs, job, monkeypatch):
    monkeypatch.setattr(watching, "EVERY_S", 0.01)
    refused = []

    def refuses(*given):
        refused.append(given)
        raise StoreError("the database cannot be used: it is away")

    with Watching(jobs, job) as following:
        with monkeypatch.context() as away:
            away.setattr(jobs, "log", refuses)
            following.said("one")
            until(lambda: len(refused) > 1, "a second attempt to write")
        until(lambda: texts(jobs, job) == ["one"])
