"""Which trainings can be begun from the app, and which of their parts can be chosen. Loads no network."""

from dataclasses import dataclass
from typing import Final

BEATS: Final = "beats"


@dataclass(frozen=True)
class Choice:
    """A recipe as it is offered.

    says       what it makes, in a sentence
    sets       public data sets it learns from
    tunes      whether it can go on from the weights of a model; where not, `why_whole` says why
    takes_site whether it can learn from what this site's readers signed
    """

    recipe: str
    title: str
    says: str
    sets: tuple[str, ...]
    tunes: bool
    takes_site: bool
    why_whole: str = ""


CHOICES: Final = (
    Choice(BEATS, "Default beat model", "N, S, V, F and Q on any lead: the model that reads every record first.", ("mitdb", "svdb"), True, True),
    Choice(
        "universal", "Rhythm of any leads", "Eight rhythms from one lead or twelve.", ("ptbxl", "ludb", "cinc2021-samples", "chapman-samples", "cinc2017", "mitdb"), False, False,
        "a rhythm model learns from whole recordings with a rhythm label, which signed beats are not",
    ),
    Choice("neural_flow", "Attention Neural Flow", "N, S and V of single beats, with attention; the tables of its paper.", ("mitdb",), True, True),
    Choice("hadln", "HADLN", "Five classes of single beats, with attention; the tables of its paper.", ("mitdb",), True, True),
    Choice(
        "hadln_cinc2017", "HADLN, recordings of CinC 2017", "Normal, atrial fibrillation, other or noise of a whole recording.", ("cinc2017",), False, False,
        "it classifies whole recordings, and signed beats say nothing of those",
    ),
    Choice("segmenter", "Joint segmenter and classifier", "Where ectopic beats are; the tables of its paper.", ("mitdb", "svdb", "cinc2017"), True, True),
    Choice("wonhee", "WonHEE", "Fills gaps and foresees the next seconds; the tables of its paper.", ("mitdb", "svdb", "ptbxl", "ludb"), True, True),
    Choice(
        "seresnet18", "SE-ResNet18 with metadata", "Eight rhythms of twelve leads, with clinical measurements; needs Chapman-Shaoxing.", ("chapman",), False, False,
        "it learns from Chapman-Shaoxing's recordings and measurements together",
    ),
)  # fmt: skip


def choice(recipe: str) -> Choice | None:
    """The recipe as it is offered; None for one that is not."""
    return next((one for one in CHOICES if one.recipe == recipe), None)


def why_not(recipe: str, start: str | None, public: tuple[str, ...] | None, site: bool) -> str:
    """Why this recipe cannot learn so, in a sentence; empty where it can.

    start   name@version of the model gone on from; None for from scratch
    public  data sets learned from; None for all of the recipe
    site    whether this site's signed readings are learned from
    """
    offered = choice(recipe)
    if offered is None:
        return f"{recipe!r} is not offered here; there are: {', '.join(one.recipe for one in CHOICES)}"
    others = [name for name in public or () if name not in offered.sets]
    if others:
        return f"{offered.title} does not learn from {', '.join(others)}; its sets are {', '.join(offered.sets)}"
    if site and not offered.takes_site:
        return f"{offered.title} cannot learn from signed readings: {offered.why_whole}"
    if start is not None:
        return _why_no_tuning(offered, start, public, site)
    if recipe == BEATS:
        return "there is nothing to learn from; choose a public data set or signed readings" if public == () and not site else ""
    if site:
        return f"{offered.title} learns from signed readings by fine-tuning only: from scratch it is trained by its whole recipe, whose tables rest on the public sets"
    if public is not None and set(public) != set(offered.sets):
        return f"{offered.title} is trained from scratch by its whole recipe, on {', '.join(offered.sets)}"
    return ""


def _why_no_tuning(offered: Choice, start: str, public: tuple[str, ...] | None, site: bool) -> str:
    if not offered.tunes:
        return f"{offered.title} is trained from scratch: {offered.why_whole}"
    name = start.partition("@")[0]
    if name != offered.recipe:
        return f"{start} is no model of the recipe {offered.recipe}; go on from a version of {offered.recipe}"
    if public == () and not site:
        return "there is nothing to learn from; choose a public data set or signed readings"
    if offered.recipe == "wonhee" and public is not None and "mitdb" not in public and not site:
        return f"{offered.title} learns classes of beats too, which mitdb and signed readings have; choose one of them"
    return ""
