import uuid

import pytest
from streamlit.testing.v1 import AppTest

from ecgcore.analysis import analyze
from ecgcore.review import Delete
from ecgcore.store.reviews import Reviews
from pages.ui.text import plain


def upload(app: AppTest, files: dict[str, bytes]) -> AppTest:
    return app.file_uploader[0].set_value([(name, data, "application/octet-stream") for name, data in files.items()]).run()


def test_an_empty_store_says_what_to_do(app):
    app.run()
    assert not app.exception
    assert "Drop a recording above, or open a demo recording" in app.info[0].value
    assert app.selectbox[0].options


def test_several_files_become_one_record(app, files, store):
    upload(app.run(), files())
    assert not app.exception
    assert not app.error
    assert [line.value for line in app.success] == ["one is stored."]
    (stored,) = store.list()
    assert app.button(key=f"open-{stored.id}").label == "one"
    assert "MLII, V1" in [cell.value for cell in app.markdown]
    assert "250 Hz" in [cell.value for cell in app.markdown]
    assert "not analysed" in [cell.value for cell in app.markdown]


def test_two_recordings_at_once_and_one_of_them_twice(app, files, store):
    upload(app.run(), files() | files("two"))
    assert [line.value for line in app.success] == ["one is stored.", "two is stored."]
    upload(app, files("two"))
    assert [line.value for line in app.info] == ["two was stored already; nothing was added."]
    assert len(store.list()) == 2


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"empty.dat": b""}, "empty.dat"),
        ({"photo.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF"}, "photo.jpg"),
        ({"zero.hea": b"zero 1 0 1000\nzero.dat 16 200 16 0 0 0 0 I\n", "zero.dat": bytes(2000)}, "0"),
        ({"up.hea": b"up 1 250 1000\n../../etc/passwd 16 200 16 0 0 0 0 I\n"}, "passwd"),
        ({"big.hea": b"big 1 250 1000000000000\nbig.dat 16 200 16 0 0 0 0 I\n", "big.dat": bytes(2000)}, "1000000000000"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(app, files, store, bad, said):
    upload(app.run(), bad)
    assert not app.exception
    (error,) = app.error
    assert "\n" not in error.value
    assert plain(said) in error.value
    assert store.list() == ()
    upload(app, files())  # and the app goes on
    assert not app.error
    assert len(store.list()) == 1


def test_a_missing_file_may_be_added_to_those_already_chosen(app, files, store):
    chosen = files()
    upload(app.run(), {"one.hea": chosen["one.hea"]})
    assert plain("one.dat") in app.error[0].value
    upload(app, chosen)
    assert not app.error
    assert len(store.list()) == 1


def test_facts_that_a_table_leaves_out_are_asked_for(app, store):
    rows = "\n".join(f"{i % 7 / 10},{i % 5 / 10}" for i in range(600))
    upload(app.run(), {"plain.csv": rows.encode()})
    assert not app.exception
    assert store.list() == ()
    assert "plain.csv" in app.markdown[0].value.replace("\\", "")
    submit = next(button for button in app.button if button.label.startswith("Store it"))
    submit.click().run()
    assert store.list() == ()  # nothing was stated, so nothing is guessed
    app.number_input[0].set_value(200.0)
    next(box for box in app.selectbox if box.label == "Unit of the samples").set_value("mV")
    app.text_input[0].set_value("II, V1")
    next(button for button in app.button if button.label.startswith("Store it")).click().run()
    assert not app.exception
    (stored,) = store.list()
    assert (stored.leads, stored.fs_hz) == (("II", "V1"), 200.0)
    assert stored.facts.units == "mV"


def test_delete_asks_first(app, files, store):
    stored = store.add(files())
    app.run()
    app.button(key=f"delete-{stored.id}").click().run()
    assert len(store.list()) == 1
    app.button(key="confirm-delete").click().run()
    assert not app.exception
    assert store.list() == ()


def test_open_leads_to_review(app, files, store):
    stored = store.add(files())
    app.run().button(key=f"open-{stored.id}").click().run()
    assert not app.exception
    assert app.title[0].value == "one"
    assert app.query_params["record"] == stored.id


def test_an_upload_that_ends_meanwhile_does_not_hold_the_reader_here(app, files, store):
    stored = store.add(files())
    app.session_state["opening"] = {"record": stored.id}  # as the run leaves it that the end of an upload cut off
    app.run()
    assert not app.exception
    assert app.title[0].value == "one"
    assert "opening" not in app.session_state


def test_a_demo_recording_opens(app, store):
    app.run()
    app.selectbox[0].set_value("demo-12-lead").run()
    next(button for button in app.button if button.label == "Open demo").click().run()
    assert not app.exception
    assert not app.error
    assert app.title[0].value == plain("demo-12-lead")
    assert len(store.list()[0].leads) == 12


def test_a_long_list_is_paged_and_searched(app, files, store):
    for number in range(22):
        store.add(files(f"r{number:02d}", duration_s=2))
    app.run()
    opened = [button.label for button in app.button if button.key and button.key.startswith("open-")]
    assert len(opened) == 20
    assert opened[0] == "r21"
    app.text_input[0].set_value("r07").run()
    assert [button.label for button in app.button if button.key and button.key.startswith("open-")] == ["r07"]


def test_names_are_shown_letter_for_letter():
    assert plain("a_b*[c](d):red[x]\n<i>") == r"a\_b\*\[c\]\(d\)\:red\[x\] \<i\>"


def test_the_list_says_how_far_readers_are_and_no_longer_what_the_model_counted(app, files, store):
    stored = store.add(files())
    kept = store.save_analysis(stored.id, analyze(store.open(stored.id)))
    reading = Reviews(store).reading(stored.id, kept.id)
    assert any("beats" in cell.value for cell in app.run().markdown)
    Reviews(store).edit(reading.id, "local", Delete((int(Reviews(store).state(reading.id).samples[0]),)), uuid.uuid4().hex)
    assert "edited, 1 change" in [cell.value for cell in app.run().markdown]
    Reviews(store).sign(reading.id, "local", "")
    assert "signed, version 1, by local" in [cell.value for cell in app.run().markdown]
