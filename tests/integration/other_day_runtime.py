#!/usr/bin/env python3
"""An OCI runtime in whose containers it is another day, and there is one processor: runc, with libfaketime.

An engine calls it as it calls runc (opencontainers/runtime-spec, config.md); it adds to a container's configuration and
hands everything on. libfaketime is mounted over /mnt, which every root has, so that no folder appears in a layer. What
boss-builder asks to have in memory is put on the disk instead: into folders beside this file, of which a copy is used.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime")
OFFSET = "+400d"
OURS = "/boss-builder/"


def on_disk(mount: dict) -> dict:
    """Give a mount with a new folder in the place of memory, where it is one of ours."""
    if mount["type"] != "tmpfs" or not mount["destination"].startswith(OURS):
        return mount
    name = mount["destination"].rpartition("/")[2]
    folder = tempfile.mkdtemp(prefix=f"not-in-memory-{name}-", dir=Path(__file__).parent)
    Path(folder).chmod(0o1777)  # as that of a file system in memory is
    return {**mount, "type": "bind", "source": folder, "options": ["rbind", "rw"]}


def main() -> None:
    words = sys.argv[1:]
    if "create" in words:
        path = Path(words[words.index("--bundle") + 1]) / "config.json"
        config = json.loads(path.read_text())
        config["process"]["env"] += ["LD_PRELOAD=/mnt/libfaketime.so.1", f"FAKETIME={OFFSET}"]
        config["mounts"].append(
            {"destination": "/mnt", "type": "bind", "source": str(LIBRARY), "options": ["rbind", "ro"]}
        )
        config["mounts"] = [on_disk(mount) for mount in config["mounts"]]
        config["linux"].setdefault("resources", {}).setdefault("cpu", {})["cpus"] = "0"
        config["hostname"] = "elsewhere"
        path.write_text(json.dumps(config))
    os.execvp("runc", ["runc", *words])  # noqa: S606 - nothing is left to do here


main()
