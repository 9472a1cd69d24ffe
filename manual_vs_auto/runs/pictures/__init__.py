"""A run's pictures, by matplotlib: nothing here imports it before something is drawn."""
