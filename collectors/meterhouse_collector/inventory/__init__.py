"""What is installed and set on this machine: agents, MCP servers, switches, credentials in plain text. Kinds and counts, never values."""
