"""Tests of the command and of what it is made of."""
