"""Who says what the derivative is, how far off each may be, and who is believed."""
