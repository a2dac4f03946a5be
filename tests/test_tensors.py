"""Headers that strangers could write, each refused with its reason before a tensor is made."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns.tensors import DOUBLES, FLOATS, MAX_HEADER, BadTensorsError, Spec, read_header, read_tensors

EXPECTED: dict[str, Spec] = {"a": ((2, 3), FLOATS), "b": ((2,), FLOATS)}


def write(path: Path, header: dict[str, Any] | bytes, data: bytes = b"", *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(shape: list[int], start: int, end: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


GOOD = {"a": entry([2, 3], 0, 24), "b": entry([2], 24, 32)}
HUGE = {"a": entry([2**31, 2**31], 0, 24), "b": entry([2], 24, 32)}


def test_what_is_expected_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", GOOD, np.arange(8, dtype="<f4").tobytes())
    tensors = read_tensors(path, EXPECTED, framework="numpy")
    assert tensors["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["b"].tolist() == [6, 7]
    assert read_header(path).numbers == 8
    only = read_tensors(path, {"b": EXPECTED["b"]}, framework="numpy", others=True)
    assert list(only) == ["b"]


@pytest.mark.parametrize(
    ("header", "expected", "said"),
    [
        (GOOD, {"a": EXPECTED["a"]}, "it has a tensor b, which does not belong there"),
        (GOOD, EXPECTED | {"c": ((1,), FLOATS)}, "c is not in it"),
        (GOOD, EXPECTED | {"a": ((3, 2), FLOATS)}, r"its a is of shape \(2, 3\), not \(3, 2\)"),
        (GOOD, EXPECTED | {"a": ((2, 3), DOUBLES)}, "its a is of type F32, not F64"),
        ({"\u202e\x1b": entry([8], 0, 32)}, {}, r"a tensor '\\u202e\\x1b', which"),
        (HUGE, EXPECTED, "damaged"),
        (GOOD | {"a": entry([2, 3], 0, 23)}, EXPECTED, "damaged"),
        (GOOD | {"b": entry([2], 16, 24)}, EXPECTED, "damaged"),
        (GOOD | {"b": entry([2], 24, 32, "F33")}, EXPECTED, "damaged"),
        (b"[" * 100_000, EXPECTED, "damaged"),
        (b"", EXPECTED, "damaged"),
    ],
)
def test_what_is_not_expected_is_refused_with_its_reason(
    header: dict[str, Any] | bytes, expected: dict[str, Spec], said: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.safetensors", header, bytes(32))
    with pytest.raises(BadTensorsError, match=said):
        read_tensors(path, expected, framework="numpy")


@pytest.mark.parametrize("length", [MAX_HEADER + 1, 2**63, 0])
def test_a_long_header_is_not_read(length: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", b"{}", length=length)
    with path.open("r+b") as file:
        file.truncate(2 * MAX_HEADER)  # sparse
    with pytest.raises(BadTensorsError, match="at most 8388608 are read" if length == MAX_HEADER + 1 else "damaged"):
        read_header(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BadTensorsError, match="no such file"):
            read_header(path)
