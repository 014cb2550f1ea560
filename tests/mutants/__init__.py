"""Small faults that are planted in the product one at a time, to see that the tests notice each.

A list of them lies in :mod:`mutants.planted`, a module a room of the package; ``make mutants`` plants
them in a copy of the tree. A fault that no test notices is a hole in the suite: write the test.
"""
