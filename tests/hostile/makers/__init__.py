"""One module makes the cases of one kind."""
