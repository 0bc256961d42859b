"""Models taken out and in as one archive each, what is checked before one is used, and how one is removed.

A model is a folder <name>/<version>/ of card, weights and tables, among the shipped ones or in LEADWISE_HOME/models. Weights are ONNX and
safetensors: nothing is ever unpickled.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from ecgcore import model_archive, settings
from ecgcore.errors import ModelError
from ecgcore.inference import cards
from ecgcore.inference.cards import CONTROL, WEIGHTS, Card
from ecgcore.model_archive import SUFFIX

if TYPE_CHECKING:  # a model is checked and exported without a database
    from ecgcore.store import Store

__all__ = ["SUFFIX", "check", "export_model", "import_model", "remove_model"]

SAFETENSORS: Final = "model.safetensors"


def export_model(model: str, out: Path, who: str | None = None, store: "Store | None" = None) -> Path:
    """Write a model (name or name@version) as one archive; its path. The same model gives the same bytes.

    out  the file, or a folder that is there, for <name>-<version>.leadwise.zip
    who  named in the audit log of `store`, else of this installation; nothing is noted for None

    Raises ModelError for a model that is not there or does not fit its card, InputError where the file cannot be written.
    """
    from ecgcore.writers.files import whole

    folder = cards.find(model)
    card = _matching(folder)
    target = out / f"{card.name}-{card.version}{SUFFIX}" if out.is_dir() else out
    with _noted(store, who, "model exported", card), whole([target]) as (temporary,):
        model_archive.pack(folder, temporary)
    return target


def import_model(archive: Path | bytes, who: str | None = None, store: "Store | None" = None) -> Card:
    """Take a model in from an archive that `export_model` wrote, all of it or nothing; its card. It is not put in use.

    A model that is there with the same content is returned as it is.
    who  named in the audit log of `store`, else of this installation; nothing is noted for None

    Raises InputError for what is no archive or must not be unpacked; ModelError for pickled objects, for files that are not those of the
    manifest or the card, weights that do not answer as the card says, and other content under a name that is taken.
    """
    root = settings.trained_weights()
    with _staging(root) as staging:
        folder = model_archive.unpack(archive, staging)
        card = check(folder)
        if _is_there(card, folder):
            return card
        target = root / card.name / card.version
        with _noted(store, who, "model imported", card):
            target.parent.mkdir(exist_ok=True)
            try:
                folder.rename(target)
            except OSError:
                if not _is_there(card, folder):  # else another process was first, with the same
                    raise
    return card


def check(folder: Path) -> Card:
    """The card of a model's folder, after all about it was checked: files, card, hashes, networks, tables, and that it answers as the card says.

    Raises ModelError saying what does not fit.
    """
    from ecgcore.evaluation.measures import read_measures
    from ecgcore.evaluation.tables import read_tables
    from ecgcore.inference import trial

    folder = folder.resolve()
    model_archive.check_files(folder)
    card = _matching(folder)
    for name in (WEIGHTS, CONTROL):
        if (folder / name).is_file():
            _check_graph(folder / name, card)
    if (folder / SAFETENSORS).is_file():
        _check_safetensors(folder / SAFETENSORS, card)
    read_tables(folder)
    read_measures(folder)
    trial.try_out(folder, card)
    return card


def remove_model(store: "Store", model_id: str, who: str) -> None:
    """Remove a model (name@version) that was trained or imported here. The audit log says who did.

    Raises ModelError for one that is not there, came with Leadwise, is in use or was: analyses and promotions rest on it.
    """
    from ecgcore.store import audit, database, promotions

    name, _, version = model_id.partition("@")
    model_archive.check_name(name, version, "what is to be removed")
    root = settings.trained_weights()
    folder = root / name / version
    if not folder.is_dir():
        shipped = (settings.SHIPPED_WEIGHTS / name / version).is_dir()
        raise ModelError(f"{model_id} came with Leadwise and stays" if shipped else f"no model {model_id!r} was trained or imported here")
    with _staging(root) as staging, database.write(store.engine) as session:
        promotions.lock(session)
        if why := promotions.why_kept(session, model_id):
            raise ModelError(f"{model_id} stays: {why}")
        audit.note(session, who, "model deleted", model_id)
        session.flush()
        folder.rename(staging / version)  # gone for everybody at once; its files are removed with the staging folder
    with suppress(OSError):  # other versions are there
        folder.parent.rmdir()


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """A folder beside the models that none of them is found in, and that is gone in the end."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root, prefix=".", ignore_cleanup_errors=True) as name:
            yield Path(name)
    except OSError as error:
        raise ModelError(f"the models in {root} cannot be changed: {error.strerror or error}") from error


@contextmanager
def _noted(store: "Store | None", who: str | None, what: str, card: Card) -> Iterator[None]:
    """What is done meanwhile stands in the audit log, or neither; nothing is noted where nobody is named."""
    if who is None:
        yield
        return
    from ecgcore.store import Store, audit, database

    opened = store or Store()
    try:
        with database.write(opened.engine) as session:
            audit.note(session, who, what, card.id, f"sha256 {card.sha256[:12]}…")
            session.flush()
            yield
    finally:
        if store is None:
            opened.close()


def _matching(folder: Path) -> Card:
    """The card of a folder whose weights are those it states."""
    card = cards.read_card(folder)
    model_archive.check_name(card.name, card.version, "the card")
    cards.verified_weights(folder, card)
    if card.control_sha256 is not None:
        cards.verified_control(folder, card)
    elif (folder / CONTROL).exists():
        raise ModelError(f"{card.id} has a {CONTROL} of which its card says nothing")
    return card


def _is_there(card: Card, folder: Path) -> bool:
    """Whether the model is there already with the same content. Raises ModelError where it is with other content."""
    for root in (settings.SHIPPED_WEIGHTS, settings.trained_weights()):
        there = root / card.name / card.version
        if not there.is_dir():
            continue
        ours, theirs = model_archive.hashes(there), model_archive.hashes(folder)
        if ours == theirs:
            return True
        differ = ", ".join(sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)))
        mend = "" if root == settings.SHIPPED_WEIGHTS else ", or delete the one that is here first"
        raise ModelError(f"{card.id} is here already with other content ({differ}); export the one to import under another version{mend}")
    return False


def _check_graph(path: Path, card: Card) -> None:
    """An ONNX network that holds all its weights itself."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no types

    try:
        network = onnx.load(str(path), load_external_data=False)
        outside = [tensor.name for tensor in _tensors(network) if tensor.data_location == onnx.TensorProto.EXTERNAL]
        if outside:
            raise ModelError(f"{path.name} of {card.id} keeps {outside[0][:80]!r} in another file; export it with all weights inside")
        onnx.checker.check_model(network)
    except (DecodeError, onnx.checker.ValidationError, RuntimeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} of {card.id} is no ONNX network: {' '.join(str(error).split())[:200]}") from error


def _tensors(message: Any) -> Iterator[Any]:
    """All tensors in a network: initialisers, those of nodes, of graphs within nodes, of functions."""
    from google.protobuf.message import Message
    from onnx import TensorProto

    if isinstance(message, TensorProto):
        yield message
        return
    for _, value in message.ListFields():
        for part in (value,) if isinstance(value, Message | str | bytes | int | float) else value:
            if isinstance(part, Message):
                yield from _tensors(part)


def _check_safetensors(path: Path, card: Card) -> None:
    """Weights to fine-tune from that the safetensors library reads."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as found:
            names = list(found.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path.name} of {card.id} holds no tensors: {' '.join(str(error).split())[:200]}") from error
    if not names:
        raise ModelError(f"{path.name} of {card.id} holds no tensors")
