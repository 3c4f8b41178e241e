"""Is it rotting, where, and why: build again from the lock, ask upstream, compare, classify, remember."""
