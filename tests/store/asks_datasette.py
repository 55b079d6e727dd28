"""A program that opens its argument's file in Datasette and prints the answers as JSON.

It is a process of its own because Datasette closes its connections only when the process ends.
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
