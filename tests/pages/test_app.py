import subprocess
import sys

import pytest

from ecgcore.settings import ROOT
from pages.ui.shell import NOTICE

IMPORTS = """
import sys
from streamlit.testing.v1 import AppTest
from pages.ui import warmup
from pages.ui.admin import parts
warmup.start = lambda: None
app = AppTest.from_file("streamlit_app.py", default_timeout=30).run()
assert not app.exception and app.title[0].value == "Records", app
print(*sorted({"torch", "wfdb", "pandas", "onnxruntime", "scipy.signal"} & set(sys.modules)))
for page in ("pages/review.py", "pages/rhythm.py", "pages/restore.py", "pages/evidence.py"):
    app.switch_page(page).run()
    assert not app.exception, app
for part in parts.PARTS:
    app.query_params["part"] = part
    app.switch_page("pages/admin.py").run()
    assert not app.exception and app.segmented_control(key="admin-part").value == part, app
warmup.rehearse()
print(*sorted({"torch", "wfdb"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("pages/records.py", "Records"),
        ("pages/review.py", None),
        ("pages/rhythm.py", None),
        ("pages/restore.py", None),
        ("pages/evidence.py", "Evidence"),
        ("pages/admin.py", "Admin"),
    ],
)
def test_every_page_opens_and_carries_the_notice(app, page, title):
    app.run().switch_page(page).run()
    assert not app.exception
    assert [element.value for element in app.title] == ([title] if title else [])
    assert any(NOTICE in caption.value for caption in app.caption)


def test_first_page_imports_nothing_heavy_and_no_page_imports_torch(home):
    run = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # our own interpreter
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["", ""]


def test_a_store_that_cannot_be_opened_is_said_in_one_line(app, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "file"))
    app.run()
    assert not app.exception
    assert "cannot be used" in app.error[0].value
