"""Model cards: what a model is, what it was trained on, what was measured, and where it ends.

Weights without a valid card, or whose hash is not the card's, do not load.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ecgcore import settings
from ecgcore.errors import ModelError

CARD: Final = "card.json"
WEIGHTS: Final = "model.onnx"
CONTROL: Final = "control.onnx"
IN_USE: Final = "in_use.json"


_VERSIONS: Final = TypeAdapter(dict[str, str])


class Part(BaseModel):
    """A piece of a card: no field may be unknown, none is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSpec(Part):
    """What the model is fed. `before_samples` is how many of `samples` precede the R peak.

    `windowing` names how a beat is cut out: beside the patient's dominant beat, or as in `signals.beat_windows`;
    "segments" are stretches of signal that follow no beat.
    """

    leads: tuple[str, ...] | Literal["any"]
    fs_hz: float
    samples: int
    before_samples: int
    units: str
    scaling: str
    band_hz: tuple[float, float]
    features: tuple[str, ...] = ()
    windowing: Literal["dominant", "centred", "kachuee", "segments"] = "dominant"


class TrainingData(Part):
    """Record ids by data set: learned from, held out by patient to choose by, and left out on purpose.

    A record may be in both of the first where the model was chosen by folds, as `protocol` then says.
    """

    trained: dict[str, tuple[str, ...]]
    held_out: dict[str, tuple[str, ...]]
    left_out: dict[str, tuple[str, ...]] = {}
    protocol: str
    augmentation: str
    seed: int


class Figure(Part):
    """One measured number. `spread` is the standard deviation over `n` runs, None for a single one."""

    name: str
    value: float | None
    spread: float | None
    n: int
    protocol: str
    split: str
    command: str


class Card(Part):
    """A model card, as it stands in card.json beside the weights.

    certain_from  a beat or rhythm whose called class has a smaller probability is uncertain; None where that was not established
    unestablished  classes measured on too few patients to be called
    reliability   on unseen patients, by bin of the greatest probability: its mean, share whose most probable class is right, beats
    uncertain     on unseen patients, for several limits: share of beats flagged, share wrong among the others
    control_sha256  of control.onnx, the same network with random weights by which its maps are checked; None where there is none
    parent        name@version of the model whose weights it was fine-tuned from; None where it learned from scratch
    """

    name: str
    version: str
    task: str
    input: InputSpec
    classes: tuple[str, ...]
    thresholds: dict[str, float]
    certain_from: float | None = None
    unestablished: tuple[str, ...] = ()
    reliability: tuple[tuple[float, float, int], ...] = ()
    uncertain: tuple[tuple[float, float], ...] = ()
    training: TrainingData
    figures: tuple[Figure, ...]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    control_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    git_commit: str
    device: str
    minutes: float
    limits: tuple[str, ...]
    intended_use: str
    parent: str | None = None

    @property
    def id(self) -> str:
        """name@version."""
        return f"{self.name}@{self.version}"


def read_card(folder: Path) -> Card:
    """The card in a model's folder. Raises ModelError where it is missing or does not fit."""
    path = folder / CARD
    try:
        card = Card.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(f"no {CARD} in {folder.name}; weights without a card are not used") from error
    except OSError as error:
        raise ModelError(f"the card of {folder.parent.name}@{folder.name} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(f"the card of {folder.parent.name}@{folder.name} does not fit: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if card.id != f"{folder.parent.name}@{folder.name}":
        raise ModelError(f"the card in {folder.parent.name}/{folder.name} is that of {card.id}")
    return card


def write_card(card: Card, folder: Path) -> None:
    """Write card.json into a model's folder."""
    (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n")


def digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verified_weights(folder: Path, card: Card) -> Path:
    """The weights beside a card. Raises ModelError where they are missing or not those the card describes."""
    return _verified(folder, card, WEIGHTS, card.sha256)


def verified_control(folder: Path, card: Card) -> Path:
    """The network with random weights beside a card. Raises ModelError where there is none, or not the one the card describes."""
    return _verified(folder, card, CONTROL, card.control_sha256)


def folders(root: Path) -> tuple[Path, ...]:
    """Model folders under a root (<name>/<version>/card.json), by name and version."""
    return tuple(sorted((path.parent for path in root.glob(f"*/*/{CARD}")), key=lambda path: (path.parent.name, _version_key(path.name))))


def available() -> tuple[tuple[Path, Card], ...]:
    """All models with a valid card: the shipped ones, then those trained here but for what `refused` names. Raises ModelError for a shipped one whose card does not fit.

    The hash of weights is checked when they are used.
    """
    shipped = tuple((folder, read_card(folder)) for folder in folders(settings.SHIPPED_WEIGHTS))
    taken = {card.id for _, card in shipped}
    return (*shipped, *((folder, card) for folder in trained_folders() if isinstance(card := _card_or_why_not(folder), Card) and card.id not in taken))


def refused() -> tuple[tuple[Path, str], ...]:
    """The folders of those trained here that are not used, and why: no card or one that does not fit, weights that are not the card's, the name of a shipped one."""
    shipped = {f"{folder.parent.name}@{folder.name}" for folder in folders(settings.SHIPPED_WEIGHTS)}
    found = []
    for folder in trained_folders():
        card = _card_or_why_not(folder)
        why = card if isinstance(card, str) else _why_not_used(folder, card, shipped)
        if why:
            found.append((folder, why))
    return tuple(found)


def trained_folders() -> tuple[Path, ...]:
    """Every folder <name>/<version> among the models trained here, with a card or without, by name and version."""
    root = settings.trained_weights()
    there = (path for path in root.glob("*/*") if path.is_dir() and not path.name.startswith(".") and not path.parent.name.startswith("."))
    return tuple(sorted(there, key=lambda path: (path.parent.name, _version_key(path.name))))


def shipped() -> tuple[Card, ...]:
    """The cards of the models that come with Leadwise."""
    return tuple(read_card(folder) for folder in folders(settings.SHIPPED_WEIGHTS))


def in_use() -> dict[str, str]:
    """The version that was put in use, by name of the model; a name that is not there goes by its newest shipped version. Raises ModelError.

    The file follows what `store.promotions` keeps, which alone writes it.
    """
    path = settings.trained_weights() / IN_USE
    try:
        return _VERSIONS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise ModelError(f"{IN_USE} in {path.parent} does not say which version of each model is in use; open the Admin page once to have it written anew") from error


def find(model: str) -> Path:
    """The folder of a model given as "name@version", or as "name" for the version in use: that put in use, else the newest shipped, else the newest trained one.

    Raises ModelError naming the models there are, and saying why for one trained here whose card does not fit.
    """
    name, _, version = model.partition("@")
    chosen = version or in_use().get(name, "")
    folder = _folder(name, chosen)
    if folder is None:
        there = ", ".join(sorted({f"{f.parent.name}@{f.name}" for root in (settings.SHIPPED_WEIGHTS, settings.trained_weights()) for f in folders(root)})) or "none"
        asked = f"no model {model!r}" if chosen == version else f"{name}@{chosen} is in use, and is not there; roll back on the Admin page, or import it again"
        raise ModelError(f"{asked}; there are: {there}")
    if not folder.is_relative_to(settings.SHIPPED_WEIGHTS):
        read_card(folder)
    return folder


def by_default(name: str) -> str | None:
    """The version of a model, as name@version, that is in use as long as none was put in use; None where there is none."""
    folder = _folder(name, "")
    return f"{name}@{folder.name}" if folder else None


def _folder(name: str, version: str) -> Path | None:
    """The shipped model of this name and version, else the trained one; the newest for no version."""
    for root in (settings.SHIPPED_WEIGHTS, settings.trained_weights()):
        matching = [folder for folder in folders(root) if folder.parent.name == name and version in ("", folder.name)]
        if matching:
            return matching[-1]
    return None


def _card_or_why_not(folder: Path) -> Card | str:
    try:
        return read_card(folder)
    except ModelError as error:
        return str(error)


def _why_not_used(folder: Path, card: Card, shipped: set[str]) -> str:
    """Why a trained model is not used although its card fits; empty where it is."""
    if card.id in shipped:
        return f"{card.id} came with Leadwise, and that one is used; another of that name needs another version"
    try:
        verified_weights(folder, card)
        if card.control_sha256 is not None:
            verified_control(folder, card)
    except ModelError as error:
        return str(error)
    return ""


def _verified(folder: Path, card: Card, name: str, expected: str | None) -> Path:
    path = folder / name
    if expected is None or not path.is_file():
        raise ModelError(f"{card.id} has a card but no {name}")
    try:
        stat = path.stat()
        found = _known_digest(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise ModelError(f"the {name} of {card.id} cannot be read: {error.strerror or error}") from error
    if found != expected:
        raise ModelError(f"the weights of {card.id} have sha256 {found[:12]}…, the card says {expected[:12]}…; they are not used")
    return path


@lru_cache(maxsize=64)  # models are opened for each recording, of which there may be thousands
def _known_digest(path: Path, size: int, changed_ns: int) -> str:
    """sha256 of a file that has not changed since it was last taken."""
    del size, changed_ns
    return digest(path)


def _version_key(version: str) -> tuple[tuple[int, str], ...]:
    """1.10 after 1.9, and text after numbers."""
    return tuple((int(part), "") if part.isdecimal() else (10**9, part) for part in version.split("."))
