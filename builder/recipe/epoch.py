"""SOURCE_DATE_EPOCH: the one time that everything built from a recipe bears.

Source: https://reproducible-builds.org/specs/source-date-epoch/.
"""

from __future__ import annotations

import calendar
from datetime import date

from builder.recipe.model import Recipe


def seconds(day: date) -> int:
    """Midnight UTC of a day, in seconds since 1970."""
    return calendar.timegm(day.timetuple())


def shared_epoch(recipe: Recipe) -> int:
    """SOURCE_DATE_EPOCH of the stages that releases share: os, site and external libraries."""
    return seconds(recipe.os.date or recipe.release.date)


def release_epoch(recipe: Recipe) -> int:
    """SOURCE_DATE_EPOCH of what is built for one release alone."""
    return seconds(recipe.release.date)
