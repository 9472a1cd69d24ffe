"""What is claimed: a function and its derivative on flat arrays, and where its inputs may lie."""
