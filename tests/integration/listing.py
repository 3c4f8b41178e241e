"""Run in the builder image: list the files of one release in its three shapes, from the images as they lie there.

Arguments: a folder with `oci` (a layout), `image.sif`, `disk.qcow2`, and the bytes at which the disk's root begins.
Prints a JSON object: shape to path to [type, mode, owner, group, size, sha256 or target, extended attributes].
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from builder.inside.canonical import HARD_LINK, REGULAR, Content, walk
from builder.inside.flatten import flatten, open_layers

EPOCH = 2**33
Listing = dict[str, list]


def listed(contents: Iterable[Content]) -> Listing:
    found: Listing = {}
    for entry, opener in contents:
        link = os.fsdecode(entry.link)
        if entry.kind == HARD_LINK:  # the same file by another name
            found[os.fsdecode(entry.path)] = found[link]
            continue
        what = link
        if entry.kind == REGULAR and opener is not None:
            with opener() as stream:
                what = hashlib.file_digest(stream, "sha256").hexdigest()
        attributes = [[os.fsdecode(k), v.hex()] for k, v in entry.attributes]
        found[os.fsdecode(entry.path)] = [
            entry.kind.decode(), oct(entry.mode), entry.uid, entry.gid, entry.size, what, attributes,
        ]  # fmt: skip
    return found


def of_oci(layout: Path, scratch: Path) -> Listing:
    def blob(digest: str) -> Path:
        return layout / "blobs" / "sha256" / digest.partition(":")[2]

    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_bytes())
    with open_layers([blob(layer["digest"]) for layer in manifest["layers"]], scratch) as layers:
        return listed(flatten(layers, EPOCH))


def of_sif(image: Path, scratch: Path) -> Listing:
    text = subprocess.run(["apptainer", "sif", "list", image], stdout=subprocess.PIPE, text=True, check=True).stdout
    (start,) = re.findall(r"\|(\d+)-\d+\s*\|FS \(Squashfs/\*System", text)
    root = scratch / "sif"
    subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-offset", start, "-dest", root, image], check=True)
    return listed(walk(root, EPOCH))


def of_vm(disk: Path, start: str, scratch: Path) -> Listing:
    raw = scratch / "raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    subprocess.run(["sfdisk", "--verify", raw], stdout=sys.stderr, check=True)
    file_system, root = f"{raw}?offset={start}", scratch / "vm"
    root.mkdir()
    subprocess.run(["e2fsck", "-fn", file_system], stdout=sys.stderr, check=True)
    subprocess.run(["debugfs", "-R", f"rdump / {root}", file_system], stderr=subprocess.DEVNULL, check=True)
    found = listed(walk(root, EPOCH))
    asked = scratch / "asked"
    asked.write_text("".join(f'stat "/{path}"\n' for path in found), "utf-8")
    said = subprocess.run(
        ["debugfs", "-f", asked, file_system], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    ).stdout
    # what debugfs copies out has no set-user-id bits and no extended attributes; what it says of a file does
    for path, text in re.findall(r'^debugfs: stat "/(.*)"\n((?:(?!debugfs: ).*\n)*)', said, re.MULTILINE):
        mode = re.search(r"Mode:  (\d+)", text)
        attributes = re.findall(r"^  (\S+\.\S+) \(\d+\) = (.*)$", text, re.MULTILINE)
        found[path] = [*found[path][:6], sorted([name, octets(value)] for name, value in attributes)]
        if mode and found[path][0] != "2":
            found[path][1] = oct(int(mode[1], 8))
    return found


def octets(value: str) -> str:
    """What debugfs prints of an attribute's value: text in quotes, with octal escapes, or hexadecimal numbers."""
    text = value.strip()
    if not text.startswith('"'):
        return text.replace(" ", "")
    return text[1:-1].encode().decode("unicode_escape").encode("latin-1").hex()


def main() -> None:
    folder, start = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        found = {
            "oci": of_oci(folder / "oci", scratch),
            "sif": of_sif(folder / "image.sif", scratch),
            "vm": of_vm(folder / "disk.qcow2", start, scratch),
        }
    json.dump(found, sys.stdout)


main()
