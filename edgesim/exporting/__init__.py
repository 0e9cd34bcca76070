"""What people take home from a run: kept subsets as files of data, and trained networks."""
