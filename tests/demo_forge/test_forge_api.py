"""The local forge answers gidgethub as GitHub does."""

from http import HTTPStatus

import gidgethub
import pytest
from gidgethub.aiohttp import GitHubAPI
from gidgethub.apps import get_jwt

PULL = "/repos/rpms/nginx/pulls/1"
COMMENTS = "/repos/rpms/nginx/issues/1/comments"


async def test_an_app_finds_its_installation_with_its_jwt(world, session):
    gh = GitHubAPI(session, "tests", base_url=world.forge.api_url)
    jwt = get_jwt(app_id=str(world.app.id), private_key=world.app.private_key)
    installation = await gh.getitem("/repos/rpms/nginx/installation", jwt=jwt)
    assert (installation["id"], installation["account"]["login"]) == (world.installation.id, "rpms")
    assert (await gh.getitem("/app", jwt=jwt))["slug"] == "minimize"


async def test_a_jwt_signed_with_another_key_is_refused(world, session):
    other = world.forge.add_app("other")
    gh = GitHubAPI(session, "tests", base_url=world.forge.api_url)
    jwt = get_jwt(app_id=str(world.app.id), private_key=other.private_key)
    with pytest.raises(gidgethub.BadRequest) as refused:
        await gh.getitem("/app", jwt=jwt)
    assert refused.value.status_code == HTTPStatus.UNAUTHORIZED


async def test_a_wrong_token_is_refused_and_an_unknown_repository_is_not_found(world, session):
    wrong = GitHubAPI(session, "tests", oauth_token="ghp_no", base_url=world.forge.api_url)
    with pytest.raises(gidgethub.BadRequest, match="Bad credentials"):
        await wrong.getitem(PULL)
    anonymous = GitHubAPI(session, "tests", base_url=world.forge.api_url)
    with pytest.raises(gidgethub.BadRequest) as missing:
        await anonymous.getitem("/repos/rpms/other")
    assert missing.value.status_code == HTTPStatus.NOT_FOUND


async def test_a_private_repository_is_hidden_from_strangers(world, as_user, as_app):
    world.forge.add_repository("rpms/secret", private=True)
    with pytest.raises(gidgethub.BadRequest) as hidden:
        await as_user("mallory").getitem("/repos/rpms/secret")
    assert hidden.value.status_code == HTTPStatus.NOT_FOUND
    assert (await as_app.getitem("/repos/rpms/secret"))["private"] is True


async def test_a_pull_request_says_its_two_commits_and_what_it_changes(world, as_user):
    gh = as_user(None)
    pull = await gh.getitem(PULL)
    assert pull["head"]["sha"] == world.repository.git.branch("xslt")
    assert pull["base"]["sha"] == world.repository.git.branch("main")
    assert (pull["commits"], pull["additions"], pull["changed_files"]) == (1, 1, 1)
    assert pull["user"]["login"] == "alice"
    assert pull["id"] > 2**31
    files = [file async for file in gh.getiter(PULL + "/files")]
    assert [(f["filename"], f["status"], f["additions"]) for f in files] == [
        ("nginx.spec", "modified", 1)
    ]
    assert "+Requires: perl" in files[0]["patch"]


async def test_comments_come_in_pages_that_link_to_each_other(world, as_user):
    gh = as_user("alice")
    for number in range(5):
        await gh.post(COMMENTS, data={"body": f"comment {number}"})
    listed = [comment["body"] async for comment in gh.getiter(COMMENTS + "?per_page=2")]
    assert listed == [f"comment {number}" for number in range(5)]
    asked = [path for method, path, _ in world.forge.requests if "per_page=2" in path]
    assert len(asked) == 3


async def test_an_edited_comment_keeps_its_id_and_its_earlier_text(world, as_app, as_user):
    created = await as_app.post(COMMENTS, data={"body": "predicted"})
    assert (created["user"]["login"], created["user"]["type"]) == ("minimize[bot]", "Bot")
    assert created["performed_via_github_app"]["slug"] == "minimize"
    edited = await as_app.patch(created["url"], data={"body": "rebuilt"})
    assert (edited["id"], edited["body"]) == (created["id"], "rebuilt")
    (comment,) = world.forge.state.comments_of(world.pull)
    assert [version.body for version in comment.versions] == ["predicted", "rebuilt"]
    with pytest.raises(gidgethub.BadRequest) as refused:
        await as_user("mallory").patch(created["url"], data={"body": "mine"})
    assert refused.value.status_code == HTTPStatus.FORBIDDEN
    await as_user("maria").delete(created["url"])
    assert world.forge.state.comments_of(world.pull) == []


async def test_a_comment_beyond_the_limit_and_an_empty_one_are_refused(world, as_user):
    gh = as_user("alice")
    await gh.post(COMMENTS, data={"body": "x" * 65_536})
    with pytest.raises(gidgethub.ValidationError, match="maximum is 65536"):
        await gh.post(COMMENTS, data={"body": "x" * 65_537})
    with pytest.raises(gidgethub.InvalidField, match="body"):
        await gh.post(COMMENTS, data={"body": " "})
    with pytest.raises(gidgethub.BadRequest, match="Requires authentication"):
        await as_user(None).post(COMMENTS, data={"body": "x"})


async def test_the_same_reaction_twice_is_one(world, as_user, as_app):
    created = await as_user("alice").post(COMMENTS, data={"body": "/minimize check"})
    for _ in range(2):
        await as_app.post(created["url"] + "/reactions", data={"content": "eyes"})
    (reaction,) = world.forge.state.comments[0].reactions
    assert (reaction.content, reaction.user.login) == ("eyes", "minimize[bot]")
    (listed,) = [comment async for comment in as_app.getiter(COMMENTS)]
    assert listed["reactions"]["eyes"] == 1
    with pytest.raises(gidgethub.InvalidField):
        await as_app.post(created["url"] + "/reactions", data={"content": "shrug"})


async def test_only_apps_write_check_runs(world, as_user, as_app):
    runs = "/repos/rpms/nginx/check-runs"
    data = {"name": "minimize", "head_sha": world.pull.head_sha, "status": "in_progress"}
    with pytest.raises(gidgethub.BadRequest, match="via a GitHub App"):
        await as_user("maria").post(runs, data=data)
    run = await as_app.post(runs, data=data)
    assert (run["status"], run["conclusion"]) == ("in_progress", None)
    output = {"title": "One package more", "summary": "perl"}
    done = await as_app.patch(run["url"], data={"conclusion": "success", "output": output})
    assert (done["status"], done["conclusion"]) == ("completed", "success")
    assert done["output"]["title"] == "One package more"
    assert done["completed_at"] is not None
    url = f"/repos/rpms/nginx/commits/{world.pull.head_sha}/check-runs?check_name=minimize"
    listed = [entry async for entry in as_app.getiter(url, iterable_key="check_runs")]
    assert [entry["id"] for entry in listed] == [run["id"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"status": "completed"}, "conclusion"),
        ({"conclusion": "fine"}, "conclusion"),
        ({"output": {"title": "no summary"}}, "summary"),
        ({"output": {"title": "t", "summary": "x" * 65_536}}, "65535"),
    ],
)
async def test_a_check_run_that_github_would_not_take_is_refused(world, as_app, change, field):
    data = {"name": "minimize", "head_sha": world.pull.head_sha, **change}
    with pytest.raises((gidgethub.InvalidField, gidgethub.ValidationError), match=field):
        await as_app.post("/repos/rpms/nginx/check-runs", data=data)
    assert world.forge.state.check_runs == []


async def test_the_newest_status_of_a_context_counts(world, as_user):
    gh = as_user("maria")
    for state in ("pending", "success"):
        await gh.post(
            f"/repos/rpms/nginx/statuses/{world.pull.head_sha}",
            data={"state": state, "context": "minimize", "description": state},
        )
    combined = await gh.getitem(f"/repos/rpms/nginx/commits/{world.pull.head_sha}/status")
    assert (combined["state"], combined["total_count"]) == ("success", 1)
    with pytest.raises(gidgethub.BadRequest):
        await as_user("mallory").post(
            f"/repos/rpms/nginx/statuses/{world.pull.head_sha}", data={"state": "success"}
        )


@pytest.mark.parametrize(
    ("role", "folded"), [("triage", "read"), ("maintain", "write"), ("admin", "admin")]
)
async def test_a_permission_names_the_role(world, as_app, role, folded):
    world.forge.set_role(world.repository, "tom", role)
    answer = await as_app.getitem("/repos/rpms/nginx/collaborators/tom/permission")
    assert (answer["permission"], answer["role_name"]) == (folded, role)
    stranger = await as_app.getitem("/repos/rpms/nginx/collaborators/alice/permission")
    assert stranger["role_name"] == "read"


async def test_an_app_without_a_permission_may_not(world, session, as_app):
    world.app.permissions["pull_requests"] = "read"
    with pytest.raises(gidgethub.BadRequest, match="not accessible by integration"):
        await as_app.post(COMMENTS, data={"body": "x"})
    assert await as_app.getitem(PULL)


async def test_a_planned_failure_comes_once(world, as_user):
    world.forge.fail_next("/comments", 403, message="secondary rate limit", headers={
        "Retry-After": "1", "X-RateLimit-Remaining": "0",
    })  # fmt: skip
    gh = as_user("alice")
    with pytest.raises(gidgethub.RateLimitExceeded):
        await gh.post(COMMENTS, data={"body": "x"})
    assert await gh.post(COMMENTS, data={"body": "x"})


async def test_a_token_for_one_repository_is_no_good_for_another(world, session):
    world.forge.add_repository("rpms/secret", private=True)
    jwt = get_jwt(app_id=str(world.app.id), private_key=world.app.private_key)
    gh = GitHubAPI(session, "tests", base_url=world.forge.api_url)
    url = f"/app/installations/{world.installation.id}/access_tokens"
    token = await gh.post(url, data={"repositories": ["nginx"]}, jwt=jwt)
    assert [repository["name"] for repository in token["repositories"]] == ["nginx"]
    with pytest.raises(gidgethub.BadRequest) as hidden:
        await gh.getitem("/repos/rpms/secret", oauth_token=token["token"])
    assert hidden.value.status_code == HTTPStatus.NOT_FOUND
    await gh.post(COMMENTS, data={"body": "x"}, oauth_token=token["token"])
    with pytest.raises(gidgethub.HTTPException) as unknown:
        await gh.post(url, data={"repositories": ["gone"]}, jwt=jwt)
    assert unknown.value.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
