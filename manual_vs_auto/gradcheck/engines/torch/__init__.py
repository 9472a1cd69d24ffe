"""PyTorch: imported when an argument is a tensor, and by nobody else."""
