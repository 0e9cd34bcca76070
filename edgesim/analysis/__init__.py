"""A run's tables -> what they say: means and intervals, claims, prices, what was kept. Pure functions on DataFrames.

Each module is one question. Functions with something that may be missing return an `Answer`: a table, and sentences on
what cannot be said because of what.
"""
