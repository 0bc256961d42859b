"""The app and its worker together."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from ecgcore import cli, settings
from ecgcore.jobs import desk
from ecgcore.jobs.desk import Kept
from tests.jobs.conftest import until


def command(code):
    return (sys.executable, "-I", "-S", "-c", code)


@pytest.fixture(autouse=True)
def signals(monkeypatch):
    """As they were, afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(desk, "LOOK_S", 0.02)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_worker_that_dies_at_once_is_begun_again_after_ever_longer_pauses():
    clock, said = Clock(), []
    kept = Kept(command("raise SystemExit(7)"), said.append, clock)

    def pause():
        kept.process.wait(60)
        kept.look()
        assert kept.process is None
        begun = clock.now
        while kept.process is None:
            clock.now += 0.5
            kept.look()
        return clock.now - begun

    assert [pause() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert said[0] == "the worker ended with status 7; begins again in 1 s"
    clock.now += 60  # it lived so long
    assert pause() == 1
    kept.process.wait(60)


def test_all_ends_with_the_app(tmp_path):
    works = command(f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    app = command(f"import os, sys\nwhile not os.path.exists({str(tmp_path / 'pid')!r}): pass\nraise SystemExit(len(sys.argv))")
    said = []
    assert desk.run(["--server.port", "8601"], said.append, app=app, works=works) == 3
    until(lambda: (tmp_path / "pid").read_text())
    assert not alive(int((tmp_path / "pid").read_text()))
    assert said == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_all_ends_by_a_signal(number, tmp_path):
    pids = {name: tmp_path / name for name in ("app", "works")}
    app, works = (command(f"import os, time; open({str(path)!r}, 'w').write(str(os.getpid())); time.sleep(600)") for path in pids.values())

    def press():
        until(lambda: all(path.exists() and path.read_text() for path in pids.values()))
        os.kill(os.getpid(), number)

    presses = threading.Thread(target=press)
    presses.start()
    assert desk.run([], print, app=app, works=works) == 0
    presses.join()
    assert not any(alive(int(path.read_text())) for path in pids.values())


def test_the_app_alone(monkeypatch):
    begun = []
    monkeypatch.setattr(desk, "Kept", lambda *given: begun.append(given))
    assert desk.run([], print, worker=False, app=command("pass")) == 0
    assert begun == []


def test_the_command_line_hands_on_what_is_streamlits(monkeypatch):
    asked = []
    monkeypatch.setattr(desk, "run", lambda arguments, said, *, worker: asked.append((list(arguments), worker)) or 0)
    assert cli.main(["run"]) == 0
    assert cli.main(["run", "--port", "8601", "--no-worker"]) == 0
    assert cli.main(["run", "--server.headless", "true", "--port", "8601"]) == 0
    assert asked == [([], True), (["--server.port", "8601"], False), (["--server.port", "8601", "--server.headless", "true"], True)]
    monkeypatch.setattr(desk, "run", lambda *_, **__: 3)
    with pytest.raises(SystemExit, match="3"):
        cli.main(["run"])


def test_other_verbs_take_nothing_they_do_not_know(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["worker", "--port", "8601"])
    assert "unrecognized arguments: --port 8601" in capsys.readouterr().err


def test_what_is_begun_is_there():
    assert Path(desk.APP[-1]).is_file()
    assert Path(desk.APP[-1]) == settings.ROOT / "streamlit_app.py"
