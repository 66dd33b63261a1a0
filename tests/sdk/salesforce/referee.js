// Drives the simulator with jsforce: what it cannot parse, Salesforce would not have sent.
// Usage: node referee.js BASE_URL, with SIM_* in the environment. Prints a line a check; exits 1 at the first that fails.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { createRequire } = require('node:module');

// The packages are in a folder of their own, so that tests leave no traces in the source tree.
const load = createRequire(`${process.env.SDK_FOLDER || __dirname}/`);
const jsforce = load('jsforce');

const [base] = process.argv.slice(2);
const env = (name) => process.env[`SIM_${name}`];
const KEY = 'Webhook_Submission_ID__c';
const app = { loginUrl: base, clientId: env('CLIENT_ID'), clientSecret: env('CLIENT_SECRET') };
const oauth = (version = '62.0', more = {}) =>
  new jsforce.Connection({ version, loginUrl: base, instanceUrl: base, oauth2: { ...app, ...more } });

/** The error a call ends with. */
async function failure(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: 'the call should have failed' });
}

async function control(path, body) {
  const response = await fetch(`${base}/_sim/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body || {}),
  });
  assert.equal(response.status, 200);
}

const lead = (email, more) => ({ LastName: 'Lovelace', Company: 'Engines', Email: email, ...more });

function assertion() {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: env('CLIENT_ID'), sub: env('USERNAME'), aud: env('AUDIENCE'), exp: Math.floor(Date.now() / 1000) + 120,
  };
  const signed = `${encode({ alg: 'RS256' })}.${encode(claims)}`;
  return `${signed}.${crypto.sign('RSA-SHA256', Buffer.from(signed), env('PRIVATE_KEY')).toString('base64url')}`;
}

let conn;
const ids = {};

const checks = {
  async 'client credentials'() {
    conn = oauth();
    await conn.authorize({ grant_type: 'client_credentials' });
    assert.ok(conn.accessToken && conn.instanceUrl === base);
    const wrong = oauth('62.0', { clientSecret: 'wrong' });
    const error = await failure(wrong.authorize({ grant_type: 'client_credentials' }));
    assert.equal(error.name, 'invalid_client');
  },

  async 'JWT bearer'() {
    const other = oauth();
    await other.authorize({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: assertion() });
    assert.ok(other.accessToken);
  },

  async 'create, retrieve, update'() {
    const made = await conn.sobject('Lead').create(lead('ada@example.com', { FirstName: 'Ada' }));
    assert.equal(made.success, true);
    assert.match(made.id, /^00Q[A-Za-z0-9]{15}$/);
    ids.ada = made.id;
    const changed = await conn.sobject('Lead').update({ Id: made.id, Title: 'Countess' });
    assert.deepEqual([changed.success, changed.id], [true, made.id]);
    const read = await conn.sobject('Lead').retrieve(made.id);
    assert.deepEqual([read.Title, read.FirstName, read.attributes.type], ['Countess', 'Ada', 'Lead']);
  },

  async 'upsert by external id'() {
    const first = await conn.sobject('Lead').upsert({ ...lead('up@example.com'), [KEY]: 'up-1' }, KEY);
    assert.deepEqual([first.success, first.created], [true, true]);
    const again = await conn.sobject('Lead').upsert({ [KEY]: 'up-1', Title: 'Twice' }, KEY);
    assert.deepEqual([again.id, again.success], [first.id, true]);
    assert.notEqual(again.created, true);
  },

  async 'several records of one external id'() {
    const header = { headers: { 'Sforce-Duplicate-Rule-Header': 'allowSave=true' } };
    for (const email of ['l1@example.com', 'l2@example.com']) {
      await conn.sobject('Lead').create({ ...lead(email), Loose__c: 'k' }, header);
    }
    const error = await failure(conn.sobject('Lead').upsert({ Loose__c: 'k', Title: 'x' }, 'Loose__c'));
    assert.equal(error.errorCode, 'MULTIPLE_CHOICES');
    assert.equal(error.data.length ?? error.content.length, 2);
  },

  async 'query'() {
    const found = await conn.query("SELECT Id, Email FROM Lead WHERE Email IN ('ada@example.com') AND IsConverted = false");
    assert.deepEqual([found.totalSize, found.done, found.records[0].Id], [1, true, ids.ada]);
    const made = await conn.sobject('Lead').create(lead('ohara@example.com', { LastName: "O'Hara & Söhne" }));
    const odd = await conn.sobject('Lead').find({ LastName: "O'Hara & Söhne" }, 'Id, LastName');
    assert.deepEqual(odd.map((record) => record.Id), [made.id]);
    const error = await failure(conn.query('SELECT Shoe__c FROM Lead'));
    assert.equal(error.errorCode, 'INVALID_FIELD');
  },

  async 'describe'() {
    const described = await conn.sobject('Lead').describe();
    const field = described.fields.find(({ name }) => name === KEY);
    assert.deepEqual([field.externalId, field.unique, field.createable], [true, true, true]);
    assert.ok(described.fields.some(({ name, nillable }) => name === 'LastName' && !nillable));
  },

  async 'errors have codes and fields'() {
    for (const [fields, code, field] of [
      [{ LastName: 'x' }, 'REQUIRED_FIELD_MISSING', 'Company'],
      [lead('nonsense'), 'INVALID_EMAIL_ADDRESS', 'Email'],
      [lead('p@example.com', { LeadSource: 'Moon' }), 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', 'LeadSource'],
      [lead('q@example.com', { [KEY]: 'up-1' }), 'DUPLICATE_VALUE', undefined],
    ]) {
      const error = await failure(conn.sobject('Lead').create(fields));
      assert.equal(error.errorCode, code);
      assert.deepEqual(error.data.fields ?? [], field ? [field] : []);
    }
    const gone = await failure(conn.sobject('Lead').update({ Id: '00Q000000000009AAA', Title: 'x' }));
    assert.equal(gone.errorCode, 'NOT_FOUND');
  },

  async 'duplicate rule'() {
    const error = await failure(conn.sobject('Lead').create(lead('Ada@example.com')));
    assert.equal(error.errorCode, 'DUPLICATES_DETECTED');
    assert.equal(error.data.duplicateResult.matchResults[0].matchRecords[0].record.Id, ids.ada);
    const saved = await conn.sobject('Lead').create(lead('Ada@example.com'), {
      headers: { 'Sforce-Duplicate-Rule-Header': 'allowSave=true' },
    });
    assert.equal(saved.success, true);
  },

  async 'collections'() {
    const some = [1, 2, 3].map((n) => lead(n === 2 ? 'nonsense' : `c${n}@example.com`, { [KEY]: `c-${n}` }));
    const made = await conn.sobject('Lead').upsert(some, KEY, { allOrNone: false });
    assert.deepEqual(made.map(({ success }) => success), [true, false, true]);
    assert.equal(made[1].errors[0].statusCode ?? made[1].errors[0].errorCode, 'INVALID_EMAIL_ADDRESS');
    const changed = await conn.sobject('Lead').update([made[0], made[2]].map(({ id }) => ({ Id: id, Title: 'All' })));
    assert.deepEqual(changed.map(({ id, success }) => [id, success]), [[made[0].id, true], [made[2].id, true]]);
    const inserted = await conn.sobject('Lead').create([4, 5].map((n) => lead(`c${n}@example.com`)));
    assert.ok(inserted.every(({ success }) => success));
  },

  async 'an expired session is renewed by refresh token'() {
    const own = new jsforce.Connection({
      version: '62.0', instanceUrl: base, accessToken: 'expired', refreshToken: env('REFRESH_TOKEN'), oauth2: app,
    });
    let renewed = 0;
    own.on('refresh', () => { renewed += 1; });
    await control('expire');
    const found = await own.query("SELECT Id FROM Lead WHERE Email = 'up@example.com'");
    assert.deepEqual([found.totalSize, renewed], [1, 1]);
    const old = await failure(new jsforce.Connection({ version: '62.0', instanceUrl: base, accessToken: 'expired' }).query('SELECT Id FROM Lead'));
    assert.equal(old.errorCode, 'INVALID_SESSION_ID');
    conn = own;
  },

  async 'limits and faults'() {
    await conn.query('SELECT Id FROM Lead LIMIT 1');
    assert.ok(conn.limitInfo.apiUsage.used > 10 && conn.limitInfo.apiUsage.limit > 1000);
    await control('faults', { next: [{ error: { status: 403, code: 'REQUEST_LIMIT_EXCEEDED' } }] });
    assert.equal((await failure(conn.query('SELECT Id FROM Lead'))).errorCode, 'REQUEST_LIMIT_EXCEEDED');
    await control('faults', { next: [{ error: { status: 400, code: 'UNABLE_TO_LOCK_ROW' } }] });
    assert.equal((await failure(conn.sobject('Lead').create(lead('f@example.com')))).errorCode, 'UNABLE_TO_LOCK_ROW');
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAILED ${name}: ${error.stack}`);
      process.exit(1);
    }
  }
})();
