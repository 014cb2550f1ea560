"""What a model file is, told by its content; no library that runs networks is needed."""
