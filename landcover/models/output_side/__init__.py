"""What a network returns: which numbers, of what, and where in its window they lie."""
