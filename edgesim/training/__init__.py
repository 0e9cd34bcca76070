"""The training loop, its stacked form for small networks, evaluation, and the warm-up whose observations give the scores."""
