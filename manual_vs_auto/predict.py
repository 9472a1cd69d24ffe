"""`python -m manual_vs_auto.predict`: see `--help`."""

from manual_vs_auto import command
from manual_vs_auto.runs.predict import main

if __name__ == "__main__":
    command.run(main)
