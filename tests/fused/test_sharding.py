"""Arrays that are spread over devices: right numbers, no device that gathers what another holds."""

import subprocess
import sys


def test_eight_virtual_devices() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fused.sharded"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
