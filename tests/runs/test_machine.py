"""What a run is told to have run on, also from a folder that is not installed."""

from importlib.metadata import PackageNotFoundError

import pytest

from manual_vs_auto import __version__
from manual_vs_auto.runs import machine


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
