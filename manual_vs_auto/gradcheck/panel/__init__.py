"""The judges, how each reads a slope, and who is believed."""
