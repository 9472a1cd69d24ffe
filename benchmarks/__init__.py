"""Benchmarks: `python -m benchmarks.NAME`, each with --smoke. What they share is in `_measure`."""
