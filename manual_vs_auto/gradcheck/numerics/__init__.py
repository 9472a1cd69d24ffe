"""Numbers alone: precision, tolerances, differences, Taylor's remainder. Imports nothing of the checker."""
