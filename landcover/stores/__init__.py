"""Stores of files behind paths and URLs: reached, asked again, and failing in one way."""
