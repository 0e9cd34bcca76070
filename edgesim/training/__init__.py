"""The training loop, its stacked form for small networks, evaluation, and the warm-up that gives the scores."""
