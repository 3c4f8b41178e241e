"""What stands in a recipe's blocks: names, paths, addresses, sizes, with their patterns; and the base of each block."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from builder.recipe.sizes import SIZE, UNITS

NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
PACKAGE = r"^@?[A-Za-z0-9][A-Za-z0-9._+:~^-]*$"
USER_PATH = r"^(?!.*/\.\.(/|$))/[A-Za-z0-9._+/-]*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
SHA256 = r"^[0-9a-f]{64}$"
COMMIT = r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$"
TREE_PATH = r"^(?!.*(^|/)\.\.?(/|$))[A-Za-z0-9._+@-][A-Za-z0-9._+@/-]*$"
MODULE = r"^[A-Za-z0-9][A-Za-z0-9._+-]*:[A-Za-z0-9][A-Za-z0-9._+-]*$"
CVMFS_NAME = r"^[A-Za-z0-9][A-Za-z0-9.-]*$"
CVMFS_PATH = r"^(?!.*/\.\.?(/|$))/cvmfs/[A-Za-z0-9._+@/-]+$"
CVMFS_HASH = r"^[0-9a-f]{40}(-[a-z0-9]+)?$"
URL = r"^https?://[A-Za-z0-9._~:/?#@+,=%&\[\]-]+$"
FILE_PATH = r"^[A-Za-z0-9._+,:=@~/-]+$"
KERNEL_ARGUMENT = r"^[A-Za-z0-9_][A-Za-z0-9_.,:=/@%+-]*$"

Name = Annotated[str, Meta(pattern=NAME, description="letters, digits and . _ + -, the first a letter or digit")]
PackageSpec = Annotated[
    str, Meta(pattern=PACKAGE, description="a package name, name-version-release, or @group, as dnf takes it")
]
GuestPath = Annotated[str, Meta(pattern=USER_PATH, description="an absolute path inside the image, without ..")]
Url = Annotated[str, Meta(description="an http or https address", pattern=URL, extra_json_schema={"format": "uri"})]
Sha256 = Annotated[str, Meta(pattern=SHA256, description="64 hexadecimal digits, lower case")]
Commit = Annotated[
    str, Meta(pattern=COMMIT, description="the commit's whole name: 40 hexadecimal digits, or 64, lower case")
]
TreePath = Annotated[str, Meta(pattern=TREE_PATH, description="a folder of the repository; default: all of it")]
ModuleStream = Annotated[str, Meta(pattern=MODULE, description="NAME:STREAM, as perl:5.26: letters, digits, . _ + -")]
CvmfsName = Annotated[
    str, Meta(pattern=CVMFS_NAME, description="the repository's whole name, as bes3.ihep.ac.cn: letters, digits, . -")
]
CvmfsPath = Annotated[
    str, Meta(pattern=CVMFS_PATH, description="/cvmfs/REPOSITORY, or a folder below it; it stands there in the image")
]
CvmfsHash = Annotated[
    str, Meta(pattern=CVMFS_HASH, description="of the root catalogue: 40 hexadecimal digits, and -rmd160 or the like")
]
Text = Annotated[str, Meta(min_length=1)]
DiskSize = Annotated[
    str,
    Meta(
        description="what the guest sees of its disk: a whole number and MiB, GiB or TiB; what is free takes no space",
        pattern=SIZE,
        extra={"minimum": 64 * UNITS["MiB"], "maximum": 16 * UNITS["TiB"]},
    ),
]
MemorySize = Annotated[
    str,
    Meta(
        description="a whole number and MiB, GiB or TiB",
        pattern=SIZE,
        extra={"minimum": 64 * UNITS["MiB"], "maximum": UNITS["TiB"]},
    ),
]
KernelArgument = Annotated[
    str, Meta(pattern=KERNEL_ARGUMENT, description="letters, digits and _ . , : = / @ % + -, the first not a sign")
]


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every block; `labels` are the fields that stand as labels before the brace."""

    labels: ClassVar[tuple[str, ...]] = ()


class FileRef(msgspec.Struct, frozen=True, order=True):
    """A file or folder that a recipe names: the recipe's own folder name under recipes/, and the path inside it.

    With `extends`, a path is relative to the recipe that says it, so the folder travels with the path.
    """

    recipe: str
    path: str

    def __str__(self) -> str:
        """Give `folder/path`, relative to recipes/."""
        return str(PurePosixPath(self.recipe) / self.path)


FilePath = Annotated[FileRef, Meta(description="a file beside the recipe", extra={"shape": "file"})]
FolderPath = Annotated[FileRef, Meta(description="a folder beside the recipe", extra={"shape": "folder"})]
Environment = dict[
    Annotated[str, Meta(pattern=VARIABLE, description="letters, digits and _, the first not a digit")], str
]
