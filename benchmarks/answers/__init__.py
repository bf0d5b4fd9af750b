"""What memory is worth in answers: questions, ways to help a model, replies and their marks."""
