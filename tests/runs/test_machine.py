"""What a run is told to have run on, also from a folder that is not installed."""

import os
import subprocess
import sys
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


@pytest.mark.parametrize(("allowed", "device", "seen"), [("tpu", "auto", "nothing at all"), ("cpu", "gpu", "only cpu")])
def test_platforms_that_are_not_there_are_named(allowed: str, device: str, seen: str) -> None:
    """In a process of its own: JAX reads the variable once."""
    code = "import sys; from manual_vs_auto.runs import machine; machine.device_of(sys.argv[1])"
    environment = os.environ | {"JAX_PLATFORMS": allowed}
    done = subprocess.run([sys.executable, "-c", code, device], capture_output=True, text=True, env=environment)
    said = done.stderr.splitlines()[-1]
    assert seen in said
    assert said.endswith(f"; JAX_PLATFORMS={allowed} allows it nothing else: unset that, or ask for --device cpu")
