"""A run's directory: what a command keeps, resumes and shows, whoever trained it."""
