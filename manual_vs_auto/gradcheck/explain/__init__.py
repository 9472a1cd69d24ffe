"""What is wrong with a derivative, and the smallest input that shows it."""
