"""`make bench`: figures, not tests, each beside its goal; a ratio is taken against a reference in the same run."""
