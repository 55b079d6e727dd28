"""GitHub's deliveries of comments, Re-run buttons and merge queues."""

import pytest

from bot.forge.events import CommentEvent, MergeGroupEvent, RerunEvent
from bot.forge.github.events import carried_object, parse_event
from bot.forge.values import IgnoredEvent, PullRequestKey

REPOSITORY = {"id": 1, "full_name": "o/r"}
COMMENT = {
    "action": "created",
    "issue": {"number": 7, "pull_request": {"url": "u"}},
    "comment": {
        "id": 41,
        "user": {"login": "ann", "type": "User"},
        "body": "/minimize help",
        "updated_at": "2026-11-24T00:00:00Z",
        "html_url": "https://x/7#41",
    },
    "repository": REPOSITORY,
    "sender": {"login": "ann"},
}


def test_a_comment_on_a_pull_request_is_read_with_who_wrote_it() -> None:
    assert parse_event("gh", "issue_comment", COMMENT) == CommentEvent(
        key=PullRequestKey("gh", "o/r", 7),
        comment="41",
        author="ann",
        sender="ann",
        author_is_bot=False,
        body="/minimize help",
        action="created",
        updated="2026-11-24T00:00:00Z",
        url="https://x/7#41",
    )


def test_an_edited_comment_says_who_edited_it_and_a_bots_that_it_is_one() -> None:
    edited = {**COMMENT, "action": "edited", "sender": {"login": "maria"}}
    event = parse_event("gh", "issue_comment", edited)
    assert (event.action, event.author, event.sender) == ("edited", "ann", "maria")
    bot = {**COMMENT["comment"], "user": {"login": "minimize[bot]", "type": "Bot"}}
    assert parse_event("gh", "issue_comment", {**COMMENT, "comment": bot}).author_is_bot
    gone = {**COMMENT["comment"], "user": None}
    assert parse_event("gh", "issue_comment", {**COMMENT, "comment": gone}).author == ""


@pytest.mark.parametrize(
    "data", [{"action": "deleted"}, {"issue": {"number": 7}}, {"issue": {"number": 7, "x": None}}]
)
def test_deleted_comments_and_those_on_issues_are_ignored(data: dict) -> None:
    assert isinstance(parse_event("gh", "issue_comment", {**COMMENT, **data}), IgnoredEvent)


def test_two_versions_of_a_comment_are_two_objects_and_two_hooks_one() -> None:
    later = {**COMMENT, "comment": {**COMMENT["comment"], "updated_at": "later"}}
    assert carried_object("issue_comment", COMMENT) != carried_object("issue_comment", later)
    assert carried_object("issue_comment", COMMENT) == carried_object("issue_comment", COMMENT)


def test_a_rerun_names_our_check_although_a_forks_pull_requests_are_empty() -> None:
    run = {"external_id": "check-1", "head_sha": "a" * 40, "pull_requests": []}
    data = {
        "action": "rerequested",
        "check_run": run,
        "repository": REPOSITORY,
        "sender": {"login": "maria"},
    }
    expected = RerunEvent("gh", "o/r", "check-1", "a" * 40, "maria")
    assert parse_event("gh", "check_run", data) == expected
    assert isinstance(parse_event("gh", "check_run", {**data, "action": "created"}), IgnoredEvent)
    foreign = {**data, "check_run": {**run, "external_id": ""}}
    assert isinstance(parse_event("gh", "check_run", foreign), IgnoredEvent)


def test_a_rerun_of_a_whole_suite_names_the_commit_alone() -> None:
    data = {
        "action": "rerequested",
        "check_suite": {"head_sha": "a" * 40},
        "repository": REPOSITORY,
        "sender": {"login": "maria"},
    }
    expected = RerunEvent("gh", "o/r", None, "a" * 40, "maria")
    assert parse_event("gh", "check_suite", data) == expected
    asked = {**data, "action": "requested"}
    assert isinstance(parse_event("gh", "check_suite", asked), IgnoredEvent)


def test_a_merge_group_is_told_with_its_last_pull_request() -> None:
    group = {
        "head_sha": "c" * 40,
        "head_ref": f"refs/heads/gh-readonly-queue/main/pr-104-{'b' * 40}",
        "base_ref": "refs/heads/main",
    }
    data = {"action": "checks_requested", "merge_group": group, "repository": REPOSITORY}
    event = parse_event("gh", "merge_group", data)
    assert event == MergeGroupEvent(PullRequestKey("gh", "o/r", 104), "c" * 40, "refs/heads/main")
    gone = {**data, "action": "destroyed"}
    assert isinstance(parse_event("gh", "merge_group", gone), IgnoredEvent)
