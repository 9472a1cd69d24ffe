"""The readers: what they load, and what they refuse."""
