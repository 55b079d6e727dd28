"""The REST APIs and webhooks of GitHub, GitLab, Forgejo and Pagure on the local forge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from bot.demo.forge.forgejo import rest as forgejo_rest
from bot.demo.forge.forgejo.api import API_PREFIX as FORGEJO_PREFIX
from bot.demo.forge.forgejo.api import SHAPES as FORGEJO_SHAPES
from bot.demo.forge.forgejo.api import forgejo_middleware
from bot.demo.forge.forgejo.hooks import ForgejoHooks
from bot.demo.forge.forgejo.shapes import ForgejoShapes
from bot.demo.forge.github import apps as github_apps
from bot.demo.forge.github import checks as github_checks
from bot.demo.forge.github import rest as github_rest
from bot.demo.forge.github import reviews as github_reviews
from bot.demo.forge.github.api import API_PREFIX as GITHUB_PREFIX
from bot.demo.forge.github.api import SHAPES as GITHUB_SHAPES
from bot.demo.forge.github.hooks import GitHubHooks
from bot.demo.forge.github.shapes import Shapes
from bot.demo.forge.gitlab import discussions as gitlab_discussions
from bot.demo.forge.gitlab import hooks as gitlab_hooks
from bot.demo.forge.gitlab import rest as gitlab_rest
from bot.demo.forge.gitlab.api import API_PREFIX as GITLAB_PREFIX
from bot.demo.forge.gitlab.api import SHAPES as GITLAB_SHAPES
from bot.demo.forge.gitlab.api import gitlab_middleware
from bot.demo.forge.gitlab.hooks import GitLabHooks
from bot.demo.forge.gitlab.shapes import GitLabShapes
from bot.demo.forge.pagure import rest as pagure_rest
from bot.demo.forge.pagure.hooks import PagureHooks
from bot.demo.forge.pagure.shapes import PagureShapes
from bot.demo.forge.state import State
from bot.demo.forge.traffic import Deliverer

# Function that makes an application with the forge's state, for some routes.
NewApplication = Callable[..., web.Application]


@dataclass(frozen=True, slots=True)
class Faces:
    """The webhooks of the local forge, for each type of forge."""

    github: GitHubHooks
    gitlab: GitLabHooks
    forgejo: ForgejoHooks
    pagure: PagureHooks

    @classmethod
    def of(cls, state: State, url: str, deliverer: Deliverer) -> Self:
        """The webhooks of the forge at `url`."""
        return cls(
            GitHubHooks(Shapes(state, url, f"{url}{GITHUB_PREFIX}"), deliverer),
            GitLabHooks(deliverer, GitLabShapes(state, url)),
            ForgejoHooks(deliverer, ForgejoShapes(state, url)),
            PagureHooks(deliverer, PagureShapes(state, url)),
        )

    @property
    def hooks(self) -> tuple[GitHubHooks, GitLabHooks, ForgejoHooks, PagureHooks]:
        """The webhooks of all types of forges."""
        return self.github, self.gitlab, self.forgejo, self.pagure

    def add_to(self, application: web.Application, new: NewApplication) -> None:
        """Add each API below its prefix; `new` makes an application of routes."""
        github = new(
            github_rest.routes, github_reviews.routes, github_checks.routes, github_apps.routes
        )
        github[GITHUB_SHAPES] = self.github.shapes
        tables = gitlab_rest.routes, gitlab_discussions.routes, gitlab_hooks.routes
        gitlab = new(*tables, middlewares=[gitlab_middleware])
        gitlab[gitlab_hooks.HOOKS] = self.gitlab
        gitlab[GITLAB_SHAPES] = self.gitlab.shapes
        forgejo = new(forgejo_rest.routes, middlewares=[forgejo_middleware])
        forgejo[FORGEJO_SHAPES] = self.forgejo.shapes
        application.add_subapp(GITHUB_PREFIX, github)
        application.add_subapp(GITLAB_PREFIX, gitlab)
        application.add_subapp(FORGEJO_PREFIX, forgejo)
        pagure = new(pagure_rest.routes, middlewares=[pagure_rest.pagure_middleware])
        pagure[pagure_rest.SHAPES] = self.pagure.shapes
        application.add_subapp(pagure_rest.API_PREFIX, pagure)
