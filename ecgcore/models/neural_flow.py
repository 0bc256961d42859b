"""Neural flow with a sigmoid attention: an LSTM whose state a flow carries from one observation to the next.

A flow F(t, x) gives the solution of an ODE directly: F(0, x) = x, and F(t, ·) can be inverted (Biloš et al., "Neural
flows", 2021). After Woo, "Attention Mechanism in Neural Flow Models for Imbalanced ECG Beat Classification".
"""

from collections.abc import Callable
from typing import Final, Literal

import torch
from torch import Tensor, nn

NORM: Final = 0.9  # greatest spectral norm of a linear layer; below 1, so that layers in a row contract
UPDATE, RESET = 2 / 5, 4 / 5  # z and r of the GRU flow are scaled so that the map stays invertible (Biloš et al., theorem 1)
TERMS: Final = 4  # of the Fourier sum
ENOUGH: Final = 1e-6  # the fixed point is reached when no value moves by more
ROUNDS: Final = 500

Change = Callable[[Tensor], Tensor]
Flows = Literal["residual", "gru"]
Phis = Literal["tanh", "fourier"]


class BoundedLinear(nn.Linear):
    """A linear layer of (state, time) whose spectral norm is at most NORM: a greater one is divided away.

    The norm is exact while it learns; `eval()` keeps it, so that no decomposition is left in what is exported.
    """

    norm: Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden + 1, hidden)
        self.register_buffer("norm", torch.linalg.matrix_norm(self.weight.detach(), 2))

    def train(self, mode: bool = True) -> "BoundedLinear":
        """As in torch; at the end of learning the norm of the weights is kept."""
        if not mode:
            self.norm.copy_(torch.linalg.matrix_norm(self.weight.detach(), 2))
        return super().train(mode)

    def bounded(self) -> Tensor:
        """The weights (hidden, hidden + 1) as they are applied."""
        norm = torch.linalg.matrix_norm(self.weight, 2) if self.training else self.norm
        return self.weight * (NORM / torch.clamp(norm, min=NORM))

    def at(self, t: Tensor) -> Change:
        """The layer for one time t (1,): (…, hidden) → (…, hidden)."""
        weight = self.bounded()
        state, bias = weight[:, :-1], self.bias + weight[:, -1] * t
        return lambda x: nn.functional.linear(x, state, bias)


class TanhPhi(nn.Module):
    """φ(t) = tanh(a·t), one a for each of the state's values: φ(0) = 0 and |φ| < 1."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.empty(hidden).uniform_(0.5, 1.5))

    def forward(self, t: Tensor) -> Tensor:
        """(1,) → (hidden,)."""
        return torch.tanh(self.rate * t)


class FourierPhi(nn.Module):
    """φ(t) = Σ a_k sin(ω_k t) with Σ|a_k| ≤ 1, for each of the state's values: φ(0) = 0 and |φ| ≤ 1."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.amplitude = nn.Parameter(torch.randn(hidden, TERMS))
        self.frequency = nn.Parameter(torch.empty(hidden, TERMS).uniform_(0.5, 3.0))

    def forward(self, t: Tensor) -> Tensor:
        """(1,) → (hidden,)."""
        share = self.amplitude / torch.clamp(self.amplitude.abs().sum(dim=1, keepdim=True), min=1.0)
        return (share * torch.sin(self.frequency * t)).sum(dim=1)


class Flow(nn.Module):
    """x + φ(t) ⊙ change(t, x), where the second summand contracts in x."""

    def __init__(self, hidden: int, phi: Phis) -> None:
        super().__init__()
        self.phi = TanhPhi(hidden) if phi == "tanh" else FourierPhi(hidden)

    def change_at(self, t: Tensor) -> Change:
        """x → g(t, x), (…, hidden) both, for one time t (1,)."""
        raise NotImplementedError

    def residual_at(self, t: Tensor) -> Change:
        """What the flow adds to x (…, hidden) in the time t (1,)."""
        grown, change = self.phi(t), self.change_at(t)
        return lambda x: grown * change(x)

    def at(self, t: Tensor) -> Change:
        """x → F(t, x) for one time t: what depends on the time alone is worked out once."""
        residual = self.residual_at(t)
        return lambda x: x + residual(x)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """F(t, x), of the shape of x (…, hidden); t is (1,)."""
        return self.at(t)(x)

    def inverse(self, t: Tensor, y: Tensor) -> Tensor:
        """The x for which F(t, x) = y, as the fixed point of x = y - residual(t, x) (Banach)."""
        x, residual = y, self.residual_at(t)
        for _ in range(ROUNDS):
            x, before = y - residual(x), x
            if float((x - before).detach().abs().max()) < ENOUGH:
                break
        return x


class ResidualFlow(Flow):
    """x + φ(t) ⊙ g(t, x), g two linear layers of norm below 1 with a tanh between them."""

    def __init__(self, hidden: int, phi: Phis) -> None:
        super().__init__(hidden, phi)
        self.first, self.second = BoundedLinear(hidden), BoundedLinear(hidden)

    def change_at(self, t: Tensor) -> Change:
        """x → g(t, x), (…, hidden) both."""
        first, second = self.first.at(t), self.second.at(t)
        return lambda x: second(torch.tanh(first(x)))


class GruFlow(Flow):
    """h + φ(t) ⊙ z ⊙ (u - h) for states within ±1: z = ⅖ σ(f_z), u = tanh(f_u(r ⊙ h)), r = ⅘ σ(f_r)."""

    def __init__(self, hidden: int, phi: Phis) -> None:
        super().__init__(hidden, phi)
        self.update, self.reset, self.candidate = (BoundedLinear(hidden) for _ in range(3))

    def change_at(self, t: Tensor) -> Change:
        """x → z ⊙ (u - x), (…, hidden) both."""
        update, reset, candidate = self.update.at(t), self.reset.at(t), self.candidate.at(t)

        def change(x: Tensor) -> Tensor:
            z, r = UPDATE * torch.sigmoid(update(x)), RESET * torch.sigmoid(reset(x))
            return z * (torch.tanh(candidate(r * x)) - x)

        return change


FLOWS: Final[dict[str, type[Flow]]] = {"residual": ResidualFlow, "gru": GruFlow}


class NeuralFlowNet(nn.Module):
    """Windows (batch, samples) → logits (batch, n_classes) and attention (batch, steps).

    A step is a patch of `patch` samples, `step_s` seconds long. Initial block: linear and ReLU on each. Encoder: the flow
    carries the state over a step's time, the LSTM cell then updates it with the step. Decoder: linear, on the states added
    up by their attention σ(score), or, without attention, on the last state.
    """

    step_s: Tensor

    def __init__(
        self,
        samples: int,
        fs_hz: float,
        n_classes: int,
        *,
        patch: int = 8,
        hidden: int = 48,
        flow: Flows = "residual",
        phi: Phis = "tanh",
        attention: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if samples % patch:
            raise ValueError(f"{samples} samples are no whole number of patches of {patch}")
        self.patch, self.steps, self.hidden = patch, samples // patch, hidden
        self.initial = nn.Sequential(nn.Linear(patch, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.flow = FLOWS[flow](hidden, phi)
        self.seen = nn.Linear(hidden, 4 * hidden)
        self.recalled = nn.Linear(hidden, 4 * hidden, bias=False)
        self.score = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1)) if attention else None
        self.decoder = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, n_classes))
        self.register_buffer("step_s", torch.tensor([patch / fs_hz]))

    def forward(self, beats: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, uncalibrated, and attention, 0 to 1; without attention, all of it is on the last step."""
        states = self.states(beats)
        if self.score is None:
            last = torch.zeros(self.steps, device=beats.device)
            last[-1] = 1.0
            logits: Tensor = self.decoder(states[:, -1])
            return logits, last.expand(beats.shape[0], self.steps) + 0.0 * beats[:, :1]
        attention = torch.sigmoid(self.score(states))
        logits = self.decoder((attention * states).sum(dim=1))
        return logits, attention[:, :, 0]

    def states(self, beats: Tensor) -> Tensor:
        """State after each step (batch, steps, hidden)."""
        seen = self.seen(self.initial(beats.reshape(-1, self.steps, self.patch)))
        h = c = torch.zeros_like(seen[:, 0, : self.hidden])
        flow, states = self.flow.at(self.step_s), []
        for step in seen.unbind(dim=1):
            h, c = self._cell(step, flow(h), c)
            states.append(h)
        return torch.stack(states, dim=1)

    def _cell(self, seen: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One update of an LSTM (Hochreiter & Schmidhuber, 1997), its input already multiplied by the weights."""
        gates, candidate = (seen + self.recalled(h)).split((3 * self.hidden, self.hidden), dim=1)
        keep, take, show = torch.sigmoid(gates).chunk(3, dim=1)
        c = keep * c + take * torch.tanh(candidate)
        return show * torch.tanh(c), c
