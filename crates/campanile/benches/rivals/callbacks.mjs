// The web process of both queues of Node: it takes the vendor's callbacks, checks their secret,
// applies each with one prepared statement, and answers when that is durable.

import { createServer } from 'node:http'
import { timingSafeEqual } from 'node:crypto'
import { database } from './calls.mjs'

const secret = Buffer.from(process.env.RIVAL_SECRET)
const pool = database(Number(process.env.RIVAL_CONNECTIONS ?? 32))

// Callbacks may come in any order and more than once: progress only grows.
const PROGRESS = {
  name: 'progress',
  text: 'UPDATE attempts SET status = $2, progress = $3 WHERE lead_id = $1 AND progress < $3',
}
const END = {
  name: 'end',
  text: `WITH ended AS (
           UPDATE attempts SET status = 'ENDED', progress = 4, ended_reason = $2
           WHERE lead_id = $1 AND progress < 4 RETURNING lead_id
         ) UPDATE leads SET status = 'DONE' FROM ended WHERE id = lead_id`,
}
const REPORT = {
  name: 'report',
  text: `WITH reported AS (
           UPDATE attempts SET status = 'ENDED', progress = 5, ended_reason = $2, cost = $3,
             transcript = $4, summary = $5
           WHERE lead_id = $1 AND progress < 5 RETURNING lead_id
         ) UPDATE leads SET status = 'DONE' FROM reported WHERE id = lead_id AND status <> 'DONE'`,
}

function statement(leadId, message) {
  if (message.type === 'end-of-call-report') {
    const { endedReason, cost, transcript, summary } = message
    return { ...REPORT, values: [leadId, endedReason, cost, transcript, summary] }
  }
  if (message.type === 'hang') return { ...PROGRESS, values: [leadId, 'IN_PROGRESS', 3] }
  switch (message.status) {
    case 'ringing': return { ...PROGRESS, values: [leadId, 'RINGING', 1] }
    case 'in-progress': return { ...PROGRESS, values: [leadId, 'IN_PROGRESS', 2] }
    case 'ended': return { ...END, values: [leadId, message.endedReason] }
    default: return undefined
  }
}

async function apply(request, body) {
  const given = Buffer.from(request.headers['x-vapi-secret'] ?? '')
  if (given.length !== secret.length || !timingSafeEqual(given, secret)) return 401
  const leadId = Number(request.url.slice(1))
  const wanted = statement(leadId, JSON.parse(body).message)
  if (wanted !== undefined) await pool.query(wanted)
  return 200
}

const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    apply(request, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
      .catch((error) => (console.error(error), 500))
      .then((status) => {
        response.writeHead(status, { 'content-length': 0 })
        response.end()
      })
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
