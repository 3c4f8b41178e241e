"""Who owns a container: told apart from a later process with the same number, and from another boot."""

import os
import subprocess
import sys

from builder.engine.owner import is_gone, own_name


def test_a_living_process_is_there():
    assert not is_gone(own_name())


def test_an_ended_process_is_gone():
    done = subprocess.run(
        [sys.executable, "-c", "from builder.engine.owner import own_name; print(own_name())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert is_gone(done.stdout.strip())


def test_a_later_process_with_the_same_number_is_another():
    boot, pid, start = own_name().split(":")
    assert pid == str(os.getpid())
    assert is_gone(f"{boot}:{pid}:{int(start) + 1}")


def test_what_can_not_be_seen_from_here_is_left_alone():
    surroundings, pid, start = own_name().split(":")
    boot, namespace = surroundings.split(".")
    assert not is_gone(f"00000000-0000-0000-0000-000000000000.{namespace}:{pid}:{int(start) + 1}")
    assert not is_gone(f"{boot}.{int(namespace) + 1}:{pid}:{int(start) + 1}")
    assert not is_gone("")
    assert not is_gone("nonsense")
