"""Tests of what a run keeps, and of how it ends."""
