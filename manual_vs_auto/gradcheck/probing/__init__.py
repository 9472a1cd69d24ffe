"""Points, shapes and seeds beyond the author's sample, and what else a rule must be."""
