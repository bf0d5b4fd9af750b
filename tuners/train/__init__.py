"""Training a tuner by a recipe: data, losses, model, loop."""
