"""The cron loop: claims due leads with FOR UPDATE SKIP LOCKED and calls them, batch after batch.

Claim, check and intent of a batch are one durable statement; then its requests, each once, all at the
same time; then their results in one statement. Several such loops share the process, so that some
have requests under way while others are at the database.
"""

import asyncio
import os

import aiohttp
import orjson
import psycopg
import uvloop

LOOPS = int(os.environ.get("RIVAL_LOOPS", "4"))
BATCH = int(os.environ.get("RIVAL_BATCH", "50"))
VENDOR = f"http://{os.environ['RIVAL_VENDOR']}/vapi/call"
CALLBACKS = os.environ["RIVAL_CALLBACKS"]
SECRET = os.environ["RIVAL_SECRET"]

INTEND = """
    WITH due AS (
        SELECT leads.id FROM leads JOIN campaigns ON campaigns.id = leads.campaign_id
        WHERE leads.status = 'READY' AND NOT leads.opted_out AND campaigns.status = 'RUNNING'
        ORDER BY leads.id LIMIT %s FOR UPDATE OF leads SKIP LOCKED
    ), taken AS (
        UPDATE leads SET status = 'IN_CALL' FROM due WHERE leads.id = due.id
        RETURNING leads.id, leads.phone_number, leads.first_name, leads.campaign_id
    ), intended AS (
        INSERT INTO attempts (lead_id, status) SELECT id, 'DISPATCHING' FROM taken
    )
    SELECT * FROM taken
"""
RECORD = """
    UPDATE attempts SET provider_call_id = result.call_id,
        status = CASE attempts.status WHEN 'DISPATCHING' THEN result.status ELSE attempts.status END
    FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS result (lead_id, status, call_id)
    WHERE attempts.lead_id = result.lead_id
"""


async def place(session, lead):
    lead_id, phone_number, first_name, campaign_id = lead
    key = f"rival_{lead_id}"
    body = {
        "name": key,
        "assistantId": "asst_abc123",
        "phoneNumberId": "pn_abc123",
        "assistantOverrides": {
            "variableValues": {"first_name": first_name, "phone_number": phone_number},
            "metadata": {"attempt_id": key, "campaign_id": str(campaign_id)},
            "server": {"url": f"{CALLBACKS}/{lead_id}", "headers": {"X-Vapi-Secret": SECRET}},
            "serverMessages": ["status-update", "end-of-call-report", "hang"],
        },
        "customer": {"number": phone_number, "externalId": key},
    }
    async with session.post(VENDOR, data=orjson.dumps(body)) as answer:
        said = orjson.loads(await answer.read())
        return lead_id, "PLACED" if answer.status == 201 else "REJECTED", said.get("id")


async def loop(session):
    async with await psycopg.AsyncConnection.connect("", autocommit=True, prepare_threshold=0) as connection:
        while True:
            cursor = await connection.execute(INTEND, (BATCH,))
            leads = await cursor.fetchall()
            if not leads:
                await asyncio.sleep(0.1)
                continue
            results = await asyncio.gather(*(place(session, lead) for lead in leads), return_exceptions=True)
            # What was not answered stays at DISPATCHING, and is not sent again.
            known = [result for result in results if isinstance(result, tuple)]
            await connection.execute(RECORD, [list(column) for column in zip(*known, strict=True)] or [[], [], []])


async def main():
    headers = {"authorization": "Bearer rival", "content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        print("listening on http://nowhere", flush=True)
        await asyncio.gather(*(loop(session) for _ in range(LOOPS)))


uvloop.run(main())
