"""The notes, as far as they run."""
