import pytest
import torch
from torch import Tensor

from csfnns.decoders import Decoder
from csfnns.search import Distortion, Recovery, SearchState, Undetected, Weighted
from csfnns.search.objective import evaluate, total


class Doubling(Decoder):
    """Decoder whose output can be told by hand."""

    def forward(self, delta: Tensor) -> Tensor:
        return 2 * delta


class Fixed:
    """Term with values of its own."""

    def __init__(self, *values: float) -> None:
        self.values = torch.tensor(values)

    def __call__(self, state: SearchState) -> Tensor:
        return self.values


@pytest.fixture
def state() -> SearchState:
    """Two pictures, the second with a perturbation three times as strong."""
    delta = torch.stack([torch.full((3, 4, 4), 0.1), torch.full((3, 4, 4), -0.3)])
    return SearchState(torch.zeros_like(delta), delta)


def test_distortion_is_the_mean_square_of_each_picture(state: SearchState) -> None:
    torch.testing.assert_close(Distortion()(state), torch.tensor([0.01, 0.09]))


def test_recovery_is_the_mean_squared_error_of_each_picture(state: SearchState) -> None:
    term = Recovery(Doubling(), torch.full((2, 3, 4, 4), 0.5))
    torch.testing.assert_close(term(state), torch.tensor([0.3**2, 1.1**2]))


def test_recovery_weighs_its_errors(state: SearchState) -> None:
    weights = torch.zeros(2, 3, 4, 4)
    weights[:, :, 0] = 4.0  # a quarter of the places
    term = Recovery(Doubling(), torch.full((2, 3, 4, 4), 0.5), weights)
    torch.testing.assert_close(term(state), torch.tensor([0.3**2, 1.1**2]))


def test_recovery_keeps_the_precision_of_the_target(state: SearchState) -> None:
    values = torch.zeros(2, 3, 4, 4)
    half = SearchState(state.cover, state.delta.bfloat16())
    wide = SearchState(state.cover, state.delta.double())
    assert Recovery(Doubling(), values)(half).dtype == torch.float32
    assert Recovery(Doubling(), values.double())(wide).dtype == torch.float64


class Bright(torch.nn.Module):
    """Detector that finds pictures the more suspicious the brighter they are."""

    def forward(self, picture: Tensor) -> Tensor:
        mean = picture.mean((1, 2, 3))
        return torch.stack([torch.zeros_like(mean), mean / 100], dim=1)


def test_undetected_is_the_cross_entropy_towards_cover_summed_over_detectors(state: SearchState) -> None:
    logits = torch.tensor([0.255, -0.765])  # brightness of cover + δ in levels / 100
    expected = torch.nn.functional.softplus(logits)  # -log of 1 / (1 + e^logit)
    torch.testing.assert_close(Undetected([Bright()])(state), expected)
    torch.testing.assert_close(Undetected([Bright(), Bright()])(state), 2 * expected)


def test_undetected_drives_the_picture_and_leaves_the_detector_alone(state: SearchState) -> None:
    class Weighed(Bright):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, picture: Tensor) -> Tensor:
            return self.weight * super().forward(picture)

    detector = Weighed()
    delta = state.delta.clone().requires_grad_()
    Undetected([detector])(SearchState(state.cover, delta)).sum().backward()
    assert delta.grad is not None
    assert float(delta.grad.max()) > 0  # brighter is more suspicious
    assert detector.weight.grad is None


def test_the_total_sums_weighted_terms_over_the_batch(state: SearchState) -> None:
    terms = [Weighted(Fixed(1.0, 2.0), 1.0), Weighted(Fixed(10.0, 20.0), 0.5)]
    assert float(total(evaluate(terms, state, 0.0))) == 3 + 15


@pytest.mark.parametrize(("progress", "value"), [(0.0, 1.0), (0.29, 1.0), (0.3, 3.0), (0.69, 3.0), (0.7, 1.0)])
def test_a_term_counts_from_its_start_to_before_its_stop(state: SearchState, progress: float, value: float) -> None:
    terms = [Weighted(Fixed(1.0), 1.0), Weighted(Fixed(1.0), 2.0, start=0.3, stop=0.7)]
    assert float(total(evaluate(terms, state, progress))) == value


def test_a_factor_moves_the_growing_terms_alone(state: SearchState) -> None:
    terms = [Weighted(Fixed(1.0), 1.0), Weighted(Fixed(10.0), 0.5, grows=True)]
    assert float(total(evaluate(terms, state, 0.0), 4.0)) == 1 + 20
