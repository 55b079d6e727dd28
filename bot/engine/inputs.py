"""What a run was started with, as the engine keeps it: more than the store's record of it has."""

from __future__ import annotations

from dbos import DBOS

from bot.engine.job import CheckJob


async def job_of_run(check: str) -> CheckJob | None:
    """The job of a check's run, null if the engine does not know it (any more)."""
    found = await DBOS.list_workflows_async(workflow_ids=[check], load_output=False)
    if not found or found[0].input is None:
        return None
    return CheckJob.from_json(found[0].input["args"][0])
