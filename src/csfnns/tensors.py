"""Files of tensors in the safetensors format, which may come from strangers: their header decides, before a tensor is made.

Pickles are never read: loading one can run code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
"""Suffixes of files that torch.load would read."""
MAX_HEADER = 8 * 2**20
"""Bytes of a header. A model of 2000 tensors has about 250 kB."""
FLOATS = frozenset({"F16", "BF16", "F32"})
DOUBLES = frozenset({"F64"})
INTEGERS = frozenset({"I64"})

Spec = tuple[tuple[int, ...], frozenset[str]]
"""Shape of a tensor, and the types in which a file may hold it."""


class BadTensorsError(ValueError):
    """The reason why a file is not read: a clause without a full stop."""


@dataclass(frozen=True)
class Header:
    """What a file says about itself."""

    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def numbers(self) -> int:
        """Numbers in all tensors together."""
        return sum(prod(shape) for shape in self.shapes.values())


def read_header(path: Path) -> Header:
    """Metadata of a file, and its tensors' shapes by name. Raises BadTensorsError and OSError."""
    with _opened(path, "numpy") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        return Header(file.metadata() or {}, shapes)


def read_tensors(
    path: Path, expected: Mapping[str, Spec], *, framework: str = "pt", others: bool = False
) -> dict[str, Any]:
    """Tensors of a file by name, exactly those expected; with `others`, it may hold more, which are not read.

    Raises BadTensorsError and OSError, before any tensor is made.
    """
    with _opened(path, framework) as file:
        names = set(file.keys())
        for name in sorted(names - expected.keys() if not others else ()):
            raise BadTensorsError(f"it has a tensor {_shown(name)}, which does not belong there")
        for name, (shape, types) in expected.items():
            if name not in names:
                raise BadTensorsError(f"{_shown(name)} is not in it")
            about = file.get_slice(name)
            if tuple(about.get_shape()) != shape:
                raise BadTensorsError(f"its {_shown(name)} is of shape {tuple(about.get_shape())}, not {shape}")
            if about.get_dtype() not in types:
                choices = " or ".join(sorted(types))
                raise BadTensorsError(f"its {_shown(name)} is of type {about.get_dtype()}, not {choices}")
        return {name: file.get_tensor(name) for name in expected}


def specs(state: Mapping[str, Any], prefix: str = "") -> dict[str, Spec]:
    """What a file of these tensors of torch has to hold: floating-point numbers in any usual type."""
    types = {True: FLOATS, False: INTEGERS}
    return {prefix + name: (tuple(each.shape), types[each.is_floating_point()]) for name, each in state.items()}


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:
    """The file, once the length of its header is known to be small. The library checks sizes and offsets."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise BadTensorsError("there is no such file")
    with path.open("rb") as start:
        length = int.from_bytes(start.read(8), "little")
    if MAX_HEADER < length < path.stat().st_size:
        raise BadTensorsError(f"its header has {length} bytes, and at most {MAX_HEADER} are read")
    try:
        with safe_open(path, framework) as file:
            yield file
    except SafetensorError as error:
        raise BadTensorsError("it is damaged, or no safetensors file") from error


def _shown(name: str) -> str:
    """Name from a stranger's file, for an error."""
    return name if name.isascii() and name.isprintable() and len(name) <= 80 else ascii(name[:80])
