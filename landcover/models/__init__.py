"""Models: recipes, sidecars, formats, and the runtimes that execute networks."""
