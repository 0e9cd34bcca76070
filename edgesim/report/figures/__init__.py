"""The figures of a report: each a table of `analysis` and a thin renderer to plotly.js."""
