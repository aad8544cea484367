"""The web process of the cron loop: it takes the vendor's callbacks, checks their secret, applies each
with one prepared statement, and answers when that is durable."""

import asyncio
import hmac
import os

import orjson
import uvloop
from aiohttp import web
from psycopg_pool import AsyncConnectionPool

SECRET = os.environ["RIVAL_SECRET"]
CONNECTIONS = int(os.environ.get("RIVAL_CONNECTIONS", "32"))

# Callbacks may come in any order and more than once: progress only grows.
PROGRESS = "UPDATE attempts SET status = %s, progress = %s WHERE lead_id = %s AND progress < %s"
END = """
    WITH ended AS (
        UPDATE attempts SET status = 'ENDED', progress = 4, ended_reason = %s
        WHERE lead_id = %s AND progress < 4 RETURNING lead_id
    ) UPDATE leads SET status = 'DONE' FROM ended WHERE id = lead_id
"""
REPORT = """
    WITH reported AS (
        UPDATE attempts SET status = 'ENDED', progress = 5, ended_reason = %s, cost = %s,
            transcript = %s, summary = %s
        WHERE lead_id = %s AND progress < 5 RETURNING lead_id
    ) UPDATE leads SET status = 'DONE' FROM reported WHERE id = lead_id AND status <> 'DONE'
"""
STATUSES = {"ringing": ("RINGING", 1), "in-progress": ("IN_PROGRESS", 2)}


def statement(lead_id, message):
    kind = message.get("type")
    if kind == "end-of-call-report":
        told = [message.get(name) for name in ("endedReason", "cost", "transcript", "summary")]
        return REPORT, (*told, lead_id)
    if kind == "hang":
        return PROGRESS, ("IN_PROGRESS", 3, lead_id, 3)
    status = message.get("status")
    if status == "ended":
        return END, (message.get("endedReason"), lead_id)
    if status in STATUSES:
        name, progress = STATUSES[status]
        return PROGRESS, (name, progress, lead_id, progress)
    return None


async def take(request):
    if not hmac.compare_digest(request.headers.get("x-vapi-secret", ""), SECRET):
        return web.Response(status=401)
    wanted = statement(int(request.match_info["lead"]), orjson.loads(await request.read())["message"])
    if wanted is not None:
        async with request.app["pool"].connection() as connection:
            await connection.execute(*wanted)
    return web.Response()


async def main():
    settings = {"autocommit": True, "prepare_threshold": 0}
    async with AsyncConnectionPool("", kwargs=settings, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        application = web.Application()
        application["pool"] = pool
        application.router.add_post("/{lead}", take)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        print(f"listening on http://{host}:{port}", flush=True)
        await asyncio.Event().wait()


uvloop.run(main())
