"""What is in a model file, for people who want to know."""
