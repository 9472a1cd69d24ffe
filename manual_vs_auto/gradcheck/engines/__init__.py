"""What runs a claim: NumPy, JAX or PyTorch behind one protocol."""
