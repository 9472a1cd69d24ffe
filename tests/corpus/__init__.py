"""Hand-written gradients, right and wrong: what the tests judge and the benchmark compares checkers on."""
