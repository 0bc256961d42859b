"""How the segmenter at large is taught where ectopic beats are by the classes of segments alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgcore.models.ectopy import EctopyNet
from ecgcore.training.ectopy_data import NO_LABEL, Batch


class SegmentLoss(nn.Module):
    """Two readings of each segment answer to its labels: the map at its beats, and the classifier of the lead multiplied by the map.

    The map holds a label where any of the detected beats does: 1 - Π(1 - strength), "noisy or". Away from beats it should be empty.

    weights     (n_labels,) of a segment that holds the label
    classifier  how much the classifier counts beside the map
    empty       how much the emptiness between the beats does
    """

    weights: Tensor

    def __init__(self, weights: Tensor, classifier: float, empty: float) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.classifier, self.empty = classifier, empty

    def forward(self, net: EctopyNet, batch: Batch) -> Tensor:
        """Mean loss of a batch."""
        count = batch.targets.shape[1]
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=net.training):
            drawn = net.maps(batch.x)
            leads = _segments(batch.x[:, :1], count)
            classified = net.classified(leads.transpose(1, 2).flatten(0, 1), _segments(drawn, count).transpose(1, 2).flatten(0, 1))
        none = functional.softplus(drawn)  # minus the logarithm that a step holds none
        by_segment = _segments(none * batch.beats[:, None], count).sum(dim=-1).transpose(1, 2)
        any_beat = torch.log(torch.expm1(by_segment.clamp(1e-6, 40.0)))  # the logit of 1 - exp(-x)
        between = (none * batch.empty[:, None]).sum() / batch.empty.sum().clamp(min=1.0)
        return self._against(any_beat, batch.targets) + self.classifier * self._against(classified.reshape(batch.targets.shape), batch.targets) + self.empty * between

    def _against(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of logits (batch, n_segments, n_labels); segments without a label told are left out."""
        known = (targets != NO_LABEL).float()
        losses = functional.binary_cross_entropy_with_logits(logits, targets.clamp(min=0.0), pos_weight=self.weights, reduction="none")
        return (losses * known).sum() / known.sum().clamp(min=1.0)


def _segments(x: Tensor, count: int) -> Tensor:
    """(batch, channels, n) → (batch, channels, count, n / count)."""
    return x.reshape(*x.shape[:-1], count, x.shape[-1] // count)
