"""What all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

CI = bool(os.environ.get("BOSS_BUILDER_NO_SKIPS"))
settings.register_profile("ours", deadline=None)  # how fast the host is, is no property of what is tested
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if CI else "ours")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):  # noqa: ARG001 - pytest's signature
    """In CI a skip is a failure: a missing tool must not hide behind one."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"a skip where none is expected: {report.longrepr}"
    return report
