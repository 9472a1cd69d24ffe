"""Complex numbers: the boundary where they become pairs of real ones, both conventions, and rules right and wrong."""
