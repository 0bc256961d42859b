"""The segmenter at work: a lead and the beats found in it → how strongly each stretch looks ectopic, and the probability that a window holds such a beat."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecgcore.errors import ModelError
from ecgcore.findings import AAMI_CLASSES
from ecgcore.inference.beats import session
from ecgcore.inference.cards import Card, find, read_card, verified_control, verified_weights
from ecgcore.progress import Progress, silent
from ecgcore.signals import segments

TASK: Final = "ectopic places"
OUTPUTS: Final = ("strengths", "probabilities")
CHUNK: Final = 32  # windows the network answers for at once
BLOCK: Final = 8 * CHUNK  # windows cut out at once

# windows (batch, channels, samples) → strengths (batch, n_labels, n_steps), probabilities (batch, n_labels)
Answer: TypeAlias = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Segmenter:
    """A loaded model: its card, its session, that of the same network with random weights, and the samples that a step of the map covers."""

    card: Card
    session: Any
    control: Any
    step: int

    def answer(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Strengths (batch, n_labels, n / step) and probabilities (batch, n_labels) of windows (batch, channels, n), n a multiple of the segment's samples."""
        return _run(self.session, windows)

    def by_chance(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same by networks with random weights, one after the other: (batch, several · n_labels, n / step), (batch, several · n_labels)."""
        return _run(self.control, windows)


def load(model: str) -> Segmenter:
    """The model "name" or "name@version". Raises ModelError where it is not there or does not fit its card."""
    return load_folder(find(model))


def load_folder(folder: Path) -> Segmenter:
    """The model in a folder of card, weights and control. Raises ModelError."""
    card = read_card(folder)
    if card.task != TASK:
        raise ModelError(f"{card.id} is a model for {card.task!r}; ectopic places are found by models for {TASK!r}")
    if not set(card.classes) <= set(AAMI_CLASSES) or set(card.thresholds) != set(card.classes):
        said = ", ".join(card.thresholds) or "none"
        raise ModelError(f"{card.id} has the classes {', '.join(card.classes)} and limits for {said}; wanted is a limit for each, of {', '.join(AAMI_CLASSES)}")
    if card.input.windowing != "segments" or card.input.fs_hz != segments.FS_HZ or card.input.features != segments.TIMING:
        said = f"{card.input.windowing} at {card.input.fs_hz:g} Hz with {', '.join(card.input.features) or 'no timing'}"
        raise ModelError(f"{card.id} wants {said}; there are segments at {segments.FS_HZ:g} Hz with {', '.join(segments.TIMING)}")
    ours, control = session(verified_weights(folder, card), card.sha256, 1), session(verified_control(folder, card), str(card.control_sha256), 1)
    there = {output.name for output in ours.get_outputs()}
    if not set(OUTPUTS) <= there:
        raise ModelError(f"{card.id} gives {', '.join(sorted(there))}; wanted are {', '.join(OUTPUTS)}")
    drawn, _ = _run(ours, np.zeros((1, segments.CHANNELS, card.input.samples), np.float32))
    return Segmenter(card, ours, control, card.input.samples // drawn.shape[2])


def strengths(answer: Answer, fed: NDArray[np.float32], segment: int, progress: Progress = silent) -> NDArray[np.float32]:
    """Strengths (n_labels, n_steps) of a whole lead, as `segments.channels` feeds it (channels, n), by overlapping windows of four segments of so many samples.

    Of each window the two segments in the middle are kept: a segment is more than the network sees to either side, so that no seam shows.
    """
    n, kept = fed.shape[1], 2 * segment
    count, parts = -(-n // kept), []
    for at in range(0, count, BLOCK):  # the windows of a day, each sample in two of them, never stand in memory together
        end = min(at + BLOCK, count)
        stretch = _stretch(fed, at * kept - segment, end * kept + segment)
        windows = np.lib.stride_tricks.sliding_window_view(stretch, 4 * segment, axis=1)[:, ::kept].transpose(1, 0, 2)
        answers, _ = asked(answer, windows)
        steps = answers.shape[2] // 4
        parts.append(answers[:, :, steps : 3 * steps].transpose(1, 0, 2).reshape(answers.shape[1], -1))
        progress(end / count, "drawing the map")
    return np.ascontiguousarray(np.concatenate(parts, axis=1)[:, : -(-n * steps // segment)])


def _stretch(fed: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Samples start ≤ i < stop of (channels, n), zeros outside."""
    n = fed.shape[1]
    return np.pad(fed[:, max(0, start) : min(stop, n)], ((0, 0), (max(0, -start), max(0, stop - n))))


def asked(answer: Answer, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a network answers to windows (batch, channels, n), a chunk of them a core: one this small gains nothing from several threads of its own."""
    chunks = [np.ascontiguousarray(windows[at : at + CHUNK]) for at in range(0, len(windows), CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        first, second = zip(*workers.map(answer, chunks), strict=True)
    return np.concatenate(first), np.concatenate(second)


def _run(found: Any, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    first, second = found.run(list(OUTPUTS), {"segments": windows})
    return np.asarray(first, np.float32), np.asarray(second, np.float32)
