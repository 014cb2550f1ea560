"""An independent reference: what ``landcover.score`` promises, worked out by hand on whole scenes.

It knows of the package nothing but ``score`` and ``score_array`` (a test checks that), and follows
the words of docs/configuration.md, docs/run-directory.md and the decisions in docs/adr, not the
code: rasterio reads whole scenes, NumPy resamples, masks, cuts tiles and computes the networks, in
double precision. ``python -m oracle --help`` says how to draw more cases.
"""
