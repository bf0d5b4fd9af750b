"""The settings files of MCP clients: where they are, what belongs in them, how they are edited."""
