"""Sessions of a run: it begins, goes on, ends with a report, and some of its trials are trained again to verify it."""
