"""Make the metadata of a frozen repository with createrepo_c.

Request: {"packages": folder, "epoch": seconds since 1970}; the folder is read-only. Answer: {"files": [name]}, files
that now lie in `repodata/` of the current folder. The same packages give the same bytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from builder.inside.program import call, serve


def make(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request as the module says."""
    epoch = int(request["epoch"])
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(Path(request["packages"]).iterdir()):
            copy = Path(scratch) / path.name
            shutil.copyfile(path, copy)
            os.utime(copy, (epoch, epoch))  # primary.xml holds the time of each file
        call(
            "createrepo_c", "--quiet", "--revision", str(epoch), "--set-timestamp-to-revision",
            "--general-compress-type=gz", "--no-database", scratch,
            environment={"SOURCE_DATE_EPOCH": str(epoch)},
        )  # fmt: skip
        shutil.copytree(Path(scratch) / "repodata", "repodata")
    return {"files": sorted(path.name for path in Path("repodata").iterdir())}


if __name__ == "__main__":
    serve(make)
