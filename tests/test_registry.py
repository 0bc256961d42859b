"""Models as archives: out and in again the same, and what is refused before any of it is used."""

import gzip
import hashlib
import io
import json
import pickle
import random
import shutil
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from ecgcore import model_archive, registry, settings
from ecgcore.cli import main
from ecgcore.errors import EcgError, FormatError, InputError, ModelError, UnsafeFileError
from ecgcore.inference import beats, cards
from ecgcore.store import Store
from ecgcore.store.audit import Audit
from tests import gap_models, rhythm_models, window_models

MODEL = "neural_flow@1"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where models are taken in; nothing is there, and no model is shipped."""
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


@pytest.fixture
def elsewhere(tmp_path):
    """A model on another machine: window classifier, card, safetensors and a table."""
    return with_safetensors(window_models.write_model(tmp_path / "elsewhere", "neural_flow"))


def with_safetensors(folder):
    from safetensors.numpy import save_file

    save_file({"a.weight": np.zeros((3, 4), np.float32)}, str(folder / registry.SAFETENSORS))
    return folder


def members_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def hashes_of(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def archive_of(files: dict[str, bytes], name="neural_flow", version="1", /, compression=zipfile.ZIP_STORED, **manifest: object) -> bytes:
    """An archive as anybody may make one, with hashes that are right unless said otherwise."""
    said = {"format": 1, "name": name, "version": version, "files": hashes_of(files), **manifest}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for one, data in {"manifest.json": json.dumps(said).encode(), **files}.items():
            archive.writestr(one, data)
    return out.getvalue()


def changed_card(folder: Path, **changes: object) -> dict[str, bytes]:
    """The files of a model, its card changed; the card still states the hashes of the networks that are there."""
    files = members_of(folder)
    card = json.loads(files["card.json"]) | {"sha256": hashlib.sha256(files["model.onnx"]).hexdigest()} | changes
    return {**files, "card.json": json.dumps(card).encode()}


def refused(archive: bytes | Path, home: Path, said: str, error: type[EcgError] = ModelError) -> None:
    with pytest.raises(error, match=said) as caught:
        registry.import_model(archive)
    assert "\n" not in str(caught.value)
    assert not home.exists() or not list(home.iterdir())  # nothing of it was kept


def test_a_model_comes_in_as_it_went_out(home, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "elsewhere")
    out = registry.export_model(MODEL, tmp_path)
    assert out.name == "neural_flow-1.leadwise.zip"
    again = registry.export_model("neural_flow", tmp_path / "again.zip")
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "weights")
    card = registry.import_model(out)
    assert card == cards.read_card(home / "neural_flow" / "1")
    assert members_of(home / "neural_flow" / "1") == members_of(elsewhere)
    assert [path.name for path in home.iterdir()] == ["neural_flow"]
    assert beats.load(MODEL).card == card
    assert registry.export_model(MODEL, tmp_path / "third.zip").read_bytes() == out.read_bytes() == again.read_bytes()


def test_the_bytes_of_an_archive_do_not_depend_on_when_and_how_the_files_were_written(elsewhere, tmp_path):
    copy = tmp_path / "copy" / "neural_flow" / "1"
    copy.mkdir(parents=True)
    for path in sorted(elsewhere.iterdir(), reverse=True):
        (copy / path.name).write_bytes(path.read_bytes())
        (copy / path.name).chmod(0o600)
    for folder, out in ((elsewhere, "a"), (copy, "b")):
        model_archive.pack(folder, tmp_path / out)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_one_that_is_there_stays_as_it_is(home, elsewhere):
    registry.import_model(archive_of(members_of(elsewhere)))
    stamp = (home / "neural_flow" / "1" / "card.json").stat()
    assert registry.import_model(archive_of(members_of(elsewhere), compression=zipfile.ZIP_DEFLATED)).id == MODEL
    assert (home / "neural_flow" / "1" / "card.json").stat() == stamp
    with pytest.raises(ModelError, match=r"here already with other content \(card.json\); export the one to import under another version, or delete"):
        registry.import_model(archive_of(changed_card(elsewhere, device="another")))
    assert (home / "neural_flow" / "1" / "card.json").stat() == stamp


def test_a_shipped_model_is_neither_taken_in_twice_nor_replaced(home, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "SHIPPED_WEIGHTS", tmp_path / "elsewhere")
    assert registry.import_model(archive_of(members_of(elsewhere))).id == MODEL
    refused(archive_of(changed_card(elsewhere, device="another")), home, "here already with other content .* under another version$")


def test_every_shipped_model_passes_the_check_of_an_import():
    for folder in cards.folders(settings.SHIPPED_WEIGHTS):
        assert registry.check(folder) == cards.read_card(folder)


@pytest.mark.parametrize("models", [gap_models, rhythm_models], ids=["reconstruction", "rhythm"])
def test_models_for_other_tasks_come_in_too(models, home, tmp_path):
    folder = models.write_model(tmp_path / "elsewhere")
    assert registry.import_model(archive_of(members_of(folder), folder.parent.name)).task == cards.read_card(folder).task


class Runs:
    """An object whose pickle runs code when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_what_is_pickled_is_refused_and_never_opened(home, elsewhere, tmp_path):
    """By its content, whatever it is called: as pickle and joblib write it, as torch did and does, and among a model's own files."""
    mark = tmp_path / "ran"
    files = members_of(elsewhere)
    for protocol in (2, 3, 4, 5):
        refused(pickle.dumps(Runs(mark), protocol), home, "the file holds pickled Python objects, which run code")
    payload = pickle.dumps(Runs(mark))
    torch_zip = io.BytesIO()
    with zipfile.ZipFile(torch_zip, "w") as archive:
        for name, data in {"model/data.pkl": payload, "model/data/0": b"\0" * 64, "model/version": b"3\n"}.items():
            archive.writestr(name, data)
    (tmp_path / "model.onnx").write_bytes(torch_zip.getvalue())
    refused(tmp_path / "model.onnx", home, r"model.onnx holds pickled Python objects \(data.pkl\), which run code .* export the model as ONNX and safetensors with its card")
    for squeezed in (zlib.compress(payload), gzip.compress(payload)):
        refused(squeezed, home, "pickled")
    refused(archive_of({**files, "model.joblib": b"harmless"}), home, r"\(model.joblib\)")
    for name in ("model.onnx", "model.safetensors", "card.json", "table-random.json"):
        refused(archive_of({**files, name: payload}), home, rf"pickled Python objects \({name}\)")
    refused(archive_of(changed_card(elsewhere) | {"model.onnx": payload}), home, "pickled")
    refused(payload + archive_of(files), home, "pickled")  # a zip may have anything before it
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "..\\model.onnx", "C:model.onnx", "neural_flow/../../x"])
def test_names_that_reach_outside_are_refused(name, home, elsewhere):
    refused(archive_of({**members_of(elsewhere), name: b"x"}), home, "reaches outside its folder", UnsafeFileError)


@pytest.mark.parametrize("name", ["notes.txt", "neural_flow/", "1/model.onnx", "model.onnx.data", "table-.json", "measures-a b.json", "Model.onnx"])
def test_other_files_are_refused(name, home, elsewhere):
    refused(archive_of({**members_of(elsewhere), name: b"x"}), home, "is no file of a model")


@pytest.mark.parametrize(("name", "version"), [("../up", "1"), ("neural_flow", ".."), ("", "1"), ("neural flow", "1"), ("neural_flow", "1/2"), ("a" * 64, "1")])
def test_names_of_models_are_names_of_folders(name, version, home, elsewhere):
    refused(archive_of(members_of(elsewhere), name, version), home, "names the model")


def test_a_manifest_must_fit(home, elsewhere):
    files = members_of(elsewhere)
    refused(archive_of(files, format=2), home, "of format 2; this Leadwise reads format 1")
    refused(archive_of(files, format="x"), home, "manifest.json in the file does not fit: format", FormatError)
    refused(archive_of(files, more=1), home, "does not fit: more", FormatError)
    hashes = hashes_of(files)
    refused(archive_of(files, files={**hashes, "table-x.json": "0" * 64}), home, "lacks 'table-x.json'")
    refused(archive_of(files, files={"card.json": hashes["card.json"]}), home, "of which its manifest says nothing")
    refused(archive_of(files, files={**hashes, "model.onnx": "0" * 64}), home, "model.onnx in the file has sha256 .*, its manifest says 000000000000")
    refused(archive_of(files, version="2"), home, "the card in neural_flow/2 is that of neural_flow@1")


def test_what_is_no_archive_is_refused(home, elsewhere, tmp_path):
    files = members_of(elsewhere)
    for data in (b"", b"PK\3\4", b"\0" * 1000, files["model.onnx"], files["model.safetensors"], b"PK\3\4" + b"\0" * 1000):
        refused(data, home, "the file is no (archive of a model|zip that can be unpacked)", FormatError)
    refused(elsewhere / "model.onnx", home, "model.onnx is no archive of a model but an ONNX network by itself; a model comes with its card", FormatError)
    refused(tmp_path / "nowhere.zip", home, "nowhere.zip cannot be read", InputError)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("card.json", files["card.json"])
    refused(out.getvalue(), home, "holds no manifest.json", FormatError)
    with zipfile.ZipFile(out, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the name is twice
        archive.writestr("card.json", files["card.json"])
    refused(out.getvalue(), home, "holds card.json twice", FormatError)


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(home, elsewhere, monkeypatch):
    files = members_of(elsewhere)
    refused(archive_of({**files, **{f"table-{i}.json": b"{}" for i in range(70)}}), home, "holds 7. files; at most 64", UnsafeFileError)
    monkeypatch.setattr(model_archive, "FREE_BYTES", 1 << 20)
    refused(archive_of({"model.onnx": bytes(8 << 20)}, compression=zipfile.ZIP_DEFLATED), home, "unpacks from .* to 8,388,.* bytes", UnsafeFileError)
    monkeypatch.setattr(model_archive, "MAX_JSON_BYTES", 1000)
    refused(archive_of({**files, "table-x.json": b" " * 1001}), home, "too much for text", UnsafeFileError)


def test_networks_are_those_of_the_card(home, elsewhere):
    files = members_of(elsewhere)
    refused(archive_of({**files, "model.onnx": files["model.onnx"] + b"\0"}), home, "the weights of neural_flow@1 have sha256")
    refused(archive_of({name: data for name, data in files.items() if name != "model.onnx"}), home, "has a card but no model.onnx")
    refused(archive_of({name: data for name, data in files.items() if name != "card.json"}), home, "no card.json")
    refused(archive_of({**files, "control.onnx": files["model.onnx"]}), home, "control.onnx of which its card says nothing")
    refused(archive_of(changed_card(elsewhere, control_sha256="0" * 64)), home, "no control.onnx")
    refused(archive_of({**changed_card(elsewhere, control_sha256="0" * 64), "control.onnx": files["model.onnx"]}), home, "sha256")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ["N", "S"]}, "answer for 3 classes, the card names 2: N, S"),
        ({"classes": ["N", "N", "V"]}, "each stands once"),
        ({"task": "beats"}, "neural_flow@1 has thresholds for none"),
        ({"task": "weather"}, "'weather', for which there is no use here"),
        ({"thresholds": {"S": 0.1}}, "wanted are none, or one for each class but N"),
        ({"unknown": 1}, "unknown"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"version": "2"}, "is that of neural_flow@2"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(change, said, home, elsewhere):
    refused(archive_of(changed_card(elsewhere, **change)), home, said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples": 299}, "do not answer as models for 'beat windows' are asked: .*(299|300)"),
        ({"samples": 1 << 40}, "states windows of 1099511627776 samples"),
        ({"samples": 0}, "states windows of 0 samples"),
        ({"before_samples": 301}, "301 of them before the beat"),
        ({"fs_hz": 1e9}, r"states 1e\+09 Hz"),
        ({"fs_hz": 0}, "states 0 Hz"),
        ({"windowing": "segments"}, "wants windows cut 'segments'"),
    ],
)
def test_inputs_that_do_not_fit_the_network_are_refused(change, said, home, elsewhere):
    spec = json.loads((elsewhere / "card.json").read_text())["input"]
    refused(archive_of(changed_card(elsewhere, input={**spec, **change})), home, said)


def rewritten(folder: Path, change) -> dict[str, bytes]:
    """The files of a model whose network was changed, with a card that states its hash."""
    import onnx

    network = onnx.load(str(folder / "model.onnx"))
    change(network)
    (folder / "model.onnx").write_bytes(network.SerializeToString())
    return changed_card(folder)


def test_a_network_that_is_asked_otherwise_is_refused(home, elsewhere):
    def renamed(network):
        network.graph.input[0].name = network.graph.node[0].input[0] = "heartbeats"

    refused(archive_of(rewritten(elsewhere, renamed)), home, "do not answer as models for 'beat windows' are asked: .*heartbeats")


def test_a_network_without_attention_is_refused(home, elsewhere):
    refused(archive_of(rewritten(elsewhere, lambda network: network.graph.output.pop())), home, "gives probabilities; wanted are probabilities, attention")


def test_a_network_that_gives_no_probabilities_is_refused(home, elsewhere):
    def open_ended(network):
        network.graph.node[3].op_type = "Relu"
        del network.graph.node[3].attribute[:]

    def nothing(network):
        network.graph.node[3].op_type = "Log"
        del network.graph.node[3].attribute[:]

    for change, said in ((open_ended, "add up to 0 a beat; wanted is 1"), (nothing, "that are no numbers")):
        copy = shutil.copytree(elsewhere, elsewhere.parent.parent.parent / change.__name__ / "neural_flow" / "1")
        refused(archive_of(rewritten(copy, change)), home, said)


def test_weights_in_another_file_are_refused(home, elsewhere, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 4096)

    def outside(network):
        import onnx

        tensor = network.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": str(secret), "length": "4096"}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value

    def outside_in_a_constant(network):
        import onnx

        node = network.graph.node.add(op_type="Constant", output=["hidden"])
        node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.data_location = onnx.TensorProto.EXTERNAL

    for change in (outside, outside_in_a_constant):
        copy = shutil.copytree(elsewhere, tmp_path / change.__name__ / "neural_flow" / "1")
        refused(archive_of(rewritten(copy, change)), home, "keeps '.*' in another file; export it with all weights inside")


def test_files_that_are_not_what_their_names_say_are_refused(home, elsewhere):
    files = members_of(elsewhere)
    broken = {**files, "model.onnx": b"\x08\x08 not a network"}
    card = json.loads(files["card.json"]) | {"sha256": hashlib.sha256(broken["model.onnx"]).hexdigest()}
    refused(archive_of({**broken, "card.json": json.dumps(card).encode()}), home, "model.onnx of neural_flow@1 is no ONNX network")
    for weights in (b"", b"\xff" * 100, (640).to_bytes(8, "little") + b"{" + b" " * 700, (2).to_bytes(8, "little") + b"{}"):
        refused(archive_of({**files, "model.safetensors": weights}), home, "model.safetensors of neural_flow@1 holds no tensors")
    for name in ("table-random.json", "measures-x.json"):
        refused(archive_of({**files, name: b"{}"}), home, f"{name} of neural_flow@1 does not fit")
    refused(archive_of({**files, "card.json": b"{" * 100_000}), home, "the card of neural_flow@1 does not fit")


def test_a_header_that_begins_as_a_pickle_does_is_still_safetensors(home, elsewhere):
    """The length of a header of 640 bytes is written 80 02, which begins a pickle too."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(640)
    (elsewhere / "model.safetensors").write_bytes((640).to_bytes(8, "little") + header + b"\0" * 4)
    assert registry.import_model(archive_of(members_of(elsewhere))).id == MODEL


def test_a_folder_is_checked_as_an_archive_is(elsewhere, monkeypatch):
    assert registry.check(elsewhere).id == MODEL
    monkeypatch.chdir(elsewhere)
    assert registry.check(Path()).id == MODEL
    (elsewhere / "model.pt").write_bytes(pickle.dumps(1))
    with pytest.raises(ModelError, match=r"pickled Python objects \(model.pt\)"):
        registry.check(elsewhere)
    (elsewhere / "model.pt").unlink()
    (elsewhere / "runs").mkdir()
    with pytest.raises(ModelError, match="runs in neural_flow/1 is no file"):
        registry.check(elsewhere)
    with pytest.raises(ModelError, match="is no folder of a model"):
        registry.check(elsewhere / "card.json")


def test_whatever_is_handed_in_it_is_taken_or_refused(home, elsewhere):
    """Random bytes, archives cut short, bits turned: an EcgError each time, or the model as it was."""
    draw = random.Random(1)  # noqa: S311  # the same bytes in every run
    whole = archive_of(members_of(elsewhere), compression=zipfile.ZIP_DEFLATED)
    made = [draw.randbytes(draw.randrange(200)) for _ in range(40)]
    made += [b"PK\3\4" + draw.randbytes(100) for _ in range(40)]
    made += [whole[: draw.randrange(len(whole))] for _ in range(40)]
    for _ in range(120):
        bent = bytearray(whole)
        for _ in range(draw.choice((1, 1, 3))):
            bent[draw.randrange(len(bent))] ^= 1 << draw.randrange(8)
        made.append(bytes(bent))
    directory = whole.rindex(b"PK\1\2")  # most of an archive is weights; its directory is where names and sizes stand
    for at in range(directory, len(whole), 2):
        made.append(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    taken = 0
    for data in made:
        try:
            assert registry.import_model(data).id == MODEL
        except EcgError:
            continue
        taken += 1
        assert members_of(home / "neural_flow" / "1") == members_of(elsewhere)
    assert taken < len(made) / 4


def test_bent_networks_are_taken_or_refused(home, elsewhere):
    """The hashes are right, as they are in an archive that was made to be so."""
    draw = random.Random(2)  # noqa: S311  # the same bits in every run
    files = members_of(elsewhere)
    taken = 0
    for number in range(60):
        bent = bytearray(files["model.onnx"])
        bent[draw.randrange(600)] ^= 1 << draw.randrange(8)  # where the graph is described
        (elsewhere / "model.onnx").write_bytes(bent)
        try:
            registry.import_model(archive_of(changed_card(elsewhere, version=f"1.{number}"), "neural_flow", f"1.{number}"))
        except EcgError:
            continue
        taken += 1
    assert taken < 60


def test_the_audit_log_names_who_took_a_model_in_or_out(home, elsewhere, tmp_path):
    store = Store(tmp_path / "home")
    registry.import_model(archive_of(members_of(elsewhere)), "ann", store)
    registry.import_model(archive_of(members_of(elsewhere)), "bob", store)  # was there
    registry.export_model(MODEL, tmp_path, "bob", store)
    registry.export_model(MODEL, tmp_path)  # by nobody
    with pytest.raises(EcgError):
        registry.import_model(b"", "ann", store)
    with pytest.raises(InputError, match="cannot write"):
        registry.export_model(MODEL, elsewhere / "model.onnx" / "out.zip", "ann", store)  # within a file
    sha256 = cards.read_card(home / "neural_flow" / "1").sha256[:12]
    assert [(entry.who, entry.what, entry.subject, entry.detail) for entry in Audit(store).search()] == [
        ("bob", "model exported", MODEL, f"sha256 {sha256}…"),
        ("ann", "model imported", MODEL, f"sha256 {sha256}…"),
    ]
    store.close()


def test_an_altered_model_is_not_exported(home, elsewhere, tmp_path):
    registry.import_model(archive_of(members_of(elsewhere)))
    with (home / "neural_flow" / "1" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="sha256"):
        registry.export_model(MODEL, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_the_command_line(home, elsewhere, tmp_path, capsys):
    (tmp_path / "in.zip").write_bytes(archive_of(members_of(elsewhere)))
    assert main(["models", "--import", str(tmp_path / "in.zip")]) == 0
    assert json.loads(capsys.readouterr().out) == {"model": MODEL, "folder": str(home / "neural_flow" / "1")}
    assert main(["models", "--export", MODEL, str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'neural_flow-1.leadwise.zip'}\n"
    assert main(["models", "--check", str(elsewhere)]) == 0
    assert capsys.readouterr().out.startswith(MODEL)
    assert main(["models", "--import", str(elsewhere / "model.safetensors")]) == 2
    assert capsys.readouterr().err.startswith("ecgcore: model.safetensors is no archive of a model")
    (home / "neural_flow" / "1" / "card.json").write_text("{")
    assert main(["models"]) == 0
    assert "not used" in capsys.readouterr().err
    store = Store()
    assert {(entry.who, entry.what) for entry in Audit(store).search()} == {("local", "model imported"), ("local", "model exported")}
    store.close()
