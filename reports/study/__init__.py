"""Shared parts of the studies in reports/: running their points, pairing their trials, writing their numbers."""
