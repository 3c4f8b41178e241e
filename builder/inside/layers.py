"""Bring the layers of built stages into canonical form, one layer a stage.

Request: {"archive": file that `docker save` wrote, "skip": number of layers below the first stage,
"stages": [{"layers": number, "epoch": seconds since 1970}], "scratch": path that brought inputs and is left out}.
Answer: [{"diff_id"}], one a stage; the layers lie in `layer-<number>.tar.gz` of the current folder.
"""

from __future__ import annotations

import json
import os
import tarfile
from contextlib import ExitStack
from typing import IO, Any

from builder.inside.berkeley import with_canonical_databases
from builder.inside.canonical import Times, merge
from builder.inside.compress import write_layer
from builder.inside.program import serve


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = archive.extractfile(name)
    if stream is None:
        raise ValueError(f"the saved image has no {name}")
    return stream


def canonicalise(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer a request as the module says."""
    answers = []
    times: Times = {}
    with tarfile.open(request["archive"]) as archive:
        with _member(archive, "manifest.json") as stream:
            names = json.load(stream)[0]["Layers"]
        position = request["skip"]
        if position + sum(stage["layers"] for stage in request["stages"]) != len(names):
            raise ValueError(f"the saved image has {len(names)} layers, not those that its stages made")
        for number, stage in enumerate(request["stages"]):
            own = names[position : position + stage["layers"]]
            position += stage["layers"]
            with ExitStack() as stack:
                tars = [
                    stack.enter_context(tarfile.open(fileobj=stack.enter_context(_member(archive, name))))
                    for name in own
                ]
                contents = merge(tars, stage["epoch"], os.fsencode(request["scratch"]), times)
                answers.append(write_layer(with_canonical_databases(contents), f"layer-{number}.tar.gz"))
    return answers


if __name__ == "__main__":
    serve(canonicalise)
