"""What pickles and torch's checkpoints of other projects hold, read without running any code of theirs.

Loading a pickle can run code. Here an unpickler reads it that makes containers, NumPy arrays and torch's tensors (as
arrays). Modules, optimisers and devices become stand-ins that keep their state; anything else is refused.
"""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from csfnns.errors import UsageError

Array = np.ndarray[Any, np.dtype[Any]]

_LIMIT = 1 << 28  # bytes of a file that are read
_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of a checkpoint before torch 1.6
_STAND_INS = ("torch.", "steganogan.", "__main__.")
_TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


class StandIn:
    """In place of an object of another project: its state, and no behaviour."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Storage:
    """Memory of tensors. Its numbers may come after the tensors in the file."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count = kind, count
        self.data = b""

    def array(self) -> Array:
        numbers = np.frombuffer(self.data, _TYPES[self.kind])
        if self.kind != "BFloat16Storage":
            return numbers
        return (numbers.astype(np.uint32) << 16).view(np.float32)


class _Tensor:
    """A tensor whose storage is not read yet."""

    def __init__(self, storage: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> None:
        if not isinstance(storage, _Storage):
            raise pickle.UnpicklingError("a tensor has no storage")
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)
        numbers = (offset, *self.shape, *self.strides)
        if not all(isinstance(n, int) and n >= 0 for n in numbers) or len(self.shape) != len(self.strides):
            raise pickle.UnpicklingError("a tensor has an impossible shape")
        last = offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        size = math.prod(self.shape)
        if size > storage.count or (size and last >= storage.count):
            raise pickle.UnpicklingError("a tensor is larger than its storage")

    def array(self) -> Array:
        numbers = self.storage.array()
        strides = [step * numbers.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides).copy()


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy.core.multiarray", "scalar"): np._core.multiarray.scalar,  # type: ignore[attr-defined]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    ("builtins", "dict"): dict,
    ("builtins", "set"): set,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], storages: dict[str, _Storage]) -> None:
        super().__init__(file)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module == "torch" and name in _TYPES:
            return name
        if f"{module}.".startswith(_STAND_INS):
            return type(name, (StandIn,), {})
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "module":  # a class with its source text, which is not read
            return pid[1]
        _, kind, key, _, count, *view = pid
        if kind not in _TYPES or not isinstance(count, int) or view not in ([], [None]):
            raise pickle.UnpicklingError("a tensor has a storage of another kind")
        return self._storages.setdefault(str(key), _Storage(kind, count))


def read_pickle(content: bytes, source: Path) -> Any:
    """What a pickle holds. `source` is named in errors. Raises UsageError."""
    return _guarded(source, lambda: _Unpickler(io.BytesIO(content), {}).load())


def read_checkpoint(content: bytes, source: Path) -> Any:
    """What torch saved: containers of arrays and of stand-ins. Raises UsageError for other files."""
    read = _read_zip if content.startswith(b"PK") else _read_legacy
    return _guarded(source, lambda: _arrays(read(content)))


def limited(file: IO[bytes]) -> bytes:
    """All bytes of a file, which is closed. Raises UsageError for more than any of these weights have."""
    with file:
        content = file.read(_LIMIT + 1)
    if len(content) > _LIMIT:
        raise UsageError(f"A file of more than {_LIMIT >> 20} MiB holds no such weights.", "Check where it is from.")
    return content


def tensors_of(content: Any) -> dict[str, Array]:
    """Tensors of a module or a state dict by name, in the order of the file; empty for anything else.

    Buffers follow the parameters of their module, as in torch's state_dict.
    """
    return dict(_walk(content, ""))


def _walk(content: Any, prefix: str) -> Iterator[tuple[str, Array]]:
    if isinstance(content, StandIn) and isinstance(content.state, Mapping):
        for kind in ("_parameters", "_buffers", "_modules"):
            inner = content.state.get(kind)
            yield from _walk(inner, prefix) if isinstance(inner, Mapping) else ()
    elif isinstance(content, Mapping):
        for name, each in content.items():
            if isinstance(each, np.ndarray):
                yield f"{prefix}{name}", each
            elif isinstance(each, StandIn):
                yield from _walk(each, f"{prefix}{name}.")


def _guarded(source: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # a damaged pickle raises nearly everything
        reason = f"{source} cannot be converted: {error}."
        raise UsageError(reason, "It is damaged, or holds more than arrays: get it again from its source.") from error


def _read_zip(content: bytes) -> Any:
    """Since torch 1.6: NAME/data.pkl, and NAME/data/KEY for each storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        storages: dict[str, _Storage] = {}
        found = _Unpickler(io.BytesIO(limited(archive.open(pickled))), storages).load()
        for key, storage in storages.items():
            _fill(storage, archive.open(f"{pickled.removesuffix('data.pkl')}data/{key}"))
    return found


def _read_legacy(content: bytes) -> Any:
    """Before: five pickles, the fourth the object and the last the order of its storages; then these."""
    file, storages = io.BytesIO(content), dict[str, _Storage]()
    if _Unpickler(file, {}).load() != _MAGIC:
        raise pickle.UnpicklingError("it is no checkpoint of torch")
    for _ in range(2):
        _Unpickler(file, {}).load()
    found = _Unpickler(file, storages).load()
    for key in _Unpickler(file, {}).load():
        (count,) = struct.unpack("<q", file.read(8))
        if count != storages[key].count:
            raise pickle.UnpicklingError("a storage has another length than its tensors say")
        _fill(storages[key], file)
    return found


def _fill(storage: _Storage, file: IO[bytes]) -> None:
    size = storage.count * np.dtype(_TYPES[storage.kind]).itemsize
    if not 0 <= size <= _LIMIT:
        raise pickle.UnpicklingError("a storage has an impossible length")
    storage.data = file.read(size)
    if len(storage.data) != size:
        raise pickle.UnpicklingError("it ends too early")


def _arrays(content: Any) -> Any:
    """The same, with an array in place of each tensor."""
    done: dict[int, Any] = {}

    def convert(each: Any) -> Any:
        if isinstance(each, _Tensor):
            return each.array()
        if not isinstance(each, dict | list | tuple | StandIn):
            return each
        if id(each) in done:
            return done[id(each)]
        if isinstance(each, tuple):
            return tuple(map(convert, each))
        done[id(each)] = each
        if isinstance(each, StandIn):
            each.state = convert(each.state)
        elif isinstance(each, list):
            each[:] = map(convert, each)
        else:
            for name in each:
                each[name] = convert(each[name])
        return each

    return convert(content)
