"""Compare histograms of two runs: read them, test them, judge them, show them. It knows no recipe, store or machine."""
