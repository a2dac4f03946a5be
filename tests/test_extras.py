import pytest

from csfnns import extras
from csfnns.errors import UsageError


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.MODULES, "network", ("json", "no_such_module_at_all"))


def test_what_is_installed_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.MODULES, "network", ("json",))
    assert extras.has("network")
    extras.require("network", "The denoiser")


@pytest.mark.usefixtures("absent")
def test_what_is_missing_is_named_with_the_command_that_installs_it() -> None:
    assert not extras.has("network")
    with pytest.raises(UsageError) as error:
        extras.require("network", "The denoiser")
    assert error.value.message == "The denoiser needs the extra 'network'."
    assert error.value.hint == "Install it: pip install 'csfnns[network]'."


@pytest.mark.usefixtures("absent")
def test_a_lazy_name_says_what_it_needs() -> None:
    load = extras.load_lazily("csfnns.search", {"Search": "sps"})
    with pytest.raises(UsageError, match=r"csfnns\.search\.Search needs the extra 'network'"):
        load("Search")
    with pytest.raises(AttributeError, match="no attribute 'Find'"):
        load("Find")
