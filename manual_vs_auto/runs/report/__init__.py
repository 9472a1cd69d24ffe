"""The page that compares runs: one HTML file that needs nothing else, neither a network nor a script."""
