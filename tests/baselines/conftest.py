"""Networks of SteganoGAN that need no training."""

from pathlib import Path

import pytest
import torch

from csfnns.baselines.steganogan import Networks, network_data, rank_planes


@pytest.fixture(scope="session")
def three_planes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights made by hand: the bits of three planes become the colours, whatever the cover; a fourth plane is lost."""
    networks = Networks("basic", 4).requires_grad_(False).eval()
    for tensor in networks.state_dict().values():
        tensor.copy_(torch.ones_like(tensor) if tensor.ndim == 1 and bool((tensor == 1).all()) else 0 * tensor)
    for layer in (*networks.encoder, *networks.decoder):
        if len(layer) > 1:
            layer[2].running_var.fill_(1)
    for plane in range(3):
        networks.encoder[1][0].weight[plane, 32 + plane, 1, 1] = 1  # after the 32 maps of the cover
        networks.encoder[2][0].weight[plane, plane, 1, 1] = 1
        networks.encoder[3][0].weight[plane, plane, 1, 1] = 1
        networks.encoder[3][0].bias[plane] = -0.5
        networks.decoder[0][0].weight[plane, plane, 1, 1] = 1
        networks.decoder[0][0].bias[plane] = 1  # above 0, where a leaky ReLU is the identity
        networks.decoder[3][0].weight[plane, plane, 1, 1] = 20
        networks.decoder[3][0].bias[plane] = -20
    networks.order = rank_planes(networks)
    path = tmp_path_factory.mktemp("steganogan") / "steganogan-dense.safetensors"
    path.write_bytes(network_data(networks))
    return path
