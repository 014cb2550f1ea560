"""Imagery and a reference become labelled tiles: found, split, drawn and written."""
