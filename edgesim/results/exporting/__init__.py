"""Kept samples that people take home from a run, as files of data for other tools."""
