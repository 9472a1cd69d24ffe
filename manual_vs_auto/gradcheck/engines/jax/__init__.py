"""JAX behind the protocol: programs that are traced, stripped of custom rules and compiled."""
