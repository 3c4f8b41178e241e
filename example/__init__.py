"""The open example: a small operating system, a toy release, and the vault that serves both."""
