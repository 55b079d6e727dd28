"""A server of Debian's Pagure: run by the system's Python, in a folder of its own, for the tests.

    python3 serve_pagure.py FOLDER USER...

Prints one line of JSON: the address, and a token of each user. What Pagure hands to its worker is
done by one thread of this process, in order, so neither a broker nor a worker is needed; what its
hook would do of a push is done by `POST /-/pushed`.
"""

from __future__ import annotations

import datetime
import gc
import json
import logging
import os
import socket
import sys
import traceback
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

ROOT, USERS = Path(sys.argv[1]), sys.argv[2:]
SOCKET = socket.create_server(("127.0.0.1", 0))
URL = f"http://127.0.0.1:{SOCKET.getsockname()[1]}"
CONFIG = f"""\
SECRET_KEY = {"x" * 32!r}
SALT_EMAIL = "salt"
DB_URL = "sqlite:///{ROOT}/pagure.sqlite"
APP_URL = "{URL}/"
GIT_FOLDER = "{ROOT}/repositories"
REMOTE_GIT_FOLDER = "{ROOT}/remotes"
ATTACHMENTS_FOLDER = "{ROOT}/attachments"
UPLOAD_FOLDER_PATH = "{ROOT}/releases"
REPOSPANNER_PSEUDO_FOLDER = "{ROOT}/pseudo"
GIT_AUTH_BACKEND = "test_auth"
HTTP_REPO_ACCESS_GITOLITE = None
ALLOW_HTTP_PULL_PUSH = True
ALLOWED_PREFIX = ["rpms"]
# A cache in memory for results; nobody connects to it as a broker.
BROKER_URL = "cache+memory://"
LOGGING = {{"version": 1, "disable_existing_loggers": True}}
"""


def prepare() -> None:
    """Write the settings, and leave hooks and waiting for the disk out."""
    for folder in ("repositories", "remotes", "attachments", "releases", "pseudo"):
        (ROOT / folder).mkdir(parents=True)
    (ROOT / "pagure.cfg").write_text(CONFIG)
    git = f"[core]\n\thooksPath = {os.devnull}\n\tfsync = none\n[safe]\n\tdirectory = *\n"
    (ROOT / "gitconfig").write_text(git)
    places = {"PAGURE_CONFIG": ROOT / "pagure.cfg", "GIT_CONFIG_GLOBAL": ROOT / "gitconfig"}
    os.environ.update({name: str(path) for name, path in places.items()})
    warnings.simplefilter("ignore")


prepare()

import flask  # noqa: E402 - Pagure reads its settings at its import
from celery.app.task import Task  # noqa: E402
from pagure.config import config  # noqa: E402
from pagure.flask_app import create_app  # noqa: E402
from pagure.hooks.default import DefaultRunner  # noqa: E402
from pagure.lib import model, query  # noqa: E402
from sqlalchemy import event  # noqa: E402
from sqlalchemy.engine import Engine  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

WORKER = ThreadPoolExecutor(1)


class Queued:
    """A task on its way through the worker."""

    id = "0"

    def __init__(self, done: Future) -> None:
        self.done = done

    def get(self, *_: object, **__: object) -> object:
        return self.done.result().get()


@event.listens_for(Engine, "connect")
def _quick(connection, _) -> None:
    connection.execute("pragma synchronous = off")


def make_users() -> dict[str, str]:
    """Make the database and the users; a token of each, with every ACL."""
    model.create_tables(config["DB_URL"], acls=config["ACLS"])
    session = query.create_session(config["DB_URL"])
    tokens = {}
    for name in USERS:
        query.set_up_user(session, name, name.title(), f"{name}@example.org")
        until = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=30)
        acls = [acl for acl in config["ACLS"] if acl in config["USER_ACLS"]]
        session.flush()
        query.add_token_to_user(session, None, acls, name, expiration_date=until)
        session.commit()
        tokens[name] = query.get_user(session, name).tokens[0].id
    return tokens


def pushed() -> str:
    """Do what the hook of a push does; fields: project, pusher, branch, before, after."""
    told = flask.request.get_json()
    namespace, _, name = told["project"].rpartition("/")
    parts = namespace.split("/")
    fork = parts[1] if parts[0] == "forks" else None
    session = flask.g.session
    project = query._get_project(session, name, user=fork, namespace=parts[-1] or None)
    change = {f"refs/heads/{told['branch']}": (told["before"], told["after"])}
    folder = project.repopath("main")
    try:
        DefaultRunner.post_receive(session, told["pusher"], project, "main", folder, change, None)
    except Exception:
        traceback.print_exc()  # which Pagure's own page of errors hides
        raise
    return "done"


def make_group() -> str:
    """Make a group, as its page does, for fields `name`, `user`, `members`."""
    told, session = flask.request.get_json(), flask.g.session
    query.add_group(
        session, told["name"], told["name"], None, "user", told["user"], is_admin=False,
        blacklist=[],
    )  # fmt: skip
    session.commit()
    group = query.search_groups(session, group_name=told["name"])
    for member in told["members"]:
        query.add_user_to_group(session, member, group, told["user"], is_admin=False)
    session.commit()
    return "done"


def settled() -> str:
    """Wait until the worker has done all that it was given, and what that gave it in turn."""
    for _ in range(5):
        WORKER.submit(int).result()
    return "done"


def as_text(plain):
    """Pagure writes the headers of git's answers as Python shows bytes, `b'...'`: without that."""

    def whole(environ, start_response):
        def start(status, headers, *more):
            texts = [(k, v[2:-1] if v.startswith("b'") else v) for k, v in headers]
            return start_response(status, texts, *more)

        return plain(environ, start)

    return whole


class Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


Task.apply_async = lambda task, args=None, kwargs=None, **_: Queued(
    WORKER.submit(task.apply, args, kwargs)
)
tokens = make_users()
app = create_app()
app.add_url_rule("/-/pushed", view_func=pushed, methods=["POST"])
app.add_url_rule("/-/group", view_func=make_group, methods=["POST"])
app.add_url_rule("/-/settled", view_func=settled)
logging.disable(logging.CRITICAL)
# Pagure collects garbage after each request and each task: most of their time.
gc.collect = lambda *_: 0
app.wsgi_app = as_text(app.wsgi_app)
server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, fd=SOCKET.fileno())
answers = sys.stdout
sys.stdout = sys.stderr  # hooks print
print(json.dumps({"url": URL, "tokens": tokens}), file=answers, flush=True)
server.serve_forever()
