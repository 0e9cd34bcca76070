"""A scenario: its YAML document, keep ratios, JSON Schema, and the experiment that it describes."""
