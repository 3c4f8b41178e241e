"""What every room stands on: errors, digests, files, external programs, progress. Knows nothing of releases."""
