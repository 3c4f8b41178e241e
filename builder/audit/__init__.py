"""Evidence: whether this is what was frozen, who says so, when it was checked, and how it is restored."""
