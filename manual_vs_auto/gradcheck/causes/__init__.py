"""What is wrong with a derivative: edits of the right one that explain all of its residual."""
