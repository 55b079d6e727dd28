"""Comments through the dispatcher and the engine: what is obeyed, answered, refused."""

import threading

import pytest
from dbos import DBOS

from bot.errors import SurroundingsError
from bot.store.commands import Commands

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
OTHER = {"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"}
LATER = "2999-01-01T00:00:00Z"


async def checked(bot, files=SPEC) -> str:
    head = bot.push(files)
    await bot.deliver()
    await bot.settled()
    return head


async def answered(bot, count: int = 1) -> str:
    await bot.until(lambda: len(bot.forge.answers()) >= count)
    return bot.forge.answers()[-1]


async def test_help_is_taken_and_answered_once_for_the_same_comment(bot) -> None:
    await checked(bot)
    assert (await bot.comment("/minimize help"))[0] == "done"
    text = await answered(bot)
    assert "`/minimize what-if drop CAPABILITY [from PACKAGE]`" in text
    assert bot.forge.reactions == [("41", "eyes")]
    state, reason = await bot.comment("/minimize help\n\nand thanks", action="edited")
    assert (state, reason) == ("ignored", "The comment has no new command.")
    assert len(bot.forge.answers()) == 1


async def test_several_commands_are_answered_in_one_comment(bot) -> None:
    await checked(bot)
    await bot.comment("/minimize why perl\n/minimize what-if drop perl\n/minimize chek\n")
    text = await answered(bot)
    assert "`/minimize why perl`" in text
    assert "nothing would leave" in text
    assert "Did you mean check" in text
    assert text.startswith("<!-- minimize:answer ")
    assert len(bot.forge.answers()) == 1
    assert bot.checker.calls.count(("ask", bot.forge.pull.head_sha)) == 1


async def test_the_same_question_of_the_same_user_has_one_answer_that_is_edited(bot) -> None:
    await checked(bot)
    await bot.comment("/minimize why perl", comment="41")
    assert "https://forge/7#41" in await answered(bot)
    await bot.comment("/minimize   why perl", comment="42")
    await bot.until(lambda: "https://forge/7#42" in bot.forge.answers()[0])
    assert len(bot.forge.answers()) == 1
    await bot.comment("/minimize why zlib", comment="43")
    await answered(bot, 2)


async def test_an_edited_comment_is_obeyed_for_its_new_command_alone(bot) -> None:
    await checked(bot)
    await bot.comment("/minimize why perl")
    await answered(bot)
    await bot.comment("/minimize why perl\n/minimize objectives", action="edited")
    text = await answered(bot, 2)
    assert "objectives" in text
    assert "why perl" not in text


@pytest.mark.parametrize(
    "more",
    [
        {"author_is_bot": True},
        {"sender": "somebody"},
        {"author": "", "sender": ""},
        {"text": "<!-- minimize:comment -->\n/minimize help"},
        {"text": "<!-- minimize:answer 1 ab -->\n/minimize help"},
        {"text": "> /minimize help"},
        {"text": "nothing of ours"},
    ],
)
async def test_bots_own_and_others_words_are_not_obeyed(bot, more: dict) -> None:
    bot.push(SPEC)
    text = more.pop("text", "/minimize help")
    state, reason = await bot.comment(text, **more)
    assert (state, bool(reason)) == ("ignored", True)
    assert bot.forge.comments == bot.forge.reactions == []


async def test_check_runs_again_and_says_so_with_a_reaction_alone(bot) -> None:
    head = await checked(bot)
    await bot.comment("/minimize check", "ann")
    await bot.settled()
    await bot.until(lambda: bot.forge.reactions == [("41", "eyes")])
    assert bot.checker.calls.count(("predict", head)) == 2
    assert bot.forge.answers() == []
    assert [check.stage for check in bot.checks()] == ["final", "final"]


async def test_check_leaves_a_run_of_the_same_commit_alone(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.comment("/minimize check", "ann")
    assert len(bot.checks()) == 1
    bot.checker.hold[head].set()
    await bot.settled()


async def test_a_narrowed_check_answers_by_itself_and_leaves_status_and_comment(bot) -> None:
    head = await checked(bot)
    states, comments = list(bot.forge.statuses), list(bot.forge.comments)
    await bot.comment("/minimize check nginx --arch s390x", "ann")
    await bot.settled()
    text = await answered(bot)
    first = text.split("\n")[1]
    assert first.startswith("**Checked alone, as requested:** the workload `nginx`, on s390x.")
    assert "The change touches no such image on s390x." in first  # what is checked has x86\_64
    assert "The status of the commit is that of the whole check." in first
    assert bot.forge.statuses == states
    later = [body for _, body in bot.forge.comments[len(comments) :]]
    assert {body.split("\n")[0] for body in later} == {text.split("\n")[0]}
    narrowed = bot.checks()[-1]
    assert narrowed.narrowed
    assert bot.store.comment("gh", "o/r", 7).check_id != narrowed.id
    assert head in {check.head_sha for check in bot.checks()}


async def test_what_goes_wrong_in_a_narrowed_check_is_answered(bot) -> None:
    await checked(bot)
    bot.checker.predicting = [SurroundingsError("The mirror is away.")] * 9
    await bot.comment("/minimize check nginx", "ann")
    await bot.settled()
    assert "The mirror is away." in await answered(bot)
    assert bot.forge.states()[-1] == "success"


@pytest.mark.parametrize("by", ["cancel", "push"])
async def test_who_asked_for_a_narrowed_check_hears_that_it_was_stopped(bot, by) -> None:
    head = await checked(bot)
    states = list(bot.forge.states(head))
    bot.checker.hold[head] = threading.Event()
    count = bot.checker.calls.count(("predict", head))
    await bot.comment("/minimize check nginx", "ann")
    await bot.until(lambda: bot.checker.calls.count(("predict", head)) > count)
    if by == "cancel":
        await bot.comment("/minimize cancel", "ann", comment="42")
        said = "Cancelled: ann cancelled it."
    else:
        bot.push({**SPEC, "more": "x"})
        await bot.deliver()
        said = " is the head now."
    await bot.until(lambda: any(said in body for body in bot.forge.answers()))
    (answer,) = [body for body in bot.forge.answers() if said in body]
    assert "`/minimize check nginx`" in answer
    assert bot.forge.states(head) == states
    bot.checker.hold[head].set()
    await bot.settled()


async def test_cancel_stops_the_run_and_the_status_says_who(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: ("predict", head) in bot.checker.calls)
    await bot.comment("/minimize cancel", "ann")
    await bot.until(lambda: bot.forge.states(head)[-1:] == ["neutral"])
    last = bot.forge.statuses[-1][1]
    assert (last.title, last.summary) == ("Cancelled", "ann cancelled it.")
    assert bot.checks()[0].stage == "stopped"
    bot.checker.hold[head].set()
    await bot.comment("/minimize cancel", "ann", comment="42")
    assert "Nothing runs" in await answered(bot)


async def test_nothing_runs_for_a_closed_pull_request_but_questions_are_answered(bot) -> None:
    head = await checked(bot)
    bot.show(head, open=False)
    await bot.comment("/minimize check\n/minimize why perl")
    text = await answered(bot)
    assert "is closed" in text
    assert len(bot.checks()) == 1
    assert ("ask", head) in bot.checker.calls


async def test_a_refusal_names_the_role_that_is_missing(bot) -> None:
    await checked(bot)
    bot.forge.roles["bob"] = "read"
    await bot.comment("/minimize check\n/minimize accept SHA because", "bob")
    text = await answered(bot)
    assert "bob has the role read in this repository: check needs the role triage" in text
    assert "accept needs the role write or above" in text
    assert bot.forge.reactions == []
    assert len(bot.checks()) == 1


async def test_roles_are_asked_each_time(bot) -> None:
    await checked(bot)
    bot.forge.roles["bob"] = "read"
    await bot.comment("/minimize check", "bob")
    bot.forge.roles["bob"] = "triage"
    await bot.comment("/minimize check", "bob", comment="42")
    assert len(bot.checks()) == 2
    await bot.settled()


async def test_a_question_that_cannot_be_answered_says_why(bot) -> None:
    await checked(bot)
    bot.checker.asking = [SurroundingsError("The mirror is away.")] * 9
    await bot.comment("/minimize why perl\n/minimize help")
    text = await answered(bot)
    assert "The mirror is away." in text
    assert "| Command |" in text


async def test_accept_makes_a_limit_a_success_with_the_reason(bot) -> None:
    bot.checker.over = True
    head = await checked(bot)
    assert bot.forge.states(head)[-1] == "failure"
    await bot.comment("/minimize accept SHA worth it, @all", updated=LATER)
    await bot.until(lambda: bot.forge.states(head)[-1] == "success")
    last = bot.forge.statuses[-1][1]
    assert last.title.startswith("Accepted by `maria`")
    comment = next(b for _, b in reversed(bot.forge.comments) if "minimize:comment" in b)
    assert "worth it, `@all`" in comment
    record = bot.store.check(bot.checks()[0].id)
    assert (record.verdict, record.result["verdict"]) == ("success", "success")
    assert record.result["accepted"]["reason"] == "worth it, @all"
    decision = Commands(bot.store).decision("accept", "gh", "o/r", 7, head)
    assert (decision.user, decision.role, decision.comment) == ("maria", "write", "41")
    # The same commit again is still accepted, the next one is not.
    await bot.comment("/minimize check", "ann", comment="42")
    await bot.settled()
    assert bot.forge.states(head)[-1] == "success"
    newer = await checked(bot, OTHER)
    assert bot.forge.states(newer)[-1] == "failure"


async def test_accept_while_the_check_runs_counts_when_it_ends(bot) -> None:
    bot.checker.over = True
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.comment("/minimize accept SHA later is fine", updated=LATER)
    bot.checker.hold[head].set()
    await bot.settled()
    await bot.until(lambda: bot.forge.states(head)[-1] == "success")
    assert bot.store.check(bot.checks()[0].id).verdict == "success"


def shown(bot) -> str:
    return next(b for _, b in reversed(bot.forge.comments) if "minimize:comment" in b)


@pytest.mark.parametrize("comment", ["42", "41"])
async def test_who_accepts_again_has_the_last_word(bot, comment: str) -> None:
    bot.checker.over = True
    head = await checked(bot)
    await bot.comment("/minimize accept SHA first", updated=LATER)
    await bot.until(lambda: "first" in shown(bot))
    bot.forge.roles["olga"] = "admin"
    user = "olga" if comment == "42" else "maria"
    await bot.comment("/minimize accept SHA better", user, comment=comment, updated=LATER)
    await bot.until(lambda: "better" in shown(bot))
    assert f"by `{user}` on" in shown(bot)
    assert "first" not in shown(bot)
    assert bot.store.check(bot.checks()[0].id).result["accepted"]["reason"] == "better"
    assert bot.forge.states(head)[-1] == "success"


async def test_a_growth_too_small_to_change_an_image_stays_on_record_when_accepted(bot) -> None:
    bot.checker.over, bot.checker.changed = True, False
    await checked(bot)
    assert "No image changes by much. " in shown(bot)
    await bot.comment("/minimize accept SHA worth it", updated=LATER)
    await bot.until(lambda: "worth it" in shown(bot))
    assert "No image changes by much. " in shown(bot)
    assert "No image changes any more" not in shown(bot)


async def test_allow_said_again_is_answered_and_stops_no_build(bot) -> None:
    bot.forge.roles["ann"] = "read"
    head = await checked(bot)
    built = threading.Event()
    finish = bot.checker.finish
    bot.checker.finish = lambda *of: (built.wait(90), finish(*of))[1]
    await bot.comment("/minimize allow SHA", updated=LATER)
    await bot.comment("/minimize allow SHA", comment="42", updated=LATER)
    assert "This commit is being built already." in await answered(bot)
    await bot.until(lambda: bot.checks()[-1].stage == "predicted")
    await bot.comment("/minimize allow SHA", comment="43", updated=LATER)
    assert "This commit is being built already." in await answered(bot)
    built.set()
    await bot.settled()
    assert [check.stage for check in bot.checks()] == ["final", "final"]
    assert bot.checker.calls.count(("finish", head)) == 1
    await bot.comment("/minimize allow SHA", comment="44", updated=LATER)
    # The same question of the same user: its one answer is edited.
    await bot.until(lambda: "This commit was built already" in bot.forge.answers()[-1])
    assert (len(bot.forge.answers()), len(bot.checks())) == (1, 2)


async def test_allow_does_not_stop_the_build_of_a_trusted_author(bot) -> None:
    built = threading.Event()
    finish = bot.checker.finish
    bot.checker.finish = lambda *of: (built.wait(90), finish(*of))[1]
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.until(lambda: bot.checks()[-1].stage == "predicted")
    await bot.comment("/minimize allow SHA", updated=LATER)
    assert "This commit is being built already." in await answered(bot)
    built.set()
    await bot.settled()
    assert [check.stage for check in bot.checks()] == ["final"]
    assert bot.checker.calls.count(("finish", head)) == 1


async def test_there_is_nothing_to_accept_where_no_limit_is_passed(bot) -> None:
    head = await checked(bot)
    await bot.comment("/minimize accept SHA why not", updated=LATER)
    assert "goes over no limit" in await answered(bot)
    assert Commands(bot.store).decision("accept", "gh", "o/r", 7, head) is None


@pytest.mark.parametrize("name", ["accept", "allow"])
async def test_a_commit_that_is_not_the_head_is_not_decided_on(bot, name: str) -> None:
    bot.checker.over = True
    bot.forge.roles["ann"] = "read"
    seen = await checked(bot)
    head = await checked(bot, OTHER)
    await bot.comment(f"/minimize {name} {seen} because"[: None if name == "accept" else -8])
    text = await answered(bot)
    assert f"The head of this pull request is `{head}`, not `{seen}`" in text
    assert f"`/minimize {name} {head}" in text
    for kind in ("accept", "allow"):
        for commit in (seen, head):
            assert Commands(bot.store).decision(kind, "gh", "o/r", 7, commit) is None
    assert bot.forge.states(head)[-1] == "action_required"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("allow", "/minimize allow SHA"),
        ("accept", "/minimize accept SHA REASON"),
        ("accept it is worth it", "/minimize accept SHA it is worth it"),
    ],
)
async def test_a_bare_decision_is_answered_with_the_line_and_not_obeyed(bot, said, line) -> None:
    bot.checker.over = True
    bot.forge.roles["ann"] = "read"
    head = await checked(bot)
    await bot.comment(f"/minimize {said}")
    assert f"`{line.replace('SHA', head)}`" in await answered(bot)
    for kind in ("accept", "allow"):
        assert Commands(bot.store).decision(kind, "gh", "o/r", 7, head) is None
    assert len(bot.checks()) == 1


async def test_a_commit_that_no_check_has_seen_yet_is_allowed_by_its_name(bot) -> None:
    bot.forge.roles["ann"] = "read"
    head = bot.push(SPEC)
    await bot.comment("/minimize allow SHA")
    await bot.settled()
    assert ("finish", head) in bot.checker.calls
    assert bot.forge.states(head)[-1] == "success"


@pytest.mark.parametrize("who", ["author", "pusher"])
async def test_nobody_accepts_what_they_did_themselves(bot, who: str) -> None:
    bot.checker.over = True
    head = bot.push(SPEC)
    bot.forge.pushers[head] = "olga"
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head)[-1] == "failure"
    user, did = ("Ann", "made this pull request") if who == "author" else ("Olga", "pushed")
    await bot.comment("/minimize accept SHA because", user)
    text = await answered(bot)
    assert f"{user} {did}" in text.replace("`", "")
    assert Commands(bot.store).decision("accept", "gh", "o/r", 7, head) is None
    assert bot.forge.states(head)[-1] == "failure"


async def test_the_settings_let_anyone_of_the_role_accept(stopped_bot) -> None:
    bot = stopped_bot
    bot.settings = bot.settings.model_copy(update={"accept": "anyone"})
    bot.make()
    await bot.engine.launch()
    bot.checker.over = True
    head = await checked(bot)
    await bot.comment("/minimize accept SHA because", "ann")
    await bot.until(lambda: bot.forge.states(head)[-1] == "success")


async def test_allow_builds_this_commit_and_not_the_next(bot) -> None:
    bot.forge.roles["ann"] = "read"
    head = await checked(bot)
    last = bot.forge.statuses[-1][1]
    assert (last.state, last.title) == ("action_required", f"Not built: /minimize allow {head}")
    assert f"`/minimize allow {head}`" in last.summary
    assert f"`/minimize allow {head}`" in shown(bot)
    assert ("finish", head) not in bot.checker.calls
    await bot.comment("/minimize allow SHA", updated=LATER)
    await bot.settled()
    assert ("finish", head) in bot.checker.calls
    assert "Not built" not in bot.forge.statuses[-1][1].title
    newer = await checked(bot, OTHER)
    assert ("finish", newer) not in bot.checker.calls


async def test_a_member_of_a_trusted_team_is_built(bot) -> None:
    bot.forge.roles["ann"] = "none"
    build = bot.settings.build.model_copy(update={"trusted": ("o/packagers",)})
    object.__setattr__(bot.settings, "build", build)
    head = await checked(bot)
    assert ("finish", head) not in bot.checker.calls
    bot.forge.teams["o/packagers"] = ["ann"]
    await bot.comment("/minimize check", "ann")
    await bot.settled()
    assert ("finish", head) in bot.checker.calls


async def test_a_crash_before_the_command_is_stored_leads_to_the_same_once(bot) -> None:
    await checked(bot)
    add = Commands.add
    crashes = iter([True])

    def crashing(self, commands):
        if next(crashes, False):
            raise SurroundingsError("The power is gone.")
        add(self, commands)

    Commands.add = crashing
    try:
        await bot.comment("/minimize check\n/minimize help", "ann")
        bot.all_due()
        await bot.dispatcher.handle_new()
    finally:
        Commands.add = add
    await bot.settled()
    await answered(bot)
    assert len(bot.checks()) == 2
    assert len(bot.forge.answers()) == 1


async def test_a_comment_shows_the_way_to_help(bot) -> None:
    await checked(bot)
    assert "`/minimize help`" in bot.forge.comments[-1][1]


async def test_a_newer_commit_stops_narrowed_runs_too(bot) -> None:
    head = await checked(bot)
    bot.checker.hold[head] = threading.Event()
    await bot.comment("/minimize check nginx", "ann")
    await bot.until(lambda: bot.checker.calls.count(("predict", head)) == 2)
    bot.push(OTHER)
    await bot.deliver()
    assert [c.stage for c in bot.checks() if c.narrowed] == ["stopped"]
    bot.checker.hold[head].set()
    await bot.settled()


async def test_a_push_of_the_same_commit_is_not_answered_by_a_narrowed_run(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.comment("/minimize check nginx", "ann")
    await bot.deliver()
    assert [c.narrowed for c in bot.checks()] == [True, False]
    bot.checker.hold[head].set()
    await bot.settled()
    assert bot.forge.states(head)[-1] == "success"


@pytest.mark.parametrize(
    ("author", "asker", "line", "queue"),
    [
        ("write", "write", "why perl", "checks"),
        ("write", "none", "why perl", "strangers"),
        ("none", "write", "why perl", "strangers"),
        # Nothing is computed for it.
        ("none", "none", "help", "checks"),
    ],
)
async def test_questions_of_strangers_wait_with_their_checks(
    bot, author: str, asker: str, line: str, queue: str
) -> None:
    bot.forge.roles |= {"ann": author, "eve": asker}
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    bot.computing.large = True
    await bot.comment(f"/minimize {line}", user="eve")
    await bot.settled()
    runs = await DBOS.list_workflows_async(name="reply")
    assert [run.queue_name for run in runs] == [queue]
    # Nor is a large answer read where the change is not trusted.
    if line != "help":
        await bot.until(lambda: bot.computing.accepted)
        assert bot.computing.accepted == [author == "write"]
