import numpy as np
import pytest

from ecgcore.review import State

N_SAMPLES = 10_000


def state_of(samples=(100, 350, 600, 850), codes="NVNN", items=()) -> State:
    """Beats by the model beats@2 at 250 Hz."""
    return State(0, np.array(samples, np.int64), np.array(list(codes), "<U1"), np.full(len(samples), "beats@2", object), items, "beats@2", 250.0)


@pytest.fixture
def state():
    return state_of()


@pytest.fixture
def made():
    return state_of


@pytest.fixture
def do():
    """Apply a command as a user; the state after."""

    def apply(state: State, command, who: str = "anna@x") -> State:
        return state.applied(command.change(state, N_SAMPLES, who), state.seq + 1)

    return apply
