"""cache=: JAX's compiled programs are kept where the user says, and his own settings stay."""

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import UsageError, Verdict, check_gradient

NAMES = (
    "jax_compilation_cache_dir", "jax_enable_compilation_cache", "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)  # fmt: skip
X = np.array([0.3, -0.7, 1.1])


def total(x: Any) -> Any:
    return jnp.sum(jnp.sin(x) * 1.25)


def raising(x: Any) -> Any:
    raise KeyError("raised")


def check(cache: Path | None, x: Any = X) -> Verdict:
    jax.clear_caches()  # what a process has compiled it does not read
    return check_gradient(total, lambda x: 1.25 * jnp.cos(x), x, probes=False, cache=cache).verdict


@pytest.mark.newest
def test_programs_are_kept_and_read_again(tmp_path: Path) -> None:
    before = [getattr(jax.config, name) for name in NAMES]
    folder = tmp_path / "deep" / "cache"
    assert check(folder) is Verdict.AGREE
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*-cache")}
    assert len(kept) >= 2
    events: list[str] = []

    def listen(event: str, **_: Any) -> None:
        events.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        assert check(folder) is Verdict.AGREE
    finally:
        jax.monitoring.unregister_event_listener(listen)
    assert events.count("/jax/compilation_cache/cache_hits") >= 2
    assert "/jax/compilation_cache/cache_misses" not in events
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*-cache")} == kept
    assert [getattr(jax.config, name) for name in NAMES] == before


def test_without_it_nothing_is_kept(tmp_path: Path) -> None:
    check(tmp_path / "cache")
    count = len(list((tmp_path / "cache").iterdir()))
    assert count >= 2, "in this folder, whatever the last one was"
    assert check(None, np.ones(5)) is Verdict.AGREE
    assert len(list((tmp_path / "cache").iterdir())) == count


def test_a_user_s_own_cache_is_his_again(tmp_path: Path) -> None:
    own = tmp_path / "own"
    jax.config.update("jax_compilation_cache_dir", str(own))
    try:
        with pytest.raises(KeyError, match="raised"):
            check_gradient(total, raising, X, cache=tmp_path / "ours")
        assert getattr(jax.config, NAMES[0]) == str(own)
    finally:
        jax.config.update("jax_compilation_cache_dir", None)


@pytest.mark.skipif(sys.platform == "win32", reason="rights are others there")
def test_a_folder_that_can_not_be_made() -> None:
    with pytest.raises(UsageError, match="cache="):
        check(Path("/proc/nowhere/cache"))
