"""Options and choices that several commands have."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bot.cli.output import OUTPUT_OPTIONS, OutputOptions
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.check.pools import Pools
    from bot.closure.pool import Pool
    from bot.distro.documents import Configuration
    from bot.distro.sharing import Row
    from bot.model.image import ImageKey, ImageRequest
    from bot.settings.values import Settings

Command = Callable[..., int]


@dataclass(frozen=True, slots=True)
class Places:
    """The three directories of every command; `explicit` names those that a person chose.

    `on` is the one repository document, of those that come with minimize, that the command is
    about, or None. `server` is the URL of a server's documents, which `config` has then, and
    `base_images` its table.
    """

    config: Path
    data: Path
    cache: Path
    explicit: frozenset[str] = frozenset()
    on: str | None = None
    server: str = ""
    base_images: tuple[Row, ...] = ()

    def configuration(
        self, *, named: bool = False, recorded: bool = False, own: bool = False
    ) -> Configuration:
        """Return the documents of `documents_folder`; UsageError if it or one of them is invalid.

        With `on` there is only this repository document; UsageError if it does not come with
        minimize. Without a folder the documents that come with minimize are used only if repository
        documents are `named`, as nobody means all distributions. A change may bring its `own`
        documents: then nothing else is needed.
        """
        from bot.distro.cache import Cache
        from bot.distro.documents import Configuration
        from bot.distro.images import chosen_documents
        from bot.distro.load import load_configuration

        folder = self.documents_folder(recorded=recorded)
        if own and folder != self.config and not named:
            return Configuration()
        loaded = load_configuration(folder, cache=Cache(self.cache))
        if self.on is None:
            if folder != self.config and not named:
                raise UsageError(
                    f"There is no folder {self.config} here, and no distribution is named.",
                    "Name one that comes with minimize, `--on centos-stream-9`:"
                    f" {', '.join(sorted(loaded.repositories))}."
                    " Or --config, a folder of your own documents: `minimize config init`.",
                )
            return loaded
        (document,) = chosen_documents(loaded, [self.on])
        return replace(loaded, repositories={self.on: replace(document, default=True)})

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options that choose the documents, as they were given."""
        if self.on is not None:
            return ("--on", self.on)
        return ("--config", self.server or str(self.config)) if "config" in self.explicit else ()

    def documents_folder(self, *, recorded: bool = False) -> Path:
        """Return the configuration folder; the built-in one if none was chosen or exists.

        UsageError without a folder, also if the result is `recorded`: a history is always of one's
        own documents.
        """
        from bot.distro.sharing import built_in_documents

        if self.on is not None:
            if "config" in self.explicit:
                raise UsageError(
                    "--on takes a document that comes with minimize, --config names others.",
                    "--repository chooses one of those.",
                )
            return built_in_documents()
        if self.config.is_dir():
            return self.config
        built_in = built_in_documents()
        if recorded or "config" in self.explicit:
            raise UsageError(
                f"There is no folder of configuration documents at {self.config}.",
                "Name one with --config, or run this where config/ is."
                f" The documents that come with minimize are in {built_in}.",
            )
        return built_in

    def settings(self, file: Path) -> Settings:
        """Return a server's settings; directories that a person chose take the place of theirs."""
        from bot.settings.values import load_settings

        folders = {"config": self.config, "data": self.data, "cache": self.cache}
        return load_settings(file, **{name: folders[name] for name in self.explicit})

    def pools(self) -> Pools:
        """Pools on the cache folder."""
        from bot.check.pools import Pools
        from bot.distro.cache import Cache

        return Pools(Cache(self.cache))


@dataclass(frozen=True, slots=True)
class Choice:
    """The images that a command is about; empty fields do not restrict them."""

    workloads: tuple[str, ...]
    environments: tuple[str, ...]
    repositories: tuple[str, ...]
    arches: tuple[str, ...]

    def keys(self, configuration: Configuration) -> tuple[ImageKey, ...]:
        """Return the images, sorted; UsageError if there is none, or if a name is not known."""
        keys = self._keys(configuration)
        if not keys:
            raise UsageError("No image matches these choices.", self._lack(configuration))
        return keys

    def _keys(self, configuration: Configuration) -> tuple[ImageKey, ...]:
        from bot.distro.images import image_keys

        return image_keys(
            configuration,
            workloads=self.workloads,
            environments=self.environments,
            repositories=self.repositories,
            arches=self.arches,
        )

    def _lack(self, configuration: Configuration) -> str:
        """Return why no image matches, as a hint."""
        for kind, documents in (
            ("repository", configuration.repositories),
            ("environment", configuration.environments),
            ("workload", configuration.workloads),
        ):
            if not documents:
                return f"The configuration has no {kind} document."
        if others := replace(self, arches=())._keys(configuration):
            there = dict.fromkeys(key.arch for key in others)
            return f"Without --arch there are images on {', '.join(there)}."
        return (
            "A workload and an environment need a label in common, and the environment must list"
            " the repository document."
        )

    def images(self, places: Places) -> Iterator[tuple[Pool, ImageRequest]]:
        """Yield the pool of each image, and its request."""
        configuration = places.configuration(named=bool(self.repositories))
        return pools_and_requests(self.keys(configuration), configuration, places)


def pools_and_requests(
    keys: Iterable[ImageKey], configuration: Configuration, places: Places
) -> Iterator[tuple[Pool, ImageRequest]]:
    """Yield the pool of each image and its request."""
    from bot.distro.images import image_request

    pools = places.pools()
    for key in keys:
        pool = pools.get(configuration.repositories[key.repository], key.arch)
        yield pool, image_request(configuration, key)


def _default_cache() -> Path:
    return _default_folder("XDG_CACHE_HOME", ".cache", "CACHE_DIRECTORY", "/var/cache")


def _default_data() -> Path:
    return _default_folder("XDG_DATA_HOME", ".local/share", "STATE_DIRECTORY", "/var/lib")


def _default_folder(variable: str, below_home: str, of_service: str, of_system: str) -> Path:
    """Return a directory of the person, of a systemd unit, or of the system without a home."""
    if directory := os.environ.get(of_service, "").partition(":")[0]:
        return Path(directory)
    if root := os.environ.get(variable):
        return Path(root) / "minimize"
    try:
        home = Path.home()
    except RuntimeError:  # a container's user without a name
        home = Path("/nonexistent")
    # HOME may be another user's: runuser and setpriv keep root's.
    usable = any(os.access(place, os.W_OK | os.X_OK) for place in (home / below_home, home))
    return (home / below_home if usable else Path(of_system)) / "minimize"


_FOLDER = click.Path(path_type=Path, file_okay=False)


def _folder_or_url(value: str | Path) -> Path | str:
    """Return the path of a folder; the URL of a server's documents stays a text."""
    if isinstance(value, str) and value.startswith(("https://", "http://")):
        return value
    folder: Path = _FOLDER.convert(value, None, None)
    return folder


def common(function: Command, *, on: bool = False, shared: bool = False) -> Command:
    """Add the options of commands that compute an answer: `places`, and those of the output."""

    @wraps(function)
    def command(
        color: str, quiet: bool, verbose: bool, **arguments: Any
    ) -> int:  # click's own kinds
        if quiet and verbose:
            raise UsageError("--quiet and --verbose contradict each other.")
        output = OutputOptions(color, quiet)
        click.get_current_context().meta[OUTPUT_OPTIONS] = output
        if quiet or not (verbose or sys.stderr.isatty()):
            return function(**arguments)
        from bot.cli.output import show_steps

        with show_steps(verbose=verbose) as output.steps:
            return function(**arguments)

    return _with(
        placed(command, on=on, shared=shared),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="Colours on a terminal (auto), everywhere, or nowhere. NO_COLOR is obeyed.",
        ),
        click.option("--quiet", "-q", is_flag=True, help="No progress and no notes."),
        click.option("--verbose", "-v", is_flag=True, help="A line for each step."),
    )


def placed(function: Command, *, on: bool = False, shared: bool = False) -> Command:
    """Add the options for the directories, passed as `places`.

    With `on` also --on, for a command that reads documents; with `shared` --config may be the URL
    of a server's, for one that records nothing.
    """
    with_on, takes_url = on, shared

    @wraps(function)
    def command(
        config: Path | str,
        data: Path,
        cache: Path,
        on: str | None = None,
        **arguments: Any,  # click's own kinds
    ) -> int:
        context = click.get_current_context()
        explicit = frozenset(
            name
            for name in ("config", "data", "cache")
            if context.get_parameter_source(name) is not ParameterSource.DEFAULT
        )
        places = Places(Path(config), data, cache, explicit, on)
        if isinstance(config, str):
            if not takes_url:
                raise UsageError(
                    f"--config {config}: {context.command_path} takes a folder, not a URL."
                )
            places = _with_documents_of(config, places)
        return function(places=places, **arguments)

    on_option = click.option(
        "--on",
        metavar="REPOSITORY",
        help="Use the documents that come with minimize, and of their repositories this"
        " one, such as centos-stream-9.",
    )
    return _with(
        command,
        click.option(
            "--config",
            type=_folder_or_url,
            default=Path("config"),
            show_default=True,
            metavar="DIRECTORY|URL" if takes_url else "DIRECTORY",
            help="The folder of configuration documents"
            + (", or the address of a server's (URL/api/documents)" if takes_url else "")
            + ". Where it is not there, commands that record nothing take the documents that come"
            " with minimize.",
        ),
        *([on_option] if with_on else []),
        click.option(
            "--data",
            type=_FOLDER,
            envvar="MINIMIZE_DATA",
            default=_default_data,
            show_default="~/.local/share/minimize",
            help="Results and history.",
        ),
        click.option(
            "--cache",
            type=_FOLDER,
            envvar="MINIMIZE_CACHE",
            default=_default_cache,
            show_default="~/.cache/minimize",
            help="What can be made again: metadata, packages, builds. Safe to delete.",
        ),
    )


# The options of commands that read configuration documents, and of those that record nothing.
on_own_documents = partial(common, on=True)
on_documents = partial(common, on=True, shared=True)


def _with_documents_of(url: str, places: Places) -> Places:
    """Return the places with the documents of a server, fetched into the cache."""
    if places.on is not None:
        return places  # refused where the documents are read
    from bot.distro.cache import Cache
    from bot.distro.sharing import fetch_documents

    shared = fetch_documents(url, Cache(places.cache))
    return replace(places, config=shared.folder, server=url, base_images=shared.base_images)


def image_choice(workload_argument: bool, *, required: bool = True) -> Callable[[Command], Command]:
    """Add the options that choose images, passed as `choice`.

    Workloads are arguments or an option (none: all of them), which some commands require.
    """

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(
            workloads: tuple[str, ...],
            environments: tuple[str, ...],
            repositories: tuple[str, ...],
            arches: tuple[str, ...],
            **arguments: Any,  # click's own kinds
        ) -> int:
            choice = Choice(workloads, environments, repositories, arches)
            return function(choice=choice, **arguments)

        workload = (
            click.argument("workloads", nargs=-1, metavar="[WORKLOAD]...")
            if workload_argument
            else click.option(
                "--workload", "workloads", multiple=True, required=required, metavar="W"
            )
        )
        return _with(
            command,
            workload,
            click.option(
                "--environment", "environments", multiple=True, metavar="E", help="May be repeated."
            ),
            click.option(
                "--repository", "repositories", multiple=True, metavar="R", help="May be repeated."
            ),
            click.option("--arch", "arches", multiple=True, metavar="A", help="May be repeated."),
        )

    return decorate


def formats(*names: str) -> Callable[[Command], Command]:
    """Add `--format`, with these names, passed as `form`; the first is the default."""
    return click.option("--format", "form", type=click.Choice(names), default=names[0])


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
