"""The local forge's pages show a pull request to a person, and run nothing of it."""

import pytest

from bot.demo.forge.pages import markdown_html


def test_a_mermaid_block_is_kept_as_text_and_tables_are_drawn():
    html = markdown_html("| a | b |\n|---|---|\n| 1 | 2 |\n\n```mermaid\ngraph LR; a-->b\n```\n")
    assert "<table>" in html
    assert '<pre class="mermaid">graph LR; a--&gt;b' in html


async def get(world, session, path):
    async with session.get(world.forge.url + path) as answer:
        return answer.status, await answer.text(), answer.headers


async def test_a_pull_request_page_shows_the_comment_and_its_earlier_version(
    world, session, as_app
):
    url = "/repos/rpms/nginx/issues/1/comments"
    made = await as_app.post(url, data={"body": "**predicted** answer"})
    await as_app.patch(made["url"], data={"body": "**rebuilt** answer <script>x()</script>"})
    status, text, headers = await get(world, session, "/rpms/nginx/pull/1")
    assert status == 200
    assert "<strong>rebuilt</strong>" in text
    assert "<strong>predicted</strong>" in text
    assert "+Requires: perl" in text
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "rpms/nginx"),
        ("/rpms/nginx", "Need perl"),
        ("/rpms/nginx/pull/1.diff", "+Requires: perl"),
        ("/rpms/nginx/blob/xslt/nginx.spec", 'id="L6"'),
        ("/rpms/nginx/raw/xslt/nginx.spec", "Requires: perl"),
    ],
)
async def test_pages_that_a_comment_may_link_to_are_there(world, session, path, shown):
    status, text, _ = await get(world, session, path)
    assert status == 200
    assert shown in text


async def test_a_private_repository_has_no_page(world, session):
    world.forge.add_repository("rpms/secret", private=True)
    status, _, _ = await get(world, session, "/rpms/secret")
    assert status == 404
    _, front, _ = await get(world, session, "/")
    assert "secret" not in front


async def test_a_suggestion_is_shown_on_its_line_and_a_click_commits_it(world, session, as_app):
    body = "Saves 5 MB.\n\n```suggestion\nRecommends: perl\n```\n"
    text = world.repository.git.file(world.pull.head_sha, "nginx.spec").decode()
    number = text.split("\n").index("Requires: perl") + 1
    place = {"path": "nginx.spec", "line": number, "commit_id": world.pull.head_sha}
    made = await as_app.post("/repos/rpms/nginx/pulls/1/comments", data={"body": body, **place})
    _, page, _ = await get(world, session, "/rpms/nginx/pull/1")
    assert f"line {number}" in page
    assert '<pre class="suggestion">Recommends: perl' in page
    click = f"/rpms/nginx/pull/1/suggestions/{made['id']}"
    assert f'action="{click}"' in page
    async with session.post(world.forge.url + click, headers={"Origin": "https://x.example"}) as no:
        assert no.status == 403
    before = world.pull.head_sha
    headers = {"Origin": world.forge.url}
    async with session.post(world.forge.url + click, headers=headers) as answer:
        assert answer.status == 200
    await world.forge.settled()
    assert world.pull.head_sha != before
    now = world.repository.git.file(world.pull.head_sha, "nginx.spec").decode()
    assert now == text.replace("Requires: perl", "Recommends: perl")
    _, page, _ = await get(world, session, "/rpms/nginx/pull/1")
    assert "(outdated)" in page
    async with session.post(world.forge.url + click, headers=headers) as again:
        assert again.status == 409
