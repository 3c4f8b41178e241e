"""Copies: bring what a store holds elsewhere, mend a store from a copy, take a copy in."""
