"""Who says so: keys, the list of those who may sign, signatures over all that a release is, and their check."""
