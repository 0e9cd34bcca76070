"""The run folder: tables and journal on disk, runs that refer to each other, and re-pricing of finished runs."""
