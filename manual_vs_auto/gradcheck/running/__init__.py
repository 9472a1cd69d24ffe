"""Running a claim: by JAX or by NumPy, in float64 and in the author's precision."""
