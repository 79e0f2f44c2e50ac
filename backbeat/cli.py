"""The `backbeat` command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import queue
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from backbeat import models_command
from libs.common.settings import SettingsProblem

console = Console()
errors = Console(stderr=True)

app = typer.Typer(
    help="Backbeat: from a drum video to a score you can play.\n\n"
    "Try [bold]backbeat demo[/bold] first: it renders a short clip, transcribes it and leaves a "
    "score in ./out. [bold]backbeat transcribe VIDEO -o DIR[/bold] does the same with yours, and "
    "[bold]backbeat serve[/bold] runs the whole system with its API at http://localhost:8000/docs.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
admin = typer.Typer(help="For operators: dead letters, keys, roles.", no_args_is_help=True)
dead_letters = typer.Typer(
    help="Events that could not be handled. Look, mend the cause, replay.", no_args_is_help=True
)
app.add_typer(admin, name="admin")
app.add_typer(models_command.app, name="models")
admin.add_typer(dead_letters, name="dead-letters")

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Where the embedded system keeps its database and files."),
]


@contextlib.contextmanager
def embedded_server(data: Path | None, port: int) -> Iterator[str]:
    """The embedded system in a thread of its own; its address. Its log goes to a file."""
    from backbeat.embedded import default_data_folder, running
    from libs.common.telemetry import JsonLines

    folder = data or default_data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "backbeat.log")
    handler.setFormatter(JsonLines("backbeat"))
    logging.basicConfig(level="INFO", handlers=[handler], force=True)
    started: queue.Queue[str | BaseException] = queue.Queue()
    stopping = threading.Event()

    async def main() -> None:
        # The command line's own account must not take the admin's seat.
        async with running(folder, "127.0.0.1", port, first_user_is_admin=False) as system:
            started.put(system.url)
            # In a thread: Ctrl-C may have come before there was anything to stop.
            await asyncio.to_thread(stopping.wait)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            started.put(error)
            if not isinstance(error, SettingsProblem):
                logging.getLogger(__name__).exception("embedded system ended")

    thread = threading.Thread(target=run, name="backbeat")
    thread.start()
    try:
        first = started.get()
        if isinstance(first, BaseException):
            raise first
        yield first
    finally:
        stopping.set()
        thread.join()


def local_credentials(data: Path | None) -> tuple[str, str]:
    """The account of the command line on its own embedded system."""
    from backbeat.embedded import default_data_folder

    path = (data or default_data_folder()) / "account.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(
            json.dumps({"email": "you@backbeat.dev", "password": secrets.token_urlsafe(24)})
        )
    kept = json.loads(path.read_text())
    return kept["email"], kept["password"]


def do_transcribe(
    video: Path,
    output: Path,
    data: Path | None,
    server: str | None,
    email: str | None,
    password: str | None,
) -> None:
    """Over the public API: of a server, or of the embedded system started for this."""
    import httpx

    from backbeat.client import ApiProblem, Client
    from backbeat.transcribe import Failed, transcribe

    with contextlib.ExitStack() as stack:
        try:
            if server is None:
                with console.status("Starting Backbeat …"):
                    server = stack.enter_context(embedded_server(data, 0))
                email, password = local_credentials(data)
            elif email is None or password is None:
                raise typer.BadParameter("--server needs --email and --password")
            client = Client(server)
            stack.callback(client.close)
            client.sign_in(email, password, register=True)
            transcribe(client, video, output, console)
        except (ApiProblem, Failed) as problem:
            errors.print(f"[red]{problem}[/red]")
            raise typer.Exit(1) from None
        except httpx.TransportError as error:
            errors.print(f"[red]Backbeat at {server} does not answer: {error}[/red]")
            raise typer.Exit(1) from None


@app.command()
def transcribe(
    video: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A drum video or recording.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the files.")] = Path(
        "out"
    ),
    data: DataFolder = None,
    server: Annotated[
        str | None, typer.Option(help="A running Backbeat; without it one is started.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Account on that server.")] = None,
    password: Annotated[
        str | None, typer.Option(envvar="BACKBEAT_PASSWORD", help="Its password.")
    ] = None,
) -> None:
    """Turn a drum video into MusicXML, MIDI, JSON and a picture of the first page.

    Example: [bold]backbeat transcribe groove.mp4 -o groove/[/bold]
    """
    do_transcribe(video, output, data, server, email, password)


@app.command()
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="MusicXML, .mxl, MIDI, Backbeat's JSON, hits.json, a sound or a video.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path, typer.Argument(help="The file to write; its ending says what.", show_default=False)
    ],
    kind: Annotated[
        str | None, typer.Option("--format", help="Where the ending does not say it: tab, timemap.")
    ] = None,
    kit: Annotated[
        str, typer.Option(help="A kit table's id, or a JSON file: to draw, and to read MIDI by.")
    ] = "backbeat-standard",
    title: Annotated[str | None, typer.Option(help="Instead of the file's own.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("-O", help="The format's own wishes: page=2, click=true.")
    ] = None,
) -> None:
    """Turn a score, or what was played, into another file, without a running system.

    Example: [bold]backbeat convert groove.mid groove.pdf --kit roland-td[/bold]
    """
    from backbeat import convert as converting
    from services.audio.domain.errors import HearingError
    from services.notation.domain.score import ScoreError

    try:
        chosen = converting.format_of(target, kind)
        options = converting.read_options(chosen, option or [])
        table = converting.read_kit(kit)
        document = converting.read_source(source, table, title)
        made = converting.convert(document, chosen, table, options)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made.data)
    except (ScoreError, HearingError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        errors.print(f"{source}: {said or error}", style="red", markup=False)
        raise typer.Exit(1) from None


@app.command()
def hear(
    files: Annotated[list[Path], typer.Argument(help="Sounds or videos.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The JSON file; standard output without it.")
    ] = None,
    sensitivity: Annotated[
        float, typer.Option(min=0, max=1, help="0: only what is sure. 1: all that may be a hit.")
    ] = 0.5,
) -> None:
    """Write the hits and beats of sounds or videos as JSON, without a running system.

    A file that cannot be read is told on standard error, the others are heard all the same, and
    the exit code is 1.
    """
    from rich.progress import Progress, TaskID

    from backbeat.hear import as_rows, hear_file, names_of
    from services.audio.domain.errors import HearingError

    heard: dict[str, Any] = {}
    failed = False
    with Progress(console=errors, transient=True) as progress:

        def tell_on(bar: TaskID) -> Callable[[float], None]:
            return lambda done: progress.update(bar, completed=done)

        for name, path in zip(names_of(files), files, strict=True):
            bar = progress.add_task(path.name, total=1.0)
            try:
                heard[name] = as_rows(
                    hear_file(
                        path,
                        tell_on(bar),
                        sensitivity=sensitivity,
                    )
                )
            except (HearingError, OSError) as error:
                failed = True
                said = error.strerror if isinstance(error, OSError) else error
                errors.print(f"{path}: {said or error}", style="red", markup=False)
            progress.remove_task(bar)
    text = json.dumps(heard)
    if out is None:
        print(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
    if failed:
        raise typer.Exit(1)


@app.command()
def demo(
    video: Annotated[
        Path | None, typer.Argument(help="A video of yours; without one a clip is rendered.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the files.")] = Path(
        "out"
    ),
    data: DataFolder = None,
) -> None:
    """Show the main job from end to end, on a clip rendered for it or on your own video."""
    if video is None:
        from backbeat.clip import render_clip

        output.mkdir(parents=True, exist_ok=True)
        video = output / "demo-groove.mp4"
        if not video.exists():
            with console.status("Rendering a clip of a drummer …"):
                unfinished = video.with_suffix(".part.mp4")
                render_clip(unfinished)
                unfinished.rename(video)
    elif not video.is_file():
        errors.print(f"[red]There is no file {video}.[/red]")
        raise typer.Exit(2)
    do_transcribe(video, output, data, None, None, None)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    data: DataFolder = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "WARNING",
) -> None:
    """Run the whole system in one process, with its own database, until Ctrl-C."""
    from backbeat.embedded import default_data_folder, running
    from libs.common.service import until_stopped
    from libs.common.telemetry import configure_logging

    folder = data or default_data_folder()
    configure_logging("backbeat", log_level)

    async def main() -> None:
        async with running(folder, host, port) as system:
            console.print(f"Backbeat is at {system.url} · API at {system.url}/docs")
            console.print(f"Data in {folder} · the first account to register is the admin · Ctrl-C")
            await until_stopped()
            console.print("Finishing what is under way …")

    asyncio.run(main())


@app.command()
def clip(
    path: Annotated[Path, typer.Argument(help="Where to write the MP4.")],
    bars: Annotated[int, typer.Option(min=1, max=500)] = 8,
    tempo: Annotated[float, typer.Option(min=40, max=240, help="Beats a minute.")] = 100.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same clip.")] = 1,
) -> None:
    """Render a drum clip with picture and sound, to try things on."""
    from backbeat.clip import render_clip

    with console.status("Rendering …"):
        played = render_clip(path, seed, bars, tempo)
    console.print(f"{path}: {len(played.hits)} hits in {played.duration_s:.1f} s")


@app.command()
def migrate(
    database_url: Annotated[
        str,
        typer.Option(
            envvar=["DATABASE_URL", "DATABASE_URL_ASYNC"],
            help="postgresql://user:pass@host/database",
        ),
    ],
    service: Annotated[
        list[str] | None, typer.Option(help="Only this one (repeat for more); without: all.")
    ] = None,
    revision: Annotated[str, typer.Option(help="Up to this revision.")] = "head",
) -> None:
    """Create or upgrade the services' database schemas."""
    from libs.common.migrate import BACKENDS
    from libs.common.migrate import migrate as migrate_one

    for name in service or BACKENDS:
        if name not in BACKENDS:
            raise typer.BadParameter(f"no service {name!r}; there are {', '.join(BACKENDS)}")
        asyncio.run(migrate_one(database_url, name, revision))
        console.print(f"{name}: at {revision}")


@app.command()
def openapi() -> None:
    """Print the public API's OpenAPI document (docs/openapi.json is kept equal to it)."""
    sys.stdout.write(json.dumps(openapi_document(), indent=1, sort_keys=True) + "\n")


def openapi_document() -> dict[str, Any]:
    """All services' routes in one document, as the gateway serves it."""
    from services.ai.wiring import make_ai_app
    from services.audio.wiring import make_audio_app
    from services.auth.wiring import make_auth_app
    from services.gateway.domain.openapi import merge
    from services.media.wiring import make_media_app
    from services.notation.wiring import make_notation_app
    from services.vision.wiring import make_vision_app

    return merge(
        {
            "auth": make_auth_app().openapi(),
            "media": make_media_app().openapi(),
            "audio": make_audio_app().openapi(),
            "notation": make_notation_app().openapi(),
            "ai": make_ai_app().openapi(),
            "vision": make_vision_app().openapi(),
        }
    )


@app.command()
def asyncapi() -> None:
    """Print the AsyncAPI document of the events between services."""
    from libs.common.asyncapi import asyncapi_document

    sys.stdout.write(json.dumps(asyncapi_document(), indent=1, sort_keys=True) + "\n")


BrokerUrl = Annotated[
    str, typer.Option(envvar="BROKER_URL", help="amqp://…, or the embedded database's URL.")
]
BrokerPrefix = Annotated[
    str, typer.Option(envvar="BROKER_PREFIX", help="As the services' …_BROKER_PREFIX.")
]
Ids = Annotated[list[str] | None, typer.Argument(help="Message ids; without: all.")]


def known_service(name: str) -> None:
    """A mistyped name would only show an empty list."""
    from libs.common.migrate import BACKENDS

    if name not in BACKENDS:
        raise typer.BadParameter(f"no service {name!r}; there are {', '.join(BACKENDS)}")


@dead_letters.command("list")
def list_dead(service: str, broker_url: BrokerUrl, broker_prefix: BrokerPrefix = "") -> None:
    """Show a service's dead letters, with the reason that each died of."""
    known_service(service)
    from libs.common.backend import open_transport

    async def main() -> list[Any]:
        transport = open_transport(broker_url, broker_prefix)
        try:
            return await transport.dead_letters(service)
        finally:
            await transport.close()

    table = Table("id", "type", "tries", "died", "reason")
    for letter in asyncio.run(main()):
        table.add_row(
            letter.id, letter.type, str(letter.attempts), str(letter.died_at or ""), letter.reason
        )
    console.print(table)


def settle(service: str, broker_url: str, prefix: str, ids: list[str] | None, how: str) -> None:
    """Replay or drop."""
    known_service(service)
    from libs.common.backend import open_transport

    async def main() -> int:
        transport = open_transport(broker_url, prefix)
        try:
            return int(await getattr(transport, how)(service, ids or None))
        finally:
            await transport.close()

    console.print(f"{asyncio.run(main())} messages: {how}")


@dead_letters.command("replay")
def replay_dead(
    service: str, broker_url: BrokerUrl, ids: Ids = None, broker_prefix: BrokerPrefix = ""
) -> None:
    """Deliver dead letters again; what was handled before is not handled twice."""
    settle(service, broker_url, broker_prefix, ids, "replay")


@dead_letters.command("drop")
def drop_dead(
    service: str,
    broker_url: BrokerUrl,
    ids: Ids = None,
    broker_prefix: BrokerPrefix = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Throw dead letters away for good."""
    if not yes:
        typer.confirm("Throw them away for good?", abort=True)
    settle(service, broker_url, broker_prefix, ids, "drop")


@admin.command("rotate-keys")
def rotate_keys(
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Withdraw the old keys at once: everybody signs in again."),
    ] = False,
) -> None:
    """Sign tokens with a new key from now on. Needs auth's settings (AUTH_…)."""
    from libs.common.database import make_engine, make_sessions
    from libs.common.settings import load
    from services.auth import keys
    from services.auth.settings import AuthSettings

    settings = load(AuthSettings)

    async def main() -> str:
        engine = make_engine(settings.database_url, "auth")
        async with make_sessions(engine).begin() as session:
            if forget:
                await keys.forget_all(session)
            key = await keys.rotate(session, settings.secret_key, settings.algorithm)
            kid = key.kid
        await engine.dispose()
        return kid

    console.print(f"Tokens are signed with key {asyncio.run(main())} within a minute.")


@admin.command("make-admin")
def make_admin(email: str) -> None:
    """Give an account the admin role. Needs auth's settings (AUTH_…)."""
    from libs.common.database import make_engine, make_sessions
    from libs.common.settings import load
    from services.auth import accounts
    from services.auth.settings import AuthSettings

    settings = load(AuthSettings)

    async def main() -> bool:
        engine = make_engine(settings.database_url, "auth")
        async with make_sessions(engine).begin() as session:
            user = await accounts.find_by_email(session, email)
            if user is not None:
                await accounts.assign_role(session, user.id, "admin")
        await engine.dispose()
        return user is not None

    if not asyncio.run(main()):
        errors.print(f"[red]There is no account {email}.[/red]")
        raise typer.Exit(1)
    console.print(f"{email} is an admin from its next sign-in on.")


def main() -> None:
    """Entry point; settings that are missing end with a sentence."""
    try:
        app()
    except SettingsProblem as problem:
        errors.print(f"[red]{problem}[/red]")
        raise SystemExit(2) from None
