// Drives the simulator with HubSpot's official SDK: what the SDK cannot parse, HubSpot would not have sent.
// Usage: node referee.js BASE_URL TOKEN. Prints a line a check; exits 1 at the first that fails.
'use strict';

const assert = require('node:assert/strict');
const { createRequire } = require('node:module');

// The packages are in a folder of their own, so that tests leave no traces in the source tree.
const load = createRequire(`${process.env.SDK_FOLDER || __dirname}/`);
const { Client } = load('@hubspot/api-client');

const [basePath, accessToken] = process.argv.slice(2);
const client = (token = accessToken) => new Client({ basePath, accessToken: token, numberOfApiCallRetries: 0 });
const { basicApi, batchApi, searchApi } = client().crm.contacts;
const propertiesApi = client().crm.properties.coreApi;

/** The error a call ends with. */
async function failure(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: 'the call should have failed' });
}

/** One scripted fault for the next request. */
async function script(fault) {
  const response = await fetch(`${basePath}/_sim/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ next: [fault] }),
  });
  assert.equal(response.status, 200);
}

const checks = {
  async 'create, read, update'() {
    const made = await basicApi.create({ properties: { email: 'Ada@Example.com', firstname: 'Ada' }, associations: [] });
    assert.match(made.id, /^\d+$/);
    assert.equal(made.properties.email, 'ada@example.com');
    assert.ok(made.createdAt instanceof Date && !Number.isNaN(made.createdAt.getTime()));
    const changed = await basicApi.update(made.id, { properties: { phone: '+49301234' } });
    assert.ok(changed.updatedAt >= made.createdAt);
    const byEmail = await basicApi.update('ada@example.com', { properties: { firstname: '' } }, 'email');
    assert.equal(byEmail.id, made.id);
    const read = await basicApi.getById('ada@example.com', ['phone', 'firstname'], undefined, undefined, false, 'email');
    assert.equal(read.id, made.id);
    assert.equal(read.properties.phone, '+49301234');
    assert.equal(read.properties.firstname, null);
    assert.equal(read.archived, false);
  },

  async 'conflict'() {
    const held = await basicApi.getById('ada@example.com', undefined, undefined, undefined, false, 'email');
    const error = await failure(basicApi.create({ properties: { email: 'ADA@example.com' }, associations: [] }));
    assert.equal(error.code, 409);
    assert.equal(error.body.category, 'CONFLICT');
    assert.equal(error.body.message, `Contact already exists. Existing ID: ${held.id}`);
    assert.ok(error.body.correlationId);
  },

  async 'a miss is not a create'() {
    const error = await failure(basicApi.update('nobody@example.com', { properties: { phone: '1' } }, 'email'));
    assert.equal(error.code, 404);
    assert.equal(error.body.message, 'resource not found');
  },

  async 'invalid values'() {
    const error = await failure(basicApi.create({ properties: { email: 'nonsense', shoe_size: '43' }, associations: [] }));
    assert.equal(error.code, 400);
    assert.equal(error.body.category, 'VALIDATION_ERROR');
    const list = JSON.parse(error.body.message.replace('Property values were not valid: ', ''));
    assert.deepEqual(list.map((item) => item.error).sort(), ['INVALID_EMAIL', 'PROPERTY_DOESNT_EXIST']);
  },

  async 'authentication'() {
    const error = await failure(client('wrong').crm.contacts.basicApi.getById('1'));
    assert.equal(error.code, 401);
    assert.equal(error.body.category, 'INVALID_AUTHENTICATION');
  },

  async 'batch upsert'() {
    const input = (id, properties) => ({ id, idProperty: 'email', objectWriteTraceId: `trace ${id}`, properties });
    const done = await batchApi.upsert({
      inputs: [input('ada@example.com', { phone: '2' }), input('bob@example.com', { firstname: 'Bob' })],
    });
    assert.equal(done.status, 'COMPLETE');
    assert.deepEqual(done.results.map((result) => result._new), [false, true]);
    assert.equal(done.results[1].objectWriteTraceId, 'trace bob@example.com');
    assert.ok(done.startedAt instanceof Date && done.completedAt >= done.startedAt);

    const part = await batchApi.upsert({ inputs: [input('ada@example.com', { nope: '1' }), input('cyd@example.com', {})] });
    assert.equal(part.numErrors, 1);
    assert.equal(part.errors[0].category, 'VALIDATION_ERROR');
    assert.deepEqual(part.errors[0].context.objectWriteTraceId, ['trace ada@example.com']);
    assert.equal(part.results.length, 1);

    const twice = await failure(batchApi.upsert({ inputs: [input('x@example.com', {}), input('X@example.com', {})] }));
    assert.equal(twice.code, 400);
  },

  async 'batch create, read, update'() {
    const made = await batchApi.create({ inputs: [{ properties: { email: 'dan@example.com' }, associations: [] }] });
    const id = made.results[0].id;
    const changed = await batchApi.update({ inputs: [{ id, properties: { company: 'Acme' } }, { id: '1', properties: {} }] });
    assert.equal(changed.numErrors, 1);
    assert.equal(changed.errors[0].category, 'OBJECT_NOT_FOUND');
    assert.deepEqual(changed.errors[0].context.ids, ['1']);
    const read = await batchApi.read({ inputs: [{ id }], properties: ['company'], propertiesWithHistory: [] });
    assert.equal(read.results[0].properties.company, 'Acme');
  },

  async 'search'() {
    const found = await searchApi.doSearch({
      filterGroups: [{ filters: [{ propertyName: 'company', operator: 'EQ', value: 'Acme' }] }],
      properties: ['email'],
      limit: 10,
    });
    assert.equal(found.total, 1);
    assert.equal(found.results[0].properties.email, 'dan@example.com');
  },

  async 'properties'() {
    const all = await propertiesApi.getAll('contacts');
    const email = all.results.find((property) => property.name === 'email');
    assert.equal(email.type, 'string');
    assert.equal(all.results.find((property) => property.name === 'createdate').modificationMetadata.readOnlyValue, true);
    const made = await propertiesApi.create('contacts', {
      name: 'submission', label: 'Submission', type: 'string', fieldType: 'text',
      groupName: 'contactinformation', hasUniqueValue: true,
    });
    assert.equal(made.hasUniqueValue, true);
    const done = await batchApi.upsert({
      inputs: [{ id: 's1', idProperty: 'submission', properties: { email: 'eve@example.com' } }],
    });
    assert.equal(done.results[0]._new, true);
  },

  async 'rate limit'() {
    await script({ status: { code: 429, policy: 'DAILY' } });
    const error = await failure(basicApi.getById('1'));
    assert.equal(error.code, 429);
    assert.equal(error.body.policyName, 'DAILY');
  },

  async 'the SDK retries a ten-secondly limit and a 5xx by itself'() {
    const patient = new Client({ basePath, accessToken, numberOfApiCallRetries: 2 }).crm.contacts.basicApi;
    await script({ status: { code: 503 } });
    const read = await patient.getById('ada@example.com', undefined, undefined, undefined, false, 'email');
    assert.equal(read.properties.email, 'ada@example.com');
  },

  async 'erasure'() {
    await basicApi.purge({ objectId: 'dan@example.com', idProperty: 'email' });
    const error = await failure(basicApi.getById('dan@example.com', undefined, undefined, undefined, false, 'email'));
    assert.equal(error.code, 404);
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    await check();
    console.log(`ok ${name}`);
  }
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
