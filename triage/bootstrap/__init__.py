"""The only room that wires: settings in, a running service out. Nothing happens at import."""
