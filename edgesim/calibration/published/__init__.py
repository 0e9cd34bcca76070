"""One-time fit of the shipped device profiles to published measurements, which come with edgesim."""
