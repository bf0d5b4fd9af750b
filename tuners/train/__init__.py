"""Train a tuner from a recipe: data, losses, model, loop."""
