"""Opens the file named in the first argument in Datasette and prints what it answers, as JSON.

In a process of its own: Datasette leaves its connections to the end of the process to close.
"""

import asyncio
import json
import sys
from urllib.parse import quote

from datasette.app import Datasette


async def main() -> None:
    """`{"tables": [...], "views": [...], "pages": {name: status}, "rows": {name: [row]}}`."""
    client = Datasette([sys.argv[1]]).client
    document = (await client.get("/minimize.json")).json()
    tables = [table["name"] for table in document["tables"]]
    views = [view["name"] for view in document["views"]]
    answers = {"tables": tables, "views": views, "pages": {}, "rows": {}}
    for name in tables + views:
        place = f"/minimize/{quote(name)}"
        answers["pages"][name] = (await client.get(place)).status_code
        rows = await client.get(f"{place}.json?_labels=on&_shape=array")
        answers["rows"][name] = rows.json() if rows.status_code == 200 else rows.text
    print(json.dumps(answers))


asyncio.run(main())
