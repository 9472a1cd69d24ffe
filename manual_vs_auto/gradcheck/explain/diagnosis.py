"""What the cause is, in one word and in a sentence."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """kind: one word, "unknown" if nothing explains it. text: a sentence, with the inputs on which it holds."""

    kind: str
    text: str


UNKNOWN = Diagnosis("unknown", "cause unknown")
