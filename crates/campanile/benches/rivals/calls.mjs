// What both queues of Node have in common: the work of one call, apart from the queue.
//
// check and intent are one durable statement; then the request, once; then its result. A request
// whose answer is lost leaves the attempt at DISPATCHING and is not sent again.

import pg from 'pg'
import { Pool } from 'undici'

const { RIVAL_VENDOR: vendorHost, RIVAL_CALLBACKS: callbacks, RIVAL_SECRET: secret } = process.env

/** The database, by PGHOST, PGUSER and PGDATABASE. */
export function database(connections) {
  const pool = new pg.Pool({ max: connections })
  const told = (error) => console.error(error)
  pool.on('error', told)
  pool.on('connect', (client) => client.on('error', told))
  return pool
}

const INTEND = {
  name: 'intend',
  text: `WITH taken AS (
           UPDATE leads SET status = 'IN_CALL' FROM campaigns
           WHERE leads.id = $1 AND leads.status = 'READY' AND NOT leads.opted_out
             AND campaigns.id = leads.campaign_id AND campaigns.status = 'RUNNING'
           RETURNING leads.id, leads.phone_number, leads.first_name, leads.campaign_id
         ), intended AS (
           INSERT INTO attempts (lead_id, status) SELECT id, 'DISPATCHING' FROM taken
         )
         SELECT phone_number, first_name, campaign_id FROM taken`,
}
const RECORD = {
  name: 'record',
  text: `UPDATE attempts SET status = CASE status WHEN 'DISPATCHING' THEN $2 ELSE status END,
           provider_call_id = $3 WHERE lead_id = $1`,
}

/** A client that places calls, over as many kept connections. */
export function caller(pool, connections) {
  const vendor = new Pool(`http://${vendorHost}`, { connections, pipelining: 1 })
  const headers = { authorization: 'Bearer rival', 'content-type': 'application/json' }
  return async (leadId) => {
    const { rows } = await pool.query({ ...INTEND, values: [leadId] })
    if (rows.length === 0) return
    const [lead] = rows
    const key = `rival_${leadId}`
    const body = JSON.stringify({
      name: key,
      assistantId: 'asst_abc123',
      phoneNumberId: 'pn_abc123',
      assistantOverrides: {
        variableValues: { first_name: lead.first_name, phone_number: lead.phone_number },
        metadata: { attempt_id: key, campaign_id: String(lead.campaign_id) },
        server: { url: `${callbacks}/${leadId}`, headers: { 'X-Vapi-Secret': secret } },
        serverMessages: ['status-update', 'end-of-call-report', 'hang'],
      },
      customer: { number: lead.phone_number, externalId: key },
    })
    const answer = await vendor.request({ path: '/vapi/call', method: 'POST', headers, body })
    const said = await answer.body.json()
    const status = answer.statusCode === 201 ? 'PLACED' : 'REJECTED'
    await pool.query({ ...RECORD, values: [leadId, status, said.id ?? null] })
  }
}
