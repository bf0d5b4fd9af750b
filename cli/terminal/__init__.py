"""What reaches the terminal: results, progress, the chat's screen."""
