"""The webhook receiver that tutorials teach: FastAPI, an HMAC check, and a push to a Redis list."""

import hashlib
import hmac
import json
import os

import redis.asyncio
from fastapi import FastAPI, HTTPException, Request

SECRET = os.environ["WEBHOOK_SECRET"].encode()
leads = redis.asyncio.Redis(host="127.0.0.1", port=int(os.environ["REDIS_PORT"]))
app = FastAPI()


@app.post("/webhook")
async def webhook(request: Request):
    body = await request.body()
    expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("x-webhook-signature", "")):
        raise HTTPException(401, "invalid signature")
    lead = json.loads(body)
    if not lead.get("email"):
        raise HTTPException(400, "email is missing")
    await leads.rpush("leads", body)
    return {"status": "accepted"}
