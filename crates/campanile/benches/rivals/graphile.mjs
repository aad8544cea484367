// A worker of graphile-worker. `node graphile.mjs seed` queues one job for each lead that is READY.

import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { caller, database } from './calls.mjs'

const concurrency = Number(process.env.RIVAL_CONCURRENCY ?? 64)
const logger = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message)
})

if (process.argv[2] === 'seed') {
  const pool = database(2)
  const utils = await makeWorkerUtils({ pgPool: pool, logger })
  await utils.migrate()
  await pool.query(`SELECT count(*) FROM leads, graphile_worker.add_job('call',
    json_build_object('lead_id', leads.id), max_attempts => 1) WHERE leads.status = 'READY'`)
  await utils.release()
  await pool.end()
} else {
  const pool = database(concurrency + 4)
  const call = caller(pool, concurrency)
  // Jobs are fetched and completed in batches, which the library offers since 0.17.
  await run({
    logger,
    noHandleSignals: true,
    preset: {
      worker: {
        concurrentJobs: concurrency,
        maxPoolSize: concurrency + 4,
        pollInterval: 200,
        localQueue: { size: 4 * concurrency },
        completeJobBatchDelay: 250,
        failJobBatchDelay: 250,
      },
    },
    pgPool: pool,
    taskList: { call: ({ lead_id: leadId }) => call(leadId) },
  })
  console.log('listening on http://nowhere')
}
