"""Data cut over devices: the same steps and the same optimum as one device has."""

import subprocess
import sys


def test_virtual_devices() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.spread.devices"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
