"""What the scores are worth: accuracy against a reference."""
