"""What changed between runs of different dates: decided by probability, mapped, and listed."""
