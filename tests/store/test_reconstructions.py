from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ecgcore.errors import InputError, LeadError, StoreError
from ecgcore.store import database
from ecgcore.store.reconstructions import Reconstructions

ANNA, BEN = "anna@x", "ben@x"


@pytest.fixture
def kept(store):
    return Reconstructions(store)


@pytest.fixture
def record_id(stored):
    return stored[0]


def test_what_is_accepted_is_kept_with_who_and_when(kept, record_id, piece):
    accepted = kept.accept(record_id, piece(), ANNA)
    assert accepted.who == ANNA
    assert datetime.now(UTC) - accepted.at < timedelta(minutes=1)
    assert accepted.stands
    (found,) = kept.of(record_id)
    assert found == accepted
    for name in ("signal_mv", "low_mv", "high_mv"):
        values = getattr(found.made, name)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, getattr(piece(), name))
    assert kept.record_of(accepted.id) == record_id


def test_they_stand_in_the_order_of_time(kept, record_id, piece):
    for start in (600, 100, 300):
        kept.accept(record_id, piece(start, start + 50), ANNA)
    assert [one.made.start_sample for one in kept.of(record_id)] == [100, 300, 600]


def test_what_is_discarded_is_kept_with_who_and_when_and_stays_so(kept, record_id, piece):
    accepted = kept.accept(record_id, piece(), ANNA)
    gone = kept.discard(accepted.id, BEN)
    assert (gone.who, gone.discarded_by, gone.stands) == (ANNA, BEN, False)
    assert kept.of(record_id) == ()
    assert kept.of(record_id, discarded=True) == (gone,)
    assert kept.discard(accepted.id, ANNA) == gone
    assert kept.count(record_id) == 0
    again = kept.accept(record_id, piece(), BEN)  # its place is free
    assert kept.of(record_id) == (again,)


def test_no_two_share_a_sample_of_a_lead(kept, record_id, piece):
    kept.accept(record_id, piece(200, 250), ANNA)
    with pytest.raises(StoreError, match=r"I is reconstructed from 0\.800 to 1\.000 s already, accepted by anna@x; discard that one first"):
        kept.accept(record_id, piece(249, 300), BEN)
    kept.accept(record_id, piece(250, 300), BEN)
    kept.accept(record_id, piece(200, 250, lead="II"), BEN)
    kept.accept(record_id, piece(200, 250, lead="aVR"), BEN)  # it follows from I and II
    assert kept.count(record_id) == 4


def test_a_forecast_may_lie_behind_the_end_of_the_record(kept, record_id, piece):
    forecast = piece(1000, 1250, kind="forecast")
    assert kept.accept(record_id, forecast, ANNA).made.stop_sample == 1250
    with pytest.raises(InputError, match="a gap of samples 900 to 1001 does not lie at a record of 1000 samples"):
        kept.accept(record_id, piece(900, 1001), ANNA)
    with pytest.raises(InputError, match="a forecast of samples 1001"):
        kept.accept(record_id, piece(1001, 1250, kind="forecast"), ANNA)


@pytest.mark.parametrize("span", [(-1, 5), (5, 5), (7, 5)])
def test_a_span_that_is_none_is_refused(kept, record_id, piece, span):
    with pytest.raises(InputError, match="does not lie at a record"):
        kept.accept(record_id, replace(piece(), start_sample=span[0], stop_sample=span[1]), ANNA)


def test_what_does_not_fit_the_record_is_refused_and_nothing_is_kept(kept, record_id, piece):
    with pytest.raises(LeadError, match="no lead 'V7'"):
        kept.accept(record_id, piece(lead="V7"), ANNA)
    with pytest.raises(InputError, match="is at 360 Hz, the record at 250 Hz"):
        kept.accept(record_id, piece(fs_hz=360.0), ANNA)
    with pytest.raises(InputError, match="the signal of the reconstruction must be 50 finite values"):
        kept.accept(record_id, replace(piece(), signal_mv=np.full(50, np.nan, np.float32)), ANNA)
    with pytest.raises(InputError, match=r"the low of the reconstruction must be 50 finite values, not \(49,\)"):
        kept.accept(record_id, replace(piece(), low_mv=piece().low_mv[1:]), ANNA)
    with pytest.raises(InputError, match="the user is empty"):
        kept.accept(record_id, piece(), " ")
    assert kept.of(record_id, discarded=True) == ()


def test_unknown_records_and_reconstructions(kept, piece):
    with pytest.raises(StoreError, match="no record 'none' is stored"):
        kept.accept("none", piece(), ANNA)
    for ask in (lambda: kept.discard("none", ANNA), lambda: kept.record_of("none")):
        with pytest.raises(StoreError, match="no reconstruction 'none' is stored"):
            ask()


def test_they_go_with_their_record(store, kept, record_id, piece):
    accepted = kept.accept(record_id, piece(), ANNA)
    kept.accept(record_id, piece(500, 600), ANNA)
    kept.discard(accepted.id, ANNA)
    assert kept.count(record_id) == 1
    store.delete(record_id)
    with database.read(store.engine) as session:
        assert session.scalar(text("SELECT count(*) FROM reconstructions")) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE reconstructions SET who = 'eve'",
        "UPDATE reconstructions SET samples = ''",
        "UPDATE reconstructions SET discarded_by = 'eve' WHERE discarded_at IS NOT NULL",
        "DELETE FROM reconstructions",
    ],
)
def test_nobody_changes_what_was_accepted(store, kept, record_id, piece, statement):
    kept.accept(record_id, piece(), ANNA)
    kept.discard(kept.accept(record_id, piece(500, 600), ANNA).id, BEN)
    before = kept.of(record_id, discarded=True)
    with pytest.raises(DBAPIError, match="reconstructions are never changed"), database.writing(store.engine).begin() as connection:
        connection.execute(text(statement))
    assert kept.of(record_id, discarded=True) == before


def test_analyses_and_readings_know_nothing_of_it(store, reviews, reading, kept, record_id, piece):
    before = (store.analysis(reading.analysis_id).to_json(), reviews.state(reading.id), store.open(record_id).mv().tobytes())
    kept.accept(record_id, piece(80, 400), ANNA)
    after = (store.analysis(reading.analysis_id).to_json(), reviews.state(reading.id), store.open(record_id).mv().tobytes())
    assert after[0] == before[0]
    assert after[1].counts == before[1].counts
    assert after[2] == before[2]
