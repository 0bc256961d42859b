"""What Kisialeu & Nedzved publish of their seven configurations on Chapman-Shaoxing: 7,430 records to learn from, 1,592 to choose by, 1,593 tested."""

from typing import Final

from ecgcore.evaluation.rhythms import BY_CLASS
from ecgcore.training.recipes.chapman import Configuration

PAPER: Final = "Kisialeu & Nedzved"
# Table 3, and in full table 4 for the second; table 5 for the universal network with twelve leads.
FIGURES: Final[dict[Configuration, dict[str, float]]] = {
    "signal": {"accuracy": 0.938, "macro precision": 0.862, "macro F1": 0.859, "macro AUC": 0.946},
    "metadata": {
        "accuracy": 0.9422, "macro precision": 0.8548, "macro recall": 0.8495, "macro F1": 0.8512, "weighted F1": 0.9415,
        "macro AUC": 0.9562, "Cohen's kappa": 0.9259, "MCC": 0.9260, "log loss": 0.4662, "top-2 accuracy": 0.9755,
    },
    "metadata and NeuroKit2": {"accuracy": 0.932, "macro precision": 0.849, "macro F1": 0.850, "macro AUC": 0.968},
    "metadata and filtered NeuroKit2": {"accuracy": 0.923, "macro precision": 0.836, "macro F1": 0.831, "macro AUC": 0.966},
    "demographics": {"accuracy": 0.935, "macro precision": 0.841, "macro F1": 0.843, "macro AUC": 0.937},
    "demographics and filtered NeuroKit2": {"accuracy": 0.935, "macro precision": 0.829, "macro F1": 0.846, "macro AUC": 0.965},
    "universal": {"accuracy": 0.936, "macro precision": 0.841, "macro F1": 0.838, "macro AUC": 0.953},
}  # fmt: skip
SUBSETS: Final = {  # table 5
    "12 leads": {"accuracy": 0.936, "macro F1": 0.838, "weighted F1": 0.936, "macro AUC": 0.953},
    "6 limb leads": {"accuracy": 0.937, "macro F1": 0.837, "weighted F1": 0.936, "macro AUC": 0.945},
    "I, II, V1": {"accuracy": 0.938, "macro F1": 0.842, "weighted F1": 0.939, "macro AUC": 0.951},
    "II": {"accuracy": 0.916, "macro F1": 0.787, "weighted F1": 0.915, "macro AUC": 0.941},
}
CLASSES: Final = {  # table 6, of the second configuration: BY_CLASS, then patients
    name: (dict(zip(BY_CLASS, row[:4], strict=True)), int(row[4]))
    for name, row in {
        "SB": (0.990, 0.997, 0.995, 0.992, 584), "SR": (0.938, 0.988, 0.941, 0.940, 274), "AFIB": (0.959, 0.985, 0.928, 0.943, 267), "ST": (0.975, 0.992, 0.954, 0.964, 235),
        "SVT": (0.932, 0.995, 0.911, 0.921, 88), "AF": (0.642, 0.990, 0.741, 0.688, 67), "SA": (0.750, 0.994, 0.818, 0.783, 60), "AT": (0.611, 0.994, 0.550, 0.579, 18),
    }.items()
}  # fmt: skip
# The paper counts 28 NeuroKit2 features, but 36 = 14 + 22, 27 = 14 + 13 and 16 = 3 + 13 inputs.
INPUTS: Final[dict[Configuration, int]] = {
    "signal": 0, "metadata": 14, "metadata and NeuroKit2": 36, "metadata and filtered NeuroKit2": 27, "demographics": 3, "demographics and filtered NeuroKit2": 16, "universal": 0,
}  # fmt: skip
# Of the universal network. The parts that the paper names add up to 9,427,969, and its head must have 4,104 more; its total is less.
PARAMETERS: Final = {"backbone": 9_065_728, "leads": 768, "project": 295_424, "pool": 66_049, "total": 9_179_977}
FALLBACK: Final = (0.10, 0.50)  # "10–50% of NeuroKit2 features contain fallback values"
