"""edgesim."""
