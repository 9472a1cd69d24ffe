"""The answer: its words, its picture, what the rule costs."""
