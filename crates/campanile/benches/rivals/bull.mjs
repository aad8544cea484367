// A worker of BullMQ. The queue is in Redis, what must be true of people is in PostgreSQL.
// `node bull.mjs seed` queues one job for each lead that is READY.

import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { caller, database } from './calls.mjs'

const concurrency = Number(process.env.RIVAL_CONCURRENCY ?? 64)
const redis = () => new Redis({ path: process.env.RIVAL_REDIS, maxRetriesPerRequest: null })

if (process.argv[2] === 'seed') {
  const pool = database(1)
  const { rows } = await pool.query(`SELECT id FROM leads WHERE status = 'READY' ORDER BY id`)
  const queue = new Queue('calls', { connection: redis() })
  for (let first = 0; first < rows.length; first += 1_000) {
    await queue.addBulk(rows.slice(first, first + 1_000).map(({ id }) => ({
      name: 'call',
      data: { leadId: id },
      opts: { attempts: 1, removeOnComplete: true, removeOnFail: true },
    })))
  }
  await queue.close()
  await pool.end()
  process.exit(0)
} else {
  const call = caller(database(concurrency), concurrency)
  const worker = new Worker('calls', (job) => call(job.data.leadId), { connection: redis(), concurrency })
  worker.on('error', (error) => console.error(error))
  worker.on('failed', (_, error) => console.error(error))
  await worker.waitUntilReady()
  console.log('listening on http://nowhere')
}
