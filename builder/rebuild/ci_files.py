"""Ready-made jobs for CI: rebuild every release night by night, and keep the store, the history and the report."""

from __future__ import annotations

from typing import Literal, get_args

from builder import __version__
from builder.render.templates import render

Service = Literal["gitlab", "github"]
SERVICES: tuple[Service, ...] = get_args(Service)
PLACES: dict[Service, str] = {"gitlab": ".gitlab-ci.yml", "github": ".github/workflows/rebuild.yml"}
"""Where a service looks for its file."""
TEMPLATES: dict[Service, str] = {"gitlab": "ci/gitlab-ci.yml.j2", "github": "ci/github-actions.yml.j2"}


def ci_file(service: Service) -> str:
    """Give the file for a service, as YAML that can be used as it is."""
    return render(TEMPLATES[service], version=__version__)
