"""Results computed from a run's tables: means, intervals, claims, costs, kept samples. Pure functions on DataFrames.

Each module answers one question. Functions whose data may be incomplete return an `AnalysisResult`: a table, and
sentences on what is missing and why.
"""
