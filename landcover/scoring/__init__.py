"""Scoring: from a source and a model to a run."""
