"""GitHub's REST API: one comment, one status, patience, and errors in our words."""

import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.forge.github.app import parsed_key
from bot.forge.values import ForgeError, ForgeRefusedError, PullRequestKey, StatusReport
from bot.report.annotations import Annotation

REPOSITORY = {"full_name": "o/r", "id": 1001}
KEY = PullRequestKey("gh", "o/r", 7)
MARKER = "<!-- minimize -->"
SHA = "a" * 40
PATH = "/repos/o/r/pulls/7"


def comment(number: int, login: str, body: str = MARKER) -> dict:
    return {
        "id": number,
        "html_url": f"https://x/7#{number}",
        "body": body,
        "user": {"login": login},
    }


async def test_our_comment_is_found_on_the_second_page_and_a_strangers_never(forge, tiny) -> None:
    comments = [comment(n, "human", "hello") for n in range(1, 100)]
    comments += [comment(100, "stranger"), comment(101, "Minimize-Bot"), comment(102, "human")]
    tiny.lists["/repos/o/r/issues/7/comments"] = comments
    found = await forge.find_comment(KEY, MARKER)
    assert found is not None
    assert found.id == "101"
    tiny.lists["/repos/o/r/issues/7/comments"] = [*comments[:100], dict(comments[0], user=None)]
    assert await forge.find_comment(KEY, MARKER) is None


async def test_a_comment_is_edited_and_the_same_text_is_not_written_again(forge, tiny) -> None:
    tiny.lists["/repos/o/r/issues/7/comments"] = [comment(5, "minimize-bot", MARKER + "old")]
    tiny.answer("PATCH", "/repos/o/r/issues/comments/5", comment(5, "minimize-bot", "new"))
    await forge.put_comment(KEY, MARKER, MARKER + "old")
    assert tiny.seen("PATCH", "/repos/o/r/issues/comments/5") == []
    await forge.put_comment(KEY, MARKER, MARKER + "new")
    assert tiny.seen("PATCH", "/repos/o/r/issues/comments/5") == [{"body": MARKER + "new"}]
    assert tiny.seen("POST", "/repos/o/r/issues/7/comments") == []


def hidden(reason: str) -> dict:
    more = {"node_id": "IC_5", "minimized": {"reason": reason}}
    return {**comment(5, "minimize-bot", MARKER + "new"), **more}


async def test_a_comment_hidden_as_outdated_is_shown_again_with_its_new_text(forge, tiny) -> None:
    tiny.lists["/repos/o/r/issues/7/comments"] = [comment(5, "minimize-bot", MARKER + "old")]
    tiny.answer("PATCH", "/repos/o/r/issues/comments/5", hidden("outdated"))
    tiny.answer("POST", "/graphql", {"data": {"unminimizeComment": {"clientMutationId": None}}})
    await forge.put_comment(KEY, MARKER, MARKER + "new")
    (asked,) = tiny.seen("POST", "/graphql")
    assert "unminimizeComment" in asked["query"]
    assert asked["variables"] == {"comment": "IC_5"}


@pytest.mark.parametrize("reason", ["off-topic", "spam", "resolved"])
async def test_a_comment_that_somebody_does_not_want_stays_hidden(forge, tiny, reason) -> None:
    tiny.lists["/repos/o/r/issues/7/comments"] = [comment(5, "minimize-bot", MARKER + "old")]
    tiny.answer("PATCH", "/repos/o/r/issues/comments/5", hidden(reason))
    await forge.put_comment(KEY, MARKER, MARKER + "new")
    assert tiny.seen("POST", "/graphql") == []


@pytest.mark.parametrize(
    "answer",
    [(200, {}, {"data": None, "errors": [{"message": "Not yours."}]}),
     (403, {}, {"message": "Resource not accessible by integration"})],
)  # fmt: skip
async def test_a_comment_that_cannot_be_shown_again_is_edited_all_the_same(
    forge, tiny, caplog, answer
) -> None:
    tiny.lists["/repos/o/r/issues/7/comments"] = [comment(5, "minimize-bot", MARKER + "old")]
    tiny.answer("PATCH", "/repos/o/r/issues/comments/5", hidden("outdated"))
    tiny.answer("POST", "/graphql", answer)
    edited = await forge.put_comment(KEY, MARKER, MARKER + "new")
    assert edited.body == MARKER + "new"
    assert "is edited and stays hidden" in caplog.text


async def test_of_two_comments_made_at_once_the_first_stays(forge, tiny) -> None:
    path = "/repos/o/r/issues/7/comments"
    tiny.lists[path] = []

    def create(body: dict) -> tuple:
        tiny.lists[path] = [comment(8, "minimize-bot"), comment(9, "minimize-bot")]
        return 201, {}, comment(9, "minimize-bot")

    tiny.answer("POST", path, create)
    tiny.answer("DELETE", "/repos/o/r/issues/comments/9", (204, {}, None))
    made = await forge.put_comment(KEY, MARKER, MARKER)
    assert made.id == "8"
    assert len(tiny.seen("DELETE", "/repos/o/r/issues/comments/9")) == 1


async def test_a_comment_without_its_marker_is_refused(forge) -> None:
    with pytest.raises(ValueError, match="marker"):
        await forge.put_comment(KEY, MARKER, "no marker")


async def test_the_pull_request_and_its_files_as_they_are_now(forge, tiny) -> None:
    tiny.answer(
        "GET",
        "/repos/o/r/pulls/7",
        {
            "title": "Add perl",
            "user": {"login": "ann", "type": "User"},
            "state": "open",
            "html_url": "https://x/7",
            "base": {"ref": "main", "sha": "b" * 40, "repo": {"private": True}},
            "head": {"sha": SHA, "repo": None},
        },
    )
    pull = await forge.pull_request(KEY)
    assert (pull.head_sha, pull.base_ref, pull.author, pull.private) == (SHA, "main", "ann", True)
    assert pull.head_repository is None
    tiny.page_size = 1
    tiny.lists["/repos/o/r/pulls/7/files"] = [
        {"filename": "b.spec", "previous_filename": "a.spec"},
        {"filename": "x.patch"},
    ]
    files = await forge.changed_files(KEY)
    assert [(f.path, f.old_path) for f in files] == [("b.spec", "a.spec"), ("x.patch", None)]
    source = await forge.source(KEY, pull.base_ref)
    assert source.url == tiny.url + "/o/r.git"
    assert source.refs == ("refs/pull/7/head", "refs/heads/main")
    assert "s3cret" not in repr(source)
    assert source.credential is not None
    assert source.credential.secret == "s3cret"


async def test_a_token_sets_commit_statuses_once(forge, tiny) -> None:
    tiny.lists[f"/repos/o/r/commits/{SHA}/statuses"] = []
    tiny.answer("POST", f"/repos/o/r/statuses/{SHA}", lambda body: (201, {}, body))
    report = StatusReport("c1", "neutral", "the mirror is away " * 20, "text", "https://m/c1")
    await forge.set_status(KEY, SHA, report)
    (sent,) = tiny.seen("POST", f"/repos/o/r/statuses/{SHA}")
    assert sent["state"] == "success"
    assert sent["description"].startswith("not evaluated: the mirror")
    assert len(sent["description"]) == 140
    assert (sent["context"], sent["target_url"]) == ("minimize", "https://m/c1")
    tiny.lists[f"/repos/o/r/commits/{SHA}/statuses"] = [{"context": "other"}, sent]
    await forge.set_status(KEY, SHA, report)
    assert len(tiny.seen("POST", f"/repos/o/r/statuses/{SHA}")) == 1


async def test_a_commit_status_that_a_person_must_allow_stays_pending(forge, tiny) -> None:
    tiny.lists[f"/repos/o/r/commits/{SHA}/statuses"] = []
    tiny.answer("POST", f"/repos/o/r/statuses/{SHA}", lambda body: (201, {}, body))
    await forge.set_status(KEY, SHA, StatusReport("c1", "action_required", "Not built"))
    (sent,) = tiny.seen("POST", f"/repos/o/r/statuses/{SHA}")
    assert (sent["state"], sent["description"]) == ("pending", "Not built")


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def app_forge(forge_on, tiny, private_key):
    pem = private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    tiny.answer("GET", "/app", {"slug": "minimize"})
    tiny.answer("GET", "/repos/o/r/installation", {"id": 42})
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    made = {"token": "inst", "expires_at": later}
    tiny.answer("POST", "/app/installations/42/access_tokens", (201, {}, made))
    tiny.answer("GET", "/repos/o/r", {"id": 1001})
    made = forge_on(app=("1", pem))
    hook = {"zen": "x", "repository": REPOSITORY, "installation": {"id": 42}}
    made.event("ping", json.dumps(hook).encode())
    return made


async def test_an_app_makes_one_check_run_and_edits_it(app_forge, tiny, private_key) -> None:
    path = f"/repos/o/r/commits/{SHA}/check-runs"
    tiny.lists[path] = []
    tiny.answer("POST", "/repos/o/r/check-runs", lambda body: (201, {}, {"id": 2}))
    tiny.answer("PATCH", "/repos/o/r/check-runs/2", {"id": 2})
    await app_forge.set_status(KEY, SHA, StatusReport("c1", "pending", "working"))
    (sent,) = tiny.seen("POST", "/repos/o/r/check-runs")
    assert (sent["status"], sent["head_sha"], sent["external_id"]) == ("in_progress", SHA, "c1")
    assert "conclusion" not in sent
    tiny.lists[path].append({"id": 2, "name": "minimize", "external_id": "c1"})
    # One for a commit: also of another check of it.
    await app_forge.set_status(KEY, SHA, StatusReport("c2", "neutral", "mirror away"))
    (edited,) = tiny.seen("PATCH", "/repos/o/r/check-runs/2")
    assert (edited["status"], edited["conclusion"]) == ("completed", "neutral")
    await app_forge.set_status(KEY, SHA, StatusReport("c1", "action_required", "Not built"))
    edited = tiny.seen("PATCH", "/repos/o/r/check-runs/2")[-1]
    assert (edited["status"], edited["conclusion"]) == ("completed", "action_required")
    # One token for all of it, asked for with a JWT of the App, for this repository alone.
    path = "/app/installations/42/access_tokens"
    assert tiny.seen("POST", path) == [{"repository_ids": [1001]}]
    bearer = next(a for m, p, _, a in tiny.requests if p == path)
    claims = jwt.decode(
        bearer.removeprefix("bearer "), private_key.public_key(), algorithms=["RS256"]
    )
    assert claims["iss"] == "1"


async def test_an_app_s_key_is_read_once_for_many_requests(
    app_forge, tiny, private_key, monkeypatch
) -> None:
    read: list[bytes] = []
    monkeypatch.setattr(
        "bot.forge.github.app.load_pem_private_key",
        lambda pem, _password: (read.append(pem), private_key)[1],
    )
    parsed_key.cache_clear()
    tiny.lists["/repos/o/r/pulls/7/files"] = []
    for _ in range(3):
        await app_forge.login()
        await app_forge.changed_files(KEY)
    assert len(read) == 1


async def test_an_app_s_key_that_is_none_is_an_error_with_its_remedy(forge_on, tiny) -> None:
    with pytest.raises(ForgeError, match=r"private key cannot be read.*Make a new one") as raised:
        await forge_on(app=("1", "-----BEGIN RSA PRIVATE KEY-----\nx\n")).login()
    assert "BEGIN" not in str(raised.value)


async def test_an_app_whose_check_runs_are_refused_uses_statuses(app_forge, tiny) -> None:
    said = {"message": "Resource not accessible by integration"}
    tiny.answer("GET", f"/repos/o/r/commits/{SHA}/check-runs", (403, {}, said))
    tiny.lists[f"/repos/o/r/commits/{SHA}/statuses"] = []
    tiny.answer("POST", f"/repos/o/r/statuses/{SHA}", lambda body: (201, {}, body))
    for _ in range(2):
        await app_forge.set_status(KEY, SHA, StatusReport("c1", "success", "fine"))
    assert len(tiny.seen("POST", f"/repos/o/r/statuses/{SHA}")) == 2
    # Asked twice, for it may pass, and then no more for this commit.
    assert len(tiny.seen("GET", f"/repos/o/r/commits/{SHA}/check-runs")) == 2


async def test_an_installation_token_is_renewed_before_it_expires(app_forge, tiny) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    path = "/app/installations/42/access_tokens"
    tiny.answer("POST", path, (201, {}, {"token": "t", "expires_at": soon}))
    tiny.lists["/repos/o/r/pulls/7/files"] = []
    await app_forge.changed_files(KEY)
    await app_forge.changed_files(KEY)
    assert len(tiny.seen("POST", path)) == 2


@pytest.mark.parametrize(
    ("answer", "role"),
    [
        ({"permission": "write", "role_name": "maintain"}, "maintain"),
        ({"permission": "read", "role_name": "triage"}, "triage"),
        ({"permission": "write", "role_name": "release captains"}, "write"),
        (
            {
                "permission": "read",
                "role_name": "issue keepers",
                "user": {"permissions": {"pull": True, "triage": True, "push": False}},
            },
            "triage",
        ),
        (
            {
                "permission": "write",
                "role_name": "release captains",
                "user": {"permissions": {"pull": True, "push": True, "maintain": True}},
            },
            "maintain",
        ),
        ({"permission": "none", "role_name": ""}, "none"),
        ((404, {}, {"message": "gone"}), "none"),
    ],
)
async def test_roles_and_custom_roles(forge, tiny, answer, role) -> None:
    tiny.answer("GET", "/repos/o/r/collaborators/ann/permission", answer)
    assert await forge.role_of(KEY, "ann") == role


async def test_members_of_a_team_and_those_who_are_only_asked_to_join(forge, tiny) -> None:
    path = "/orgs/fedora/teams/packagers/memberships"
    tiny.answer("GET", f"{path}/ann", {"state": "active", "role": "member"})
    tiny.answer("GET", f"{path}/bob", {"state": "pending", "role": "member"})
    found = [await forge.is_member(KEY, "fedora/packagers", who) for who in ("ann", "bob", "zoe")]
    assert found == [True, False, False]
    tiny.answer("GET", f"{path}/eve", (403, {}, {"message": "Resource not accessible"}))
    with pytest.raises(ForgeRefusedError):
        await forge.is_member(KEY, "fedora/packagers", "eve")


async def test_a_hostile_user_name_stays_one_path_segment(forge, tiny) -> None:
    assert await forge.role_of(KEY, "../../x{y}") == "none"
    assert tiny.raw_paths[-1] == "/repos/o/r/collaborators/..%2F..%2Fx%7By%7D/permission"


async def test_a_reaction(forge, tiny) -> None:
    tiny.answer("POST", "/repos/o/r/issues/comments/5/reactions", {"id": 1})
    await forge.react(KEY, "5", "eyes")
    assert tiny.seen("POST", "/repos/o/r/issues/comments/5/reactions") == [{"content": "eyes"}]


def remarks(number: int) -> tuple[Annotation, ...]:
    return tuple(Annotation("nginx.spec", n, "t", f"line {n}") for n in range(1, number + 1))


async def test_annotations_go_fifty_at_a_time_and_none_twice(app_forge, tiny) -> None:
    path = f"/repos/o/r/commits/{SHA}/check-runs"
    tiny.lists[path] = []
    tiny.answer("POST", "/repos/o/r/check-runs", lambda body: (201, {}, {"id": 2}))
    tiny.answer("PATCH", "/repos/o/r/check-runs/2", {"id": 2})

    def sent(method: str, where: str) -> list[int]:
        bodies = tiny.seen(method, where)
        return [len(body["output"].get("annotations", ())) for body in bodies]

    report = StatusReport("c1", "success", "t", annotations=remarks(120))
    await app_forge.set_status(KEY, SHA, report)
    assert sent("POST", "/repos/o/r/check-runs") == [50]
    assert sent("PATCH", "/repos/o/r/check-runs/2") == [50, 20]
    # The try before this one got as far as a hundred.
    run = {"id": 2, "name": "minimize", "external_id": "c1", "output": {"annotations_count": 100}}
    tiny.lists[path] = [run]
    await app_forge.set_status(KEY, SHA, report)
    assert sent("PATCH", "/repos/o/r/check-runs/2") == [50, 20, 20]
    last = tiny.seen("PATCH", "/repos/o/r/check-runs/2")[-1]["output"]["annotations"][-1]
    assert (last["start_line"], last["end_line"], last["message"]) == (120, 120, "line 120")
    run["output"]["annotations_count"] = 120
    await app_forge.set_status(KEY, SHA, report)
    assert sent("PATCH", "/repos/o/r/check-runs/2")[-1] == 0


async def test_the_text_of_the_run_that_came_last_stays_whoever_made_the_comment(
    forge, tiny
) -> None:
    path = "/repos/o/r/issues/7/comments"
    tiny.lists[path] = []

    def create(body: dict) -> tuple:
        tiny.lists[path] = [comment(8, "minimize-bot", MARKER + "old"), comment(9, "minimize-bot")]
        return 201, {}, comment(9, "minimize-bot")

    tiny.answer("POST", path, create)
    tiny.answer("DELETE", "/repos/o/r/issues/comments/9", (204, {}, None))
    tiny.answer("PATCH", "/repos/o/r/issues/comments/8", comment(8, "minimize-bot", "new"))
    await forge.put_comment(KEY, MARKER, MARKER + "new")
    assert tiny.seen("PATCH", "/repos/o/r/issues/comments/8") == [{"body": MARKER + "new"}]


async def test_duplicates_of_an_earlier_race_go_with_the_next_edit(forge, tiny) -> None:
    path = "/repos/o/r/issues/7/comments"
    tiny.lists[path] = [comment(8, "minimize-bot", MARKER), comment(9, "minimize-bot", MARKER)]
    tiny.answer("DELETE", "/repos/o/r/issues/comments/9", (404, {}, {"message": "gone already"}))
    await forge.put_comment(KEY, MARKER, MARKER)
    assert len(tiny.seen("DELETE", "/repos/o/r/issues/comments/9")) == 1


def issued(name: str) -> tuple:
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    return 201, {}, {"token": name, "expires_at": later}


async def test_a_token_that_was_revoked_is_renewed_once(app_forge, tiny) -> None:
    path = "/repos/o/r/issues/comments/5/reactions"
    tiny.answer("POST", "/app/installations/42/access_tokens", issued("first"), issued("second"))
    tiny.answer("POST", path, (401, {}, {"message": "Bad credentials"}), (201, {}, {"id": 1}))
    await app_forge.react(KEY, "5", "eyes")
    used = [a for m, p, _, a in tiny.requests if (m, p) == ("POST", path)]
    assert used == ["token first", "token second"]
    # The new one is kept.
    await app_forge.react(KEY, "5", "+1")
    assert len(tiny.seen("POST", "/app/installations/42/access_tokens")) == 2


async def test_credentials_that_never_work_are_refused_and_not_asked_for_ever(
    app_forge, tiny
) -> None:
    tiny.answer("GET", PATH, (401, {}, {"message": "Bad credentials"}))
    with pytest.raises(ForgeRefusedError):
        await app_forge.pull_request(KEY)
    assert len(tiny.seen("GET", PATH)) == 2


async def test_other_permissions_of_the_installation_make_a_new_token(app_forge, tiny) -> None:
    tiny.lists["/repos/o/r/pulls/7/files"] = []
    await app_forge.changed_files(KEY)
    changed = {"action": "new_permissions_accepted", "installation": {"id": 42}}
    app_forge.event("installation", json.dumps(changed).encode())
    await app_forge.changed_files(KEY)
    made = tiny.seen("POST", "/app/installations/42/access_tokens")
    assert made.count({"repository_ids": [1001]}) == 2
