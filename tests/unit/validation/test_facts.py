"""How the standard suite reads what a machine answers."""

from __future__ import annotations

import os
import subprocess

import pytest

from builder.validation import facts


def test_public_keys_are_no_packages() -> None:
    listing = "gpg-pubkey-0:df2637e7-6b031774.(none)\nbash-0:5.2.15-2.x86_64\n"
    assert facts.installed_packages(listing) == ["bash-0:5.2.15-2.x86_64"]


def test_a_package_more_less_or_twice_is_named() -> None:
    installed = ["a-0:1-1.noarch", "extra-0:1-1.noarch", "k-0:1-1.noarch", "k-0:1-1.noarch"]
    assert facts.package_differences(["a-0:1-1.noarch", "k-0:1-1.noarch", "gone-0:1-1.noarch"], installed) == (
        "missing: gone-0:1-1.noarch",
        "not in the lock: extra-0:1-1.noarch",
        "installed twice: k-0:1-1.noarch",
    )


@pytest.mark.parametrize("users", ["", "         0          0 4294967295\n"])
def test_owners_are_compared_where_they_are_to_be_seen(users: str) -> None:
    assert facts.verify_packages(users) == facts.VERIFY_PACKAGES


@pytest.mark.parametrize("users", ["0 0 1\n", "0 1000 1\n1 100000 65536\n"])
def test_owners_are_not_compared_in_a_user_namespace(users: str) -> None:
    assert facts.verify_packages(users)[-2:] == ("--nouser", "--nogroup")


@pytest.mark.parametrize(
    "line",
    [
        "S.5......  c /etc/group",
        "S.5....T  c /etc/group",
        "missing   c /var/lib/thing.conf",
        "missing     /etc/systemd/system/sysinit.target.wants",
        "missing   g /var/log/lastlog",
        ".M.......    /dev",
        ".....UG..    /proc",
    ],
)
def test_what_a_site_or_a_running_machine_changes_is_excused(line: str) -> None:
    assert facts.changed_files(line + "\n") == ()


@pytest.mark.parametrize(
    "line",
    [
        "S.5......    /usr/bin/boss.exe",
        "missing     /usr/lib64/libm.so.6",
        ".M.......  d /usr/share/doc/x/README",
        "S.5......    /usr/etc/group",
        "S.5......    /procurement",
        "..?......    /usr/bin/secret",
        "Unsatisfied dependencies for boss-0:1-1.x86_64:",
        "error: rpmdb open failed",
    ],
)
def test_everything_else_is_a_finding(line: str) -> None:
    assert facts.changed_files(f"\n{line}\n") == (line,)


LOADER_REPORT = """\
+ /usr/lib64/libfound.so.1
+ /usr/lib64/libc.so.6
= /usr/bin/good
\tlinux-vdso.so.1 (0x00007ffd2a5e6000)
\tlibfound.so.1 => /usr/lib64/libfound.so.1 (0x00007f6d6b000000)
= /usr/bin/broken
\tlibfound.so.1 => not found
= /usr/bin/older
/usr/bin/older: /lib64/libc.so.6: version `GLIBC_2.38' not found (required by /usr/bin/older)
= /usr/lib64/libprivate.so.2
libprivate: error while loading shared libraries: libfound.so.1: cannot open shared object file: No such file
= /usr/lib64/libbad.so
libbad: error while loading shared libraries: libnowhere.so.9: cannot open shared object file: No such file
= /usr/lib64/tc/q_atm.so
q_atm: error while loading shared libraries: libatm.so.1: cannot open shared object file: No such file
= /opt/boss/lib/plugins/alg.so
\tlibnowhere.so.9 => not found
done
"""


def test_each_file_that_misses_a_library_is_named_by_the_rule() -> None:
    assert facts.is_complete(LOADER_REPORT)
    assert facts.resolved_count(LOADER_REPORT) == 7
    assert facts.unresolved(LOADER_REPORT) == (
        "/opt/boss/lib/plugins/alg.so: misses libnowhere.so.9",
        "/usr/bin/broken: misses libfound.so.1",
        "/usr/bin/older: /usr/bin/older: /lib64/libc.so.6: version `GLIBC_2.38' not found (required by /usr/bin/older)",
        "/usr/lib64/libbad.so: misses libnowhere.so.9",
    )


def test_a_report_that_was_cut_is_not_complete() -> None:
    assert not facts.is_complete(LOADER_REPORT.removesuffix("done\n"))


def printed(shell: str, variables: dict[str, str], names: list[str]) -> str:
    done = subprocess.run(
        [shell, "-c", facts.PRINT_VARIABLES, "sh", *names], env=variables, capture_output=True, check=True
    )
    assert done.stderr == b""
    return done.stdout.decode()


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_a_shell_prints_values_of_any_kind(shell: str) -> None:
    values = {"A": "x'\" $y `z`\n\\", "EMPTY": "", "SOME_PATH": "/a:/b"}
    assert facts.broken_promises(values, printed(shell, values, [*values, "UNSET"])) == ()


def test_a_broken_promise_is_named() -> None:
    promised = {"A": "1", "B": "2", "PATH": f"/opt/boss/bin:{os.defpath}"}
    output = printed("/bin/sh", {"A": "other", "PATH": os.defpath}, list(promised))
    assert facts.broken_promises(promised, output) == (
        "A is 'other', promised: '1'",
        "B is not set, promised: 2",
        f"PATH lacks /opt/boss/bin: {os.defpath}",
    )


def test_only_interfaces_that_are_up_count_and_not_lo() -> None:
    assert facts.live_interfaces("lo 0x9\ntunl0 0x80\neth0 0x1003\nlost0 unknown\n") == ("eth0", "lost0")
