"""Windows altered at random while a network learns, and nothing altered once it has learned."""

import torch
from torch import Tensor, nn


class Altered(nn.Module):
    """A network that sees shifted and rescaled windows in training, and works in bfloat16 then where that is wanted.

    samples        how many values of a row are the window; those after it, such as RR intervals, are left alone
    shift_samples  greatest shift, to either side
    scale          standard deviation of the size, which is 1 on average
    """

    def __init__(self, net: nn.Module, samples: int, shift_samples: int, scale: float, bfloat16: bool) -> None:
        super().__init__()
        self.net, self.samples, self.shift_samples, self.scale, self.in_bfloat16 = net, samples, shift_samples, scale, bfloat16

    def forward(self, windows: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the network says of windows (batch, samples or more)."""
        if not self.training:
            answer: Tensor | tuple[Tensor, ...] = self.net(windows)
            return answer
        with torch.autocast(windows.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            answer = self.net(torch.cat([self.alter(windows[:, : self.samples]), windows[:, self.samples :]], dim=1))
        return answer  # noqa: RET504 - typed above

    def alter(self, windows: Tensor) -> Tensor:
        """Each window (batch, samples) shifted by some samples, its ends repeated, and rescaled by some part of its size."""
        n, places = len(windows), torch.arange(windows.shape[1], device=windows.device)
        shift = torch.randint(-self.shift_samples, self.shift_samples + 1, (n, 1), device=windows.device)
        size = 1 + self.scale * torch.randn(n, 1, device=windows.device)
        return size * windows.gather(1, (places + shift).clamp(0, windows.shape[1] - 1))
