"""The lock: every input of a recipe by name, version, source and sha256."""
