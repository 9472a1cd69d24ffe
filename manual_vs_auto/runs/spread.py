"""The flags that spread a run over devices, for the commands that have it: no JAX here, so that --help is quick."""

import argparse

from manual_vs_auto.runs.processes import flags
from manual_vs_auto.runs.values import mesh


def spread_flags(parser: argparse.ArgumentParser, what: str) -> None:
    """Add them. Args: what: is cut over devices, for a person."""
    parser.add_argument(
        "--mesh",
        type=mesh,
        default="",
        metavar="data=N",
        help=f"cut {what} over N devices; a CPU is made into as many (default: one device, of several processes all)",
    )
    flags(parser)
