"""The store's tables, as migrations: applied in order, each once, each in a transaction.

A released migration is never changed; a new one is added below it.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("minimize")


def _columns(names: str, **types: type) -> dict[str, type]:
    """Column types by name, in order; text unless `types` has another."""
    return {name: types.get(name, str) for name in names.split()}


@migrations()
def m001_deliveries(db: Database) -> None:
    """Webhook deliveries, written before they are acknowledged.

    `object` names what a delivery carries, so that two hooks telling of it count once. `state`:
    new, done, ignored, failed; `reason` says what came of it. `due` is seconds since 1970 UTC.
    """
    table = db.table("deliveries")
    table.create(
        _columns(
            "id forge event delivery object received body state reason attempts due handled",
            id=int,
            body=bytes,
            attempts=int,
            due=float,
        ),
        pk="id",
        not_null={"forge", "event", "delivery", "received", "state"},
        defaults={"attempts": 0, "due": 0.0},
    )
    table.create_index(["forge", "delivery"], unique=True)
    # SQLite counts nulls as different, so deliveries without an object are never repeats by it.
    table.create_index(["forge", "object"], unique=True)
    table.create_index(["state", "due"])


@migrations()
def m002_checks(db: Database) -> None:
    """Runs, one for each head commit and request; `id` is the engine's workflow id too.

    `stage`: waiting, predicted, final, stopped. `open` is 1 until the engine is done with it.
    """
    table = db.table("checks")
    table.create(
        _columns(
            "id forge repository number title author url base_ref base_sha head_sha delivery"
            " private stage verdict summary problem result created predicted finished open",
            number=int,
            private=int,
            open=int,
        ),
        pk="id",
        not_null={"forge", "repository", "number", "head_sha", "stage", "created", "open"},
    )
    table.create_index(["forge", "repository", "number"])
    table.create_index(["open"])
    table.create_index(["created"])


@migrations()
def m003_comments(db: Database) -> None:
    """The comment of each pull request, as last written: what an upsert looks for first."""
    db.table("comments").create(
        _columns("forge repository number comment url check_id written", number=int),
        pk=("forge", "repository", "number"),
        not_null={"comment", "written"},
    )


@migrations()
def m004_commands(db: Database) -> None:
    """Chat commands that were heard, each once, and what was decided for head commits.

    `commands.command` names one command of one comment; `outcome`: taken, refused, unclear.
    `decisions.kind`: accept, allow; the newest of a kind counts, and only for its `head_sha`.
    `checks.narrowed` is 1 for a run of some images alone, which is no answer for the commit.
    """
    db.table("commands").create(
        _columns("forge repository number comment command text user outcome heard", number=int),
        pk=("forge", "repository", "comment", "command"),
        not_null={"number", "text", "user", "outcome", "heard"},
    )
    decisions = db.table("decisions")
    decisions.create(
        _columns(
            "id forge repository number head_sha kind user role reason time comment url",
            id=int,
            number=int,
        ),
        pk="id",
        not_null={"forge", "repository", "number", "head_sha", "kind", "user", "time", "comment"},
    )
    decisions.create_index(["forge", "repository", "number", "head_sha", "kind"])
    decisions.create_index(
        ["forge", "repository", "comment", "kind", "head_sha", "reason"], unique=True
    )
    db.table("checks").add_column("narrowed", int, not_null_default=0)


@migrations()
def m005_newest_checks(db: Database) -> None:
    """The newest check of a repository says whether the repository is private now."""
    db.table("checks").create_index(["forge", "repository", "created"])


@migrations()
def m006_results(db: Database) -> None:
    """The results of checks, each stored once and never changed; a check names its newest.

    `body` is CONTRACT's `check` object as JSON. Those that checks had themselves move here.
    """
    results = db.table("results")
    results.create(
        _columns("id check_id stored body"),
        pk="id",
        not_null={"check_id", "stored", "body"},
    )
    results.create_index(["check_id"])
    db.table("checks").add_column("result_id", str)
    db.execute(
        "insert into results (id, check_id, stored, body)"
        " select id, id, created, result from checks where result is not null"
    )
    db.execute("update checks set result_id = id where result is not null")
    db.execute("alter table checks drop column result")


@migrations()
def m007_trust(db: Database) -> None:
    """Who pushed the head commit of a check, and decisions that no longer count.

    `checks.pusher` is empty where no delivery told. Decisions of before named no commit: what was
    allowed so may have been another than the one that was looked at, and authors accepted their
    own. Both stay on record, with `counts` 0, and are made again where they are needed.
    """
    db.table("checks").add_column("pusher", str, not_null_default="")
    db.table("decisions").add_column("counts", int, not_null_default=1)
    db.execute(
        "update decisions set counts = 0 where kind = 'allow' or exists (select 1 from checks"
        " where checks.forge = decisions.forge and checks.repository = decisions.repository"
        " and checks.number = decisions.number and checks.head_sha = decisions.head_sha"
        " and lower(checks.author) = lower(decisions.user))"
    )


@migrations()
def m008_steps(db: Database) -> None:
    """The steps of checks that are over, as the engine had them, and when the forge had the first
    status and the first comment of a check (RFC 3339; null: not yet, or never).

    `part` is the workflow that the step is of; `tries` counts its tries, `outcome` is that of the
    last, `problem` a sentence where it failed.
    """
    table = db.table("run_steps")
    table.create(
        _columns(
            "check_id number part name started seconds tries outcome problem",
            number=int,
            seconds=float,
            tries=int,
        ),
        pk=("check_id", "number"),
        not_null={"part", "name", "started", "tries", "outcome"},
    )
    for name in ("first_status", "first_comment"):
        db.table("checks").add_column(name, str)


@migrations()
def m009_repositories(db: Database) -> None:
    """The repositories that are served `since` then, and those that are `gone`, empty if not.

    `misses` counts the times that the forge did not have it, each a day apart, the last `missed`
    (seconds since 1970); so `deliveries.misses` and `missed` for what a delivery is about.
    `checks.over` is 1 once we know that the pull request was closed or merged.
    """
    db.table("repositories").create(
        _columns("forge repository since gone misses missed", misses=int, missed=float),
        pk=("forge", "repository"),
        not_null={"since", "gone", "misses"},
        defaults={"gone": "", "misses": 0},
    )
    deliveries = db.table("deliveries")
    deliveries.add_column("misses", int, not_null_default=0)
    deliveries.add_column("missed", float)
    checks = db.table("checks")
    checks.add_column("over", int, not_null_default=0)
    # Whether earlier ones are open is not known; their webhooks were followed.
    db.execute("update checks set over = 1 where open = 0")


@migrations()
def m010_opportunities(db: Database) -> None:
    """Edits that would make images smaller, until they landed, and those that people declined.

    `opportunities.change` is the edit with its evidence as JSON, `state`: found, proposed,
    declined, landed. `advised_images.inputs` names what the advice for an image depended on.
    """
    opportunities = db.table("opportunities")
    opportunities.create(
        _columns(
            "id repository package capability source change state found changed url reason user"
            " saved",
            saved=int,
        ),
        pk="id",
        not_null={"repository", "package", "capability", "source", "change", "state"},
    )
    opportunities.create_index(["source"])
    db.table("opportunity_images").create(
        _columns("opportunity repository workload environment arches saves", saves=int),
        pk=("opportunity", "workload", "environment"),
        foreign_keys=[("opportunity", "opportunities", "id")],
    )
    db.table("opportunity_images").create_index(["repository", "workload", "environment"])
    db.table("advised_images").create(
        _columns("repository workload environment inputs"),
        pk=("repository", "workload", "environment"),
    )
    db.table("declined_edits").create(
        _columns("forge repository edit reason user role time comment url"),
        pk=("forge", "repository", "edit"),
        not_null={"reason", "user", "time", "comment"},
    )


@migrations()
def m011_looked_repositories(db: Database) -> None:
    """Until when it is known what is new in a repository: comments, and moves of branches."""
    db.table("repositories").add_column("looked", str, not_null_default="")


@migrations()
def m012_proposed_edits(db: Database) -> None:
    """Where edits are proposed: a pull request, or an issue of the bot's own (`number` 0).

    `checks.opportunities` are the ids that the pull request's text names, with blanks between.
    `opportunities.unpublished` is null but from a merge until its packages are published: then the
    versions published since, empty until they were looked at. `before` and `after` are an image's
    sizes when the edit landed.
    """
    db.table("proposed_edits").create(
        _columns("opportunity forge repository number url since", number=int),
        pk=("opportunity", "forge", "repository", "number"),
        not_null={"url", "since"},
    )
    db.execute(
        "insert into proposed_edits (opportunity, forge, repository, number, url, since)"
        " select id, '', '', 0, url, changed from opportunities where state = 'proposed'"
    )
    db.table("checks").add_column("opportunities", str, not_null_default="")
    db.table("opportunities").add_column("unpublished", str)
    for name in ("before", "after"):
        db.table("opportunity_images").add_column(name, int)
