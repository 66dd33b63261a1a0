// The webhook receiver that tutorials teach: Express with the raw body, an HMAC check, and a BullMQ job for each submission.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Queue } from 'bullmq'
import express from 'express'

const { PORT, REDIS_PORT, WEBHOOK_SECRET } = process.env
const leads = new Queue('leads', { connection: { host: '127.0.0.1', port: Number(REDIS_PORT) } })
const app = express()

app.post('/webhook', express.raw({ type: '*/*', limit: '1mb' }), async (request, response) => {
  const expected = Buffer.from('sha256=' + createHmac('sha256', WEBHOOK_SECRET).update(request.body).digest('hex'))
  const given = Buffer.from(request.get('x-webhook-signature') ?? '')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return response.status(401).json({ error: 'invalid signature' })
  }
  const lead = JSON.parse(request.body)
  if (!lead.email) {
    return response.status(400).json({ error: 'email is missing' })
  }
  await leads.add('lead', lead, { jobId: lead.submissionId })
  response.json({ status: 'accepted' })
})

app.listen(Number(PORT), '127.0.0.1')
