"""The tree of a release of BOSS as it stands at its place: tiny files with the names that the real ones have.

What differs from release to release is read from the recipe: where things stand, and their versions.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from builder.recipe.model import Recipe

GUEST = Path(__file__).parent / "guest"
PACKAGES = {
    "OfflineEventLoopMgr": "OfflineEventLoopMgr_Option.txt",
    "KKMC": "jobOptions_KKMC.txt",
    "BesEvtGen": "BesEvtGen.txt",
    "BesSim": "G4Svc_BesSim.txt",
    "CalibSvc": "calibConfig_sim.txt",
    "RootIO": "jobOptions_Digi2Root.txt jobOptions_ReadRec.txt",
    "VertexFit": "jobOptions_VertexDbSvc.txt",
    "MagneticField": "MagneticField.txt",
    "AbsCor": "jobOptions_AbsCor.txt",
}
"""Packages whose job options are included, each with the files below its share/."""
DECAY_CARD = "Decay J/psi\n1.0 rho0 pi0 VVP_POLAR;\nEnddecay\n\nEnd\n\n"


class Tree:
    """Writes files below a folder by the absolute paths that they have in an image."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        place = self.top / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)


def lay_out(recipe: Recipe, top: Path, interpreter: bytes, library: bytes) -> None:
    """Write what the recipe's release has at its own paths below `top`.

    `interpreter` becomes boss.exe and `library` the release's shared libraries: real programs of the small system.
    """
    environment = recipe.package.environment
    versions = {component.name: component.version for component in recipe.component}
    tree = Tree(top)
    _write_cmt(tree, environment)
    _write_externals(tree, environment, versions)
    _write_release(tree, recipe, interpreter, library)


def _write_cmt(tree: Tree, environment: dict[str, str]) -> None:
    cmt, home = environment["CMTROOT"], environment["BOSS_CMTHOME"]
    tree.write(f"{cmt}/mgr/setup.sh", f'export CMTROOT="{cmt}" PATH="{cmt}/Linux-x86_64:$PATH"\n')
    tree.write(f"{cmt}/Linux-x86_64/cmt", (GUEST / "cmt").read_text(), 0o755)
    tree.write(f"{home}/setupCMT.sh", f'. "{cmt}/mgr/setup.sh"\n')
    paths = environment["CMTPATH"].split(":")
    requirements = ['macro WorkArea "/home/user/workarea"', f'set BES_RELEASE "{environment["BES_RELEASE"]}"']
    requirements += [f'set BesArea "{environment["BesArea"]}"', f'set CMTCONFIG "{environment["CMTCONFIG"]}"']
    requirements += ['#path_append CMTPATH "${WorkArea}"', *(f'path_append CMTPATH "{path}"' for path in paths[1:])]
    requirements += ['set MALLOC_CHECK_ "0"']
    tree.write(f"{home}/requirements", "\n".join(requirements) + "\n")


def _write_externals(tree: Tree, environment: dict[str, str], versions: dict[str, str]) -> None:
    contrib = str(Path(environment["CMTROOT"]).parents[1])
    tree.write(f"{contrib}/gcc/{versions['gcc']}/bin/gcc", f"#!/bin/sh\necho {versions['gcc']}\n", 0o755)
    tree.write(f"{contrib}/python/bin/python", '#!/bin/sh\nexec /usr/bin/python3 "$@"\n', 0o755)
    for name in ("ROOT.py", "sitecustomize.py"):
        tree.write(f"{contrib}/python/lib/{name}", (GUEST / name).read_text())


def _write_release(tree: Tree, recipe: Recipe, interpreter: bytes, library: bytes) -> None:
    environment = recipe.package.environment
    contrib = str(Path(environment["CMTROOT"]).parents[1])
    area, test_release = environment["BesArea"], environment["BOSS_TEST_RELEASE"]
    installed = f"{area}/InstallArea/{environment['CMTCONFIG']}"
    tree.write(f"{installed}/bin/boss.exe", interpreter, 0o755)
    for sample in recipe.validation.sample if recipe.validation else ():
        tree.write(f"{installed}/lib/lib{sample.command[2]}.so", library, 0o755)
    gcc = next(component.version for component in recipe.component if component.name == "gcc")
    setup = [f'export PATH="{installed}/bin:{contrib}/gcc/{gcc}/bin:{contrib}/python/bin:$PATH"']
    setup += [f'export PYTHONPATH="{contrib}/python/lib" PYTHONDONTWRITEBYTECODE=1']
    for package, names in PACKAGES.items():
        folder = f"{area}/{package}/{package}-00-00-01"
        setup.append(f'export {package.upper()}ROOT="{folder}"')
        for name in names.split():
            tree.write(f"{folder}/share/{name}", f"// {name} of the stand-in\n")
    tree.write(f"{test_release}/cmt/setup.sh", "\n".join(setup) + "\n")
    tree.write(f"{test_release}/run/jobOptions_sim.txt", "// simulation\n")
    reconstruction = '// reconstruction\n#include "$ROOTIOROOT/share/jobOptions_ReadRec.txt"\n'
    mixer = '#include "$BESEVENTMIXERROOT/share/jobOptions_EventMixer_rec.txt"\n'
    tree.write(f"{test_release}/run/jobOptions_rec.txt", reconstruction + mixer)
    tree.write(f"{test_release}/run/rhopi.dec", DECAY_CARD)


def from_package(archives: Path, pattern: str, path: str) -> bytes:
    """Take a file out of one of Debian's packages that the small system is made of."""
    package = min(archives.glob(pattern))
    listed = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True, timeout=120)
    done = subprocess.run(["tar", "-xO", f".{path}"], check=True, input=listed.stdout, capture_output=True, timeout=120)
    return done.stdout


def pack(top: Path, folder: str, archive: Path) -> None:
    """Write a folder of a tree as a tar whose only top is that folder's own name."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    place = top / folder.lstrip("/")
    words = ["tar", "-c", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-f", archive]
    subprocess.run([*words, "-C", place.parent, place.name], check=True, timeout=120)
