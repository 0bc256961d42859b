"""What the recipe of the segmenter says."""

from ecgcore.training.recipes.parts import Common, Part, WindowAugmentation, WindowData, WindowOptimisation


class SegmentInput(Part):
    """The paper's segment: so many samples at the records' own rate."""

    samples: int
    band_hz: tuple[float, float]


class SegmentNetwork(Part):
    """Sizes of the paper's network. widths and strides by level, of U-Net and classifier alike; `pool` is the kernel of the sliding pool."""

    widths: tuple[int, ...]
    strides: tuple[int, ...]
    kernel: int
    pool: int
    dropout: float


class EctopyInput(Part):
    """A window of one lead at 128 Hz: so many segments of so many samples, each with labels of its own; the map has a value every `step` samples."""

    band_hz: tuple[float, float]
    samples: int
    segments: int
    step: int


class EctopyAugmentation(Part):
    """Chances and sizes of what is done to a window.

    share_of_normal  how many windows without an ectopic beat an epoch draws
    share_of_rhythm  the same of recordings without marks
    timing           standard deviation of a shift of the logarithms that tell the beats' timing, as if the usual interval were another
    untimed          chance that a window's beats have no timing at all
    """

    share_of_normal: float
    share_of_rhythm: float
    timing: float
    untimed: float
    mix_leads: float
    invert: float
    scale: float
    noise: float
    noise_db: tuple[float, float]


class EctopyNetwork(Part):
    """Sizes of the segmenter at large: widths and strides of the U-Net by level, `seen` and `seen_strides` of the classifiers.

    pool      in samples
    controls  networks with random weights that maps are compared with
    """

    widths: tuple[int, ...]
    strides: tuple[int, ...]
    kernel: int
    pool: int
    seen: tuple[int, ...]
    seen_strides: tuple[int, ...]
    controls: int


class EctopyOptimisation(Part):
    """AdamW with a one-cycle learning rate; weights are averaged exponentially.

    patient_folds  of the patients learned from, to choose the limits by
    seeds          runs with all of them, with `seed`, `seed` + 1, …; the first is the one that ships
    weights        of a segment that holds the label, by label
    classifier, empty  how much the classifier of the product counts beside the map, and the emptiness of the map between beats
    """

    patient_folds: int
    seeds: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    average: float
    weights: tuple[float, float]
    classifier: float
    empty: float
    seed: int


class EctopyPart(Part):
    """The segmenter at large; `rhythms` says how many recordings of CinC 2017 of each rhythm are learned from."""

    data: WindowData
    rhythms: dict[str, int]
    input: EctopyInput
    network: EctopyNetwork
    augmentation: EctopyAugmentation
    optimisation: EctopyOptimisation


class SegmenterRecipe(Common):
    """The paper's arms on segments of mitdb, by a random split and by patient, and the segmenter at large."""

    records: tuple[str, ...]
    arms: tuple[str, ...]
    arms_by_patient: tuple[str, ...]
    input: SegmentInput
    network: SegmentNetwork
    variation: WindowAugmentation
    optimisation: WindowOptimisation
    at_large: EctopyPart
