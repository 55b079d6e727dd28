"""The tables of history, as migrations of their own set; a released one never changes.

`run` columns number the evaluations of all images (`runs.id`, rising with time). A row with
`from_run` and `until_run` holds from the one until just before the other; null is: until now.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from bot.store.history.rows import fork

history_migrations = Migrations("minimize-history")


@history_migrations()
def h001_images(db: Database) -> None:
    """Images, the runs that evaluated them, snapshots, closures, and packages as once seen."""
    _create(
        db,
        """
        create table images (
            id integer primary key, workload text not null, environment text not null,
            repository text not null, arch text not null, weak integer not null default 0,
            gone_run integer references runs (id),
            unique (workload, environment, repository, arch)
        );
        create table runs (
            id integer primary key, started text not null, finished text, images integer,
            solved integer, moved integer, failed text
        );
        create index idx_runs_started on runs (started);
        create table snapshots (
            id integer primary key, digest text not null unique, repository text not null,
            arch text not null, repositories text not null,
            first_run integer not null references runs (id)
        );
        create table closures (
            id integer primary key, image integer not null references images (id),
            digest text not null, status text not null, packages integer, installed_size integer,
            known_size integer, installed_size_nodocs integer, download_size integer,
            layer_size integer, requests text not null, problems text, missing text
        );
        create index idx_closures_image on closures (image, digest);
        create table evaluations (
            image integer not null references images (id),
            run integer not null references runs (id),
            snapshot integer not null references snapshots (id),
            closure integer not null references closures (id),
            primary key (image, run)
        ) without rowid;
        create table inputs (
            image integer primary key references images (id), digest text not null
        );
        create table packages (
            id integer primary key, name text not null, epoch integer not null,
            version text not null, release text not null, arch text not null,
            source text not null, repository text not null, installed_size integer,
            installed_size_nodocs integer, download_size integer
        );
        create index idx_packages_name on packages (name);
        create table image_packages (
            image integer not null references images (id),
            package integer not null references packages (id),
            from_run integer not null references runs (id),
            until_run integer references runs (id), requested integer not null,
            primary key (image, package, from_run)
        ) without rowid;
        create index idx_image_packages_package on image_packages (package, image);
        create index idx_image_packages_now on image_packages (package) where until_run is null;
        """,
    )


@history_migrations()
def h002_requirements(db: Database) -> None:
    """Who requires what of whom: a package's requirement, and the name that satisfied it.

    An edge is in an image while its package and its target (`name.arch`) both are.
    """
    _create(
        db,
        """
        create table capabilities (id integer primary key, text text not null unique);
        create table requirements (
            package integer not null references packages (id),
            capability integer not null references capabilities (id),
            target integer not null references capabilities (id),
            kind text not null,
            primary key (package, capability, target, kind)
        ) without rowid;
        """,
    )


@history_migrations()
def h003_steps(db: Database) -> None:
    """Steps of an image's size, and the causes of each: their known deltas add up to the step."""
    _create(
        db,
        """
        create table merged_changes (
            id integer primary key, forge text not null, repository text not null,
            number integer not null, title text not null, author text not null,
            url text not null, head_sha text not null, merged text not null, check_id text,
            sources text not null, landed_run integer references runs (id),
            unique (forge, repository, number)
        );
        create index idx_merged_changes_landed on merged_changes (landed_run);
        create table merged_effects (
            change integer not null references merged_changes (id),
            image integer not null references images (id), evidence text not null,
            packages_before integer, packages_after integer, size_before integer,
            size_after integer, names text not null, landed_run integer references runs (id),
            primary key (change, image)
        ) without rowid;
        create table steps (
            image integer not null references images (id),
            run integer not null references runs (id),
            before_closure integer not null references closures (id),
            after_closure integer not null references closures (id),
            delta integer, known_delta integer not null, packages_delta integer,
            primary key (image, run)
        ) without rowid;
        create index idx_steps_run on steps (run);
        create table causes (
            image integer not null references images (id),
            run integer not null references runs (id),
            position integer not null, package text not null, change text not null,
            before_package integer references packages (id),
            after_package integer references packages (id), delta integer,
            known_delta integer not null, kind text not null, mover text,
            merged_change integer references merged_changes (id), chain text,
            primary key (image, run, position)
        ) without rowid;
        create index idx_causes_change on causes (merged_change) where merged_change is not null;
        """,
    )


@history_migrations()
def h004_objectives(db: Database) -> None:
    """Objectives, their values (a row for as long as nothing changes), and accepted growth."""
    _create(
        db,
        """
        create table objectives (
            id text primary key, name text not null, description text not null,
            maintainer text not null, workload text not null, document text not null,
            first_run integer not null references runs (id),
            gone_run integer references runs (id)
        );
        create table objective_values (
            objective text not null references objectives (id),
            image integer not null references images (id), metric text not null,
            from_run integer not null references runs (id),
            until_run integer references runs (id), value integer,
            "limit" integer, target integer, target_by text, met integer, reason text,
            primary key (objective, image, metric, from_run)
        ) without rowid;
        create table accepted_growth (
            id integer primary key, accepted text not null, forge text not null,
            repository text not null, number integer not null, head_sha text not null,
            accepted_by text not null, reason text not null, url text not null,
            objective text not null, workload text not null, environment text not null,
            image_repository text not null, arch text not null, metric text not null,
            before integer, value integer, "limit" integer,
            unique (forge, repository, number, head_sha, objective, workload, environment,
                image_repository, arch, metric)
        );
        create index idx_accepted_growth_objective on accepted_growth (objective);
        create table drift_issues (
            subject text not null, forge text not null, repository text not null,
            issue text not null, url text not null, state text not null, opened text not null,
            changed text not null, body text not null,
            primary key (subject, forge, repository)
        );
        """,
    )


@history_migrations()
def h005_views(db: Database) -> None:
    """The same for people who open the file: names instead of numbers. Those of later migrations
    are made there."""
    db.create_view(
        "image_contents",
        """
        select images.workload, images.environment, images.repository, images.arch,
            packages.name, packages.epoch, packages.version, packages.release,
            packages.arch as package_arch, packages.source, packages.installed_size,
            image_packages.requested, first.started as since, last.started as until
        from image_packages
        join images on images.id = image_packages.image
        join packages on packages.id = image_packages.package
        join runs as first on first.id = image_packages.from_run
        left join runs as last on last.id = image_packages.until_run
        """,
    )


@history_migrations()
def h006_presence(db: Database) -> None:
    """Indexes for the rows that held at any run, and for those that hold now."""
    _create(
        db,
        f"""
        create index idx_image_packages_fork on image_packages
            ({fork()}, from_run, until_run, package) where until_run is not null;
        drop index idx_image_packages_now;
        create index idx_image_packages_now on image_packages
            (package, image, from_run, until_run) where until_run is null;
        create index idx_objective_values_fork on objective_values
            ({fork()}, from_run, until_run) where until_run is not null;
        create index idx_objective_values_now on objective_values (objective, from_run)
            where until_run is null;
        """,
    )


@history_migrations()
def h007_landed(db: Database) -> None:
    """Changes that landed without a pull request (`number` null, `commit_sha` names them), where
    one lands (`documents`: ids of repository documents as JSON, none of them: anywhere), what is
    private, and the `.minimize.yaml` of repositories as last read."""
    _create(
        db,
        """
        drop view if exists step_causes;
        create table landed_changes (
            id integer primary key, forge text not null, repository text not null,
            number integer, title text not null, author text not null,
            url text not null, head_sha text not null, merged text not null, check_id text,
            sources text not null, landed_run integer references runs (id),
            commit_sha text not null default '', branch text not null default '',
            documents text not null default '[]', private integer not null default 0,
            unique (forge, repository, number)
        );
        insert into landed_changes (id, forge, repository, number, title, author, url, head_sha,
            merged, check_id, sources, landed_run)
            select id, forge, repository, number, title, author, url, head_sha,
            merged, check_id, sources, landed_run from merged_changes;
        drop table merged_changes;
        alter table landed_changes rename to merged_changes;
        create index idx_merged_changes_landed on merged_changes (landed_run);
        create index idx_merged_changes_merged on merged_changes (merged);
        create unique index idx_merged_changes_commit
            on merged_changes (forge, repository, branch, commit_sha) where number is null;
        alter table objectives add column private integer not null default 0;
        alter table objectives add column place text;
        alter table accepted_growth add column private integer not null default 0;
        alter table drift_issues add column private integer not null default 0;
        create table repository_files (
            forge text not null, repository text not null, branch text not null,
            commit_sha text not null, private integer not null, documents text not null,
            content text, read text not null,
            primary key (forge, repository, branch)
        ) without rowid;
        create view step_causes as
        select images.workload, images.environment, images.repository, images.arch,
            runs.started as evaluated, steps.known_delta as step, causes.package, causes.change,
            causes.known_delta as delta, causes.kind, causes.mover,
            merged_changes.url as pull_request, causes.chain
        from causes
        join steps on steps.image = causes.image and steps.run = causes.run
        join images on images.id = causes.image
        join runs on runs.id = causes.run
        left join merged_changes on merged_changes.id = causes.merged_change;
        """,
    )


@history_migrations()
def h008_labels(db: Database) -> None:
    """Names of rows that others link to: Datasette shows a column `name` there."""
    _create(
        db,
        """
        alter table images add column name text generated always as
            (workload || ' on ' || environment || ', ' || repository || ', ' || arch) virtual;
        alter table runs add column name text generated always as
            (replace(substr(started, 1, 16), 'T', ' ') || ' UTC') virtual;
        alter table snapshots add column name text generated always as
            (repository || ', ' || arch || ', ' || substr(digest, 1, 8)) virtual;
        alter table closures add column name text generated always as
            (case when status <> 'ok' then status when installed_size is null
            then packages || ' packages' else packages || ' packages, ' ||
            round(installed_size / 1e6, 1) || ' MB' end) virtual;
        drop view if exists image_history;
        create view image_history as
        select images.workload, images.environment, images.repository, images.arch,
            runs.started as evaluated, closures.status, closures.packages,
            closures.installed_size, closures.known_size, closures.installed_size_nodocs,
            closures.download_size, closures.layer_size, snapshots.digest as snapshot,
            closures.id as closure
        from evaluations
        join images on images.id = evaluations.image
        join runs on runs.id = evaluations.run
        join closures on closures.id = evaluations.closure
        join snapshots on snapshots.id = evaluations.snapshot;
        """,
    )


@history_migrations()
def h009_readable(db: Database) -> None:
    """Objectives over time in names; a snapshot's repository document is called one, since its
    `repositories` are others; an objective keeps its `subject`, by which its issue is found, when
    its document is renamed."""
    _create(
        db,
        """
        alter table snapshots rename column repository to repository_document;
        alter table objectives add column subject text not null default '';
        update objectives set subject = id;
        create unique index idx_objectives_subject on objectives (subject);
        create view objective_history as
        select objectives.name as objective, objectives.maintainer, images.workload,
            images.environment, images.repository, images.arch, objective_values.metric,
            objective_values.value, objective_values."limit", objective_values.target,
            objective_values.target_by, case objective_values.met when 1 then 'met'
            when 0 then 'broken' else 'not known' end as state, objective_values.reason,
            first.started as since, last.started as until, objectives.private
        from objective_values
        join objectives on objectives.id = objective_values.objective
        join images on images.id = objective_values.image
        join runs as first on first.id = objective_values.from_run
        left join runs as last on last.id = objective_values.until_run;
        """,
    )


@history_migrations()
def h010_causes(db: Database) -> None:
    """The causes why a closure cannot be solved, as data: JSON, the root first."""
    db.execute("alter table closures add column causes text")


@history_migrations()
def h011_surfaces(db: Database) -> None:
    """The attack surface of each image, as JSON: a row for as long as it stays the same. Values and
    limits of objectives on it are names, as JSON, in the columns of the others' numbers."""
    _create(
        db,
        f"""
        create table image_surfaces (
            image integer not null references images (id),
            from_run integer not null references runs (id),
            until_run integer references runs (id), body text not null,
            primary key (image, from_run)
        ) without rowid;
        create index idx_image_surfaces_now on image_surfaces (image) where until_run is null;
        create index idx_image_surfaces_fork on image_surfaces
            ({fork()}, from_run, until_run) where until_run is not null;
        """,
    )


@history_migrations()
def h012_described(db: Database) -> None:
    """Of each image, as its documents say it: the workload's maintainer, and what its environment
    asks for (JSON); null until a run has recorded it."""
    _create(
        db,
        """
        alter table images add column maintainer text;
        alter table images add column environment_requests text;
        """,
    )


@history_migrations()
def h013_requests(db: Database) -> None:
    """The files of a branch that say what images ask for, by path (JSON)."""
    _create(db, "alter table repository_files add column requests text not null default '{}'")


def _create(db: Database, script: str) -> None:
    """Run statements one by one: `executescript` would end the migration's transaction."""
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)
