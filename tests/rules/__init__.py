"""One file of tests a rule, and the tester that they share."""
