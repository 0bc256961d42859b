"""The default beat classifier: a small CNN for each beat, a bidirectional GRU over its neighbours, several of them together.

One lead at a time; the same weights serve any lead. Beside its window of signal the network sees the patient's own
usual beats and the RR features, so that a beat is judged against this patient's others.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHANNELS = 3  # the beat, the dominant beat of the patient in that lead, and the dominant one of those after long intervals


class BeatNet(nn.Module):
    """Beats (batch, time, 3, width) and RR features (batch, time, n_features) → logits (batch, time, n_classes)."""

    scale: Tensor
    bias: Tensor

    def __init__(self, n_features: int, n_classes: int, channels: tuple[int, int, int] = (32, 64, 64), hidden: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        first, second, third = channels
        self.encoder = nn.Sequential(
            _block(CHANNELS, first, 9, 4),
            _block(first, second, 5, 2),
            _block(second, third, 3, 2),
            _block(third, third, 3, 1),
            nn.AdaptiveAvgPool1d(4),
            nn.Flatten(),
            nn.Linear(4 * third, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.context = nn.GRU(hidden + n_features, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(3 * hidden + n_features, n_classes))
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("bias", torch.zeros(n_classes))

    def forward(self, beats: Tensor, rr: Tensor) -> Tensor:
        """Logits, uncalibrated."""
        batch, time = beats.shape[0], beats.shape[1]
        shape = self.encoder(beats.reshape(batch * time, CHANNELS, beats.shape[3])).reshape(batch, time, -1)
        around, _ = self.context(torch.cat([shape, rr], dim=2))
        logits: Tensor = self.head(torch.cat([shape, rr, around], dim=2))
        return logits


class BeatEnsemble(nn.Module):
    """What is shipped: the mean of the networks' probabilities, each with the scale and the bias by class found on patients it has not seen."""

    def __init__(self, nets: Sequence[BeatNet]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, beats: Tensor, rr: Tensor) -> Tensor:
        """Probabilities (batch, time, n_classes)."""
        return torch.stack([torch.softmax(net(beats, rr) * net.scale + net.bias, dim=2) for net in self.nets]).mean(dim=0)


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())
