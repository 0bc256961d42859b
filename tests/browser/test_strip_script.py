"""The script that the browser gets: its files, and what they say they need of each other. No browser is needed."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import strip

FILES = sorted(Path(strip.__file__).parent.glob("*.js"))
IMPORT = re.compile(r'^import \{ ?([^}]*?) ?\} from "\./(\w+)\.js";$', re.MULTILINE)
TOP = re.compile(r"^(?:export )?(?:default )?(?:async )?(?:const|let|class|function\*?) +(\w+)", re.MULTILINE)
EXPORTED = re.compile(r"^export (?:async )?(?:const|class|function\*?) +(\w+)", re.MULTILINE)


def test_every_file_is_joined_once_and_main_comes_last():
    assert sorted(strip.MODULES) == [path.stem for path in FILES]
    assert strip.MODULES[-1] == "main"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_file_imports_is_there_and_is_used(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    body = IMPORT.sub("", text)
    assert "import " not in body
    for names, source in IMPORT.findall(text):
        assert set(names.split(", ")) <= set(EXPORTED.findall((path.parent / f"{source}.js").read_text())), source
        for name in names.split(", "):
            assert re.search(rf"\b{name}\b", body), f"{name} is imported for nothing"


def test_the_joined_script_has_one_scope_without_clashes():
    names = TOP.findall(strip.script())
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    assert re.findall(r"^(?:import|export).*", strip.script(), re.MULTILINE) == ["export default function strip(component) {"]


def test_the_component_is_mounted_in_any_number_of_runtimes():
    for _ in range(2):
        app = AppTest.from_file("strip_app.py", default_timeout=30).run()
        assert not app.exception
        assert app.title[0].value == "demo-ectopy"
