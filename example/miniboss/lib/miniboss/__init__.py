"""miniboss: a toy that stands in for BOSS, the offline software of BESIII, in the open example. It is not BOSS."""
