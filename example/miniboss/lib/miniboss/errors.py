"""The error that ends a job."""


class JobError(Exception):
    """A job cannot be done; says what is wrong. `boss.exe` shows it after `ERROR!` and exits with 1."""
