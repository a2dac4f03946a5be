"""Another program that extracts the same features."""

import importlib
import sys
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def other_program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Modules of sealwatch, without the package's own imports, which need torchvision."""
    spec = find_spec("sealwatch")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("sealwatch is not installed: pip install --no-deps sealwatch")
    root = Path(spec.submodule_search_locations[0])
    for name in ("sealwatch", "sealwatch.tools", "sealwatch.srm", "sealwatch.spam", "sealwatch.dctr"):
        package = types.ModuleType(name)
        package.__path__ = [str(root.parent / name.replace(".", "/"))]
        monkeypatch.setitem(sys.modules, name, package)
    return lambda name: importlib.import_module(f"sealwatch.{name}")
