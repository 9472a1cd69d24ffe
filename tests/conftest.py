"""JAX in its strict mode: float64 is there, nothing is promoted in silence. The report begins with what it ran on."""

import atexit
import gc
import os
import platform
import shutil
import signal
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

# Every worker has a processor's share and no more: threads that wait for each other cost more than they bring.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Compiled programs are kept for as long as the tests run, and for them alone: each command is a process.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["MANUAL_VS_AUTO_CACHE"] = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, os.environ["MANUAL_VS_AUTO_CACHE"], ignore_errors=True)

# Under nohup a process ignores SIGHUP, and so do its children: a test would wait for ever for one to end.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A test's programs run once or twice on a few numbers, and to compile them is most of its time: they are compiled in a
# hurry, also those of the processes that it starts. What it is about rounding or speed asks for `optimised`; with the
# newest JAX, CI leaves the compiler as users have it. Another XLA may not know an option, and ends a process that
# names one.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if version("jaxlib").startswith("0.10."):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_use_fusion_emitters=false")

import jax  # noqa: E402  it reads them once
import pytest  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture
def optimised() -> Iterator[None]:
    """What the test compiles is as a user's is: where it matters how it rounds, or what becomes of it.

    What a test before has compiled stays as it was: JAX finds programs again without asking how they were made.
    """
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)  # not the context: threads compile
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def pytest_collection_finish() -> None:
    """What is there by now stays to the end: looking through it for garbage again and again is a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def pytest_report_header() -> str:
    """The versions and the processor: what a failure must be reported with."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "jaxlib", "numpy", "optax"))
    return f"on:      Python {platform.python_version()}, {packages}, {os.cpu_count()} cores of {_processor()}"


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
