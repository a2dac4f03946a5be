"""Steps recorded once and replayed: on a GPU, launching the many small kernels of a step costs more than they do."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Step = Callable[[], None]
_WARM_UP = 3


def repeatable(step: Step, state: Sequence[Tensor], device: torch.device) -> Step:
    """`step`, on a GPU as a CUDA graph. It may read and change tensors in place, and nothing else.

    `state` are the tensors that it changes: they are as before when this returns, though a graph is recorded after
    a few real steps, in which libraries choose their kernels.
    """
    if device.type != "cuda":
        return step
    with torch.cuda.device(device):
        before = [tensor.detach().clone() for tensor in state]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                step()
        torch.cuda.current_stream().wait_stream(side)
        with torch.no_grad():
            for tensor, value in zip(state, before, strict=True):
                tensor.copy_(value)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
    return graph.replay
