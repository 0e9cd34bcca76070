"""The one-time fit of the shipped device profiles to published measurements."""
