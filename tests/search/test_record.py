"""Steps that are recorded on a GPU must do what they do unrecorded. On a processor nothing is recorded."""

import pytest
import torch

from csfnns.search.record import repeatable

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_on_a_processor_a_step_is_left_as_it_is() -> None:
    def step() -> None:
        raise AssertionError("nobody asked for a step")

    assert repeatable(step, [], torch.device("cpu")) is step


@GPU
def test_a_recorded_step_changes_nothing_until_it_is_replayed_and_then_the_same() -> None:
    device = torch.device("cuda")
    state = torch.arange(8.0, device=device)

    def step() -> None:
        state.mul_(1.5).add_(1)

    expected = state.clone()
    replay = repeatable(step, [state], device)
    torch.testing.assert_close(state, expected)
    for _ in range(3):
        replay()
        expected.mul_(1.5).add_(1)
    torch.testing.assert_close(state, expected)
