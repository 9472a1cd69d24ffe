"""What a run leaves in its directory: config.json, metrics.jsonl, model.safetensors."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from manual_vs_auto.train.config import Config, UsageError

_CONFIG, _METRICS, _WEIGHTS = "config.json", "metrics.jsonl", "model.safetensors"


class Record:
    """A directory with one run in it. Every file is whole after each epoch, however the run ends."""

    def __init__(self, directory: Path) -> None:
        """Make the directory. Raises UsageError if it holds a run already or can't be written."""
        self._directory = directory
        try:
            held = [name for name in (_CONFIG, _METRICS, _WEIGHTS) if (directory / name).exists()]
            if held == [_CONFIG, _METRICS] and not (directory / _METRICS).stat().st_size:
                held = []  # interrupted before its first epoch
            if held:
                raise UsageError(f"--out {directory} holds a run already ({', '.join(held)}): name another directory")
            directory.mkdir(parents=True, exist_ok=True)
            (directory / _METRICS).touch()
        except OSError as error:
            raise UsageError(f"--out {directory} can't be written: {error.strerror}") from None

    def start(self, config: Config, versions: Mapping[str, str], device: str) -> None:
        """Write the resolved configuration, with the versions and the device that it ran on."""
        resolved = asdict(config) | {"out": str(self._directory)}
        content = {"config": resolved, "versions": dict(versions), "device": device}
        partial = self._directory / f".{_CONFIG}.partial"
        partial.write_text(json.dumps(content, indent=2) + "\n")
        partial.replace(self._directory / _CONFIG)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Append an epoch's metrics."""
        with (self._directory / _METRICS).open("a") as file:
            file.write(json.dumps(metrics) + "\n")

    def weights(self, weight: np.ndarray[Any, Any], about: Mapping[str, str]) -> None:
        """Replace the weights, W [K, D]."""
        partial = self._directory / f".{_WEIGHTS}.partial"
        # All that is said of the weights under one key: the library writes several in an order drawn anew.
        partial.write_bytes(save({"weight": np.ascontiguousarray(weight)}, metadata={"run": json.dumps(dict(about))}))
        partial.replace(self._directory / _WEIGHTS)
