"""The training command, `python -m manual_vs_auto.train`, and what it is made of."""

from manual_vs_auto.train.config import Config

__all__ = ["Config"]
