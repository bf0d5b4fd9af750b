"""A conversation with a person or a program, line by line.

Conversation (conversation.py)   the loop: each line is said to the model, or is a command
├── lines.py      what a line is
├── commands.py   what a command does
└── current.py    the chat that is open, which commands exchange for another
"""
