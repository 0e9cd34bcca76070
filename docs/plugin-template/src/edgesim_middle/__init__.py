"""A method and a partition for edgesim."""
