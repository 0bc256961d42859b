"""What HADLN is measured against, in the sizes of Gritton & Thio (2021) where they are told."""

from typing import Final

import torch
from torch import Tensor, nn

from ecgcore.models.hadln import Standardise

KERNEL: Final = 17


class FullyConnected(nn.Module):
    """Two layers of 1,000 units, then the classes. Beats (batch, samples) → logits (batch, n_classes)."""

    def __init__(self, samples: int, n_classes: int, width: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.layers = nn.Sequential(
            nn.Linear(samples, width), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(width, n_classes),
        )  # fmt: skip

    def forward(self, beats: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.layers(self.standardise(beats))
        return logits


class Cblstm(nn.Module):
    """One strided convolution, batch norm, ReLU, bidirectional LSTM, linear. Beats (batch, samples) → logits (batch, n_classes)."""

    def __init__(self, n_classes: int, channels: int = 32, hidden: int = 48, stride: int = 4, dropout: float = 0.2) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.branch = _Branch(channels, hidden, stride, KERNEL)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * hidden, n_classes))

    def forward(self, beats: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.classifier(self.branch(self.standardise(beats)))
        return logits


class BiRcnn(nn.Module):
    """After Xie et al. (2018): two convolutions with their BLSTMs, and an RNN over the RR intervals, added, then linear.

    Beats with the RR intervals around each of them at the end (batch, samples + n_rr) → logits (batch, n_classes).
    """

    def __init__(self, n_rr: int, n_classes: int, channels: int = 32, hidden: int = 48, stride: int = 4, dropout: float = 0.2) -> None:
        super().__init__()
        self.n_rr = n_rr
        self.standardise = Standardise()
        self.fine, self.coarse = _Branch(channels, hidden, stride, 5), _Branch(channels, hidden, stride, KERNEL)
        self.rhythm = nn.RNN(1, 2 * hidden, batch_first=True)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * hidden, n_classes))

    def forward(self, beats_and_rr: Tensor) -> Tensor:
        """Logits."""
        beats, rr = self.standardise(beats_and_rr[:, : -self.n_rr]), beats_and_rr[:, -self.n_rr :]
        after, _ = self.rhythm(rr.unsqueeze(2))
        logits: Tensor = self.classifier(self.fine(beats) + self.coarse(beats) + after[:, -1])
        return logits


class _Branch(nn.Module):
    """Beats (batch, samples) → (batch, 2 · hidden): a convolution, and where its BLSTM ends in either direction."""

    def __init__(self, channels: int, hidden: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Sequential(nn.Conv1d(1, channels, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm1d(channels), nn.ReLU())
        self.recurrent = nn.LSTM(channels, hidden, batch_first=True, bidirectional=True)

    def forward(self, beats: Tensor) -> Tensor:
        """Features of each beat."""
        steps = self.convolution(beats.unsqueeze(1)).transpose(1, 2)
        _, (last, _) = self.recurrent(steps)
        return torch.cat([last[0], last[1]], dim=1)
