"""What a run is told to have run on, also from a folder that is not installed."""

from importlib.metadata import PackageNotFoundError

import pytest

from manual_vs_auto import __version__
from manual_vs_auto.runs import machine
from manual_vs_auto.runs.errors import UsageError


def test_the_versions_of_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "manual_vs_auto":
            raise PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(machine, "version", version)
    machine.versions.cache_clear()
    try:
        found = machine.versions()
    finally:
        machine.versions.cache_clear()
    assert found["manual_vs_auto"] == __version__
    assert found["jaxlib"] == "1.2"


@pytest.mark.parametrize("name", ["auto", "gpu"])
def test_platforms_that_are_not_there_are_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr(machine, "_devices", lambda _: [])
    with pytest.raises(UsageError, match="JAX_PLATFORMS=cuda names what JAX does not find here: unset it"):
        machine.device_of(name)
