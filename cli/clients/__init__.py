"""The settings files of MCP clients: where they are, what goes in them, how to edit them."""
