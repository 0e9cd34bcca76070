"""The one training loop, its evaluation, and the warm-up whose observations give the scores."""
