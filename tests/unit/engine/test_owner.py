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


def test_a_process_of_another_boot_and_a_name_of_another_form_are_gone():
    _, pid, start = own_name().split(":")
    assert is_gone(f"00000000-0000-0000-0000-000000000000:{pid}:{start}")
    assert is_gone("")
    assert is_gone("nonsense")
