"""Figures of a report: each shows a table of `analysis` as a plotly.js specification."""
