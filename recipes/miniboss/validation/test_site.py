"""What puppet promised: account, limits, shared directory, time zone, services, message of the day."""

from __future__ import annotations

import pytest
from testinfra.host import Host


def test_the_account_of_jobs_has_its_numbers_home_and_shell(host: Host) -> None:
    user = host.user("bes3")
    assert (user.uid, user.gid, user.group) == (4100, 4100, "bes3")
    assert (user.home, user.shell) == ("/home/bes3", "/bin/bash")
    home = host.file("/home/bes3")
    assert home.is_directory
    assert (home.user, home.group) == ("bes3", "bes3")


def test_nobody_logs_in_as_that_account_with_a_password(host: Host) -> None:
    assert host.user("bes3").password.startswith("!")


def test_the_shared_directory_hands_its_group_down(host: Host) -> None:
    area = host.file("/srv/bes3")
    assert area.is_directory
    assert (area.user, area.group, area.mode) == ("bes3", "bes3", 0o2775)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/etc/security/limits.d/60-worker_node.conf", "bes3 - nofile 16384"),
        ("/etc/sysctl.d/60-worker_node.conf", "vm.swappiness = 1"),
        ("/etc/profile.d/worker_node.sh", "export SITE_NAME=EXAMPLE"),
        ("/etc/timezone", "Asia/Shanghai"),
        ("/etc/motd", "Tiny Enterprise Linux is made of Debian binaries"),
    ],
)
def test_a_file_of_the_site_says_what_it_should_and_belongs_to_root(host: Host, path: str, line: str) -> None:
    file = host.file(path)
    assert line in file.content_string
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)


def test_the_clock_shows_beijing_time(host: Host) -> None:
    assert host.check_output("date -d @0 +%H:%M%z") == "08:00+0800"


@pytest.mark.parametrize(("unit", "state"), [("ssh.service", "enabled"), ("systemd-timesyncd.service", "disabled")])
def test_a_service_starts_with_the_machine_only_if_it_should(host: Host, unit: str, state: str) -> None:
    assert host.run(f"systemctl is-enabled {unit}").stdout.strip() == state


def test_the_system_says_that_it_only_stands_in_for_an_enterprise_linux(host: Host) -> None:
    assert "standing in for an Enterprise Linux" in host.file("/etc/os-release").content_string
    assert host.file("/etc/redhat-release").content_string.startswith("Tiny Enterprise Linux release 1")
