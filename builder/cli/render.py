"""`boss-builder render`."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.common import load_lock, on_release, progress_for, show_json, store_path, toolbox_opener

EPILOG = """\b
Examples:
  boss-builder render miniboss-1.0.0 context
  cd context && docker build --network none --tag miniboss:1.0.0 .
  boss-builder render el7-1.0 --format kickstart --url http://repository.example/inputs ks.cfg"""
DOCKER, KICKSTART = "docker", "kickstart"
URL = "http://repository.example/{}/inputs"


@click.command(epilog=EPILOG)
@on_release
@click.argument("path", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--format",
    "kind",
    type=click.Choice([DOCKER, KICKSTART]),
    default=DOCKER,
    show_default=True,
    help="What to write: a context for docker build, or a file for the installer of an Enterprise Linux.",
)
@click.option("--url", help="With kickstart: where the folder `inputs` of an export is served.")
def command(
    release: str,
    path: Path,
    kind: str,
    url: str | None,
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the Dockerfile of RELEASE and all that it needs into the folder PATH, without building.

    In that folder, a plain `docker build --network none .` makes the same root as `boss-builder build`. With --format
    kickstart, write a kickstart file to PATH (- for stdout): it makes of a machine of iron what the virtual machine is.
    """
    if kind == KICKSTART:
        _kickstart(release, path, url, recipes, store, variables, as_json=as_json)
        return
    if url is not None:
        raise click.UsageError("--url goes with --format kickstart")
    from builder.build.context import write_context
    from builder.store.store import Store

    progress = progress_for()
    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)

    write_context(lock, opened, path, toolbox_opener(opened, progress), progress)
    files = sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())
    if as_json:
        show_json({"release": lock.recipe.full_name, "folder": str(path), "files": files})
    else:
        click.echo(f"{lock.recipe.full_name}: {len(files)} files in {path}")
        click.echo(f"next: cd {path} && docker build --network none .", err=True)


def _kickstart(
    release: str,
    path: Path,
    url: str | None,
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    from builder.build.build import build_plan
    from builder.core.digest import Digest
    from builder.lock import file as lock_file
    from builder.render.kickstart import kickstart, site_files
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)
    name = lock.recipe.full_name
    address = url or URL.format(name)
    text = kickstart(lock, site_files(build_plan(lock), opened), address, Digest.of(lock_file.encode(lock)))
    to_stdout = str(path) == "-"
    if not to_stdout:
        path.write_text(text, "utf-8")
    if as_json:
        show_json({"release": name, "file": str(path), "url": address, "text": text})
    elif to_stdout:
        click.echo(text, nl=False)
    else:
        click.echo(f"{name}: {path}")
        click.echo(f"next: boss-builder export {name} FOLDER --inputs, and serve its inputs/ at {address}", err=True)
