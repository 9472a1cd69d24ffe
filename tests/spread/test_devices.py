"""Examples and classes cut over devices: the same steps and the same optimum as one device has."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("much", ["some", pytest.param("whole", marks=pytest.mark.whole)])
def test_virtual_devices(much: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.spread.devices", much], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
