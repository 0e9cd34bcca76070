"""A seeded fuzzer: documents, command lines and data files that are wrong in one or two places.

Every case is an integer: kind and content follow from it alone. `python -m fuzz --cases 10000` (from tests/, or
`make fuzz`) runs many in worker processes; `tests/test_fuzz.py` runs some of every kind in the suite.
A case passes where it ends in under 5 s and under 1 GiB beyond the worker's own memory, without a traceback: accepted,
or refused by an `EdgesimError` (on the command line: exit code 2, or 1 for a run folder) that names the place.
"""
