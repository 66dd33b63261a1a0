// Checks the document of /api/v1 with a validator that others wrote, and calls a real receiver with a client that is made from
// the document. Usage: node referee.js ADMIN_URL. Prints a line a check; exits 1 at the first that fails.
'use strict';

const assert = require('node:assert/strict');
const { createRequire } = require('node:module');
const { pathToFileURL } = require('node:url');

// The packages are in a folder of their own, so that tests leave no traces in the source tree.
const load = createRequire(`${process.env.SDK_FOLDER}/`);
const { OpenAPIClientAxios } = load('openapi-client-axios');

const url = process.argv[2];
let definition, client;

const checks = {
  async 'the document is valid OpenAPI 3.1'() {
    assert.match(definition.openapi, /^3\.1\./);
    const { Validator } = await import(pathToFileURL(load.resolve('@seriousme/openapi-schema-validator')));
    assert.deepEqual(await new Validator().validate(structuredClone(definition)), { valid: true });
  },

  async 'every operation has a name of its own'() {
    const names = Object.values(definition.paths).flatMap((path) => Object.values(path).map((one) => one.operationId));
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[a-z]+(_[a-z]+)*$/);
  },

  async 'a search, and the story of what it finds'() {
    const found = await client.post_leads_search(null, { filter: {} });
    const [lead] = found.data.items;
    const story = await client.get_leads_id({ id: lead.id });
    assert.equal(story.status, 200);
    assert.equal(story.data.id, lead.id);
    assert.ok(story.data.events.some((event) => event.event === 'Delivered'), JSON.stringify(story.data));
  },

  async 'what is wrong is a problem in words'() {
    for (const answer of [
      await client.post_leads_search(null, { filter: {}, limit: 0 }),
      await client.get_leads_id({ id: 'nobody' }),
      await client.post_jobs(null, { action: 'Replay', set: 'nothing' }),
    ]) {
      assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status}`);
      assert.match(answer.headers['content-type'], /^application\/problem\+json/);
      assert.ok(answer.data.detail.length > 10);
    }
  },

  async 'a job from its dry run to its end'() {
    const job = { action: 'Discard', set: 'dead' };
    const dry = await client.post_jobs(null, { ...job, dryRun: true });
    assert.ok([200, 201].includes(dry.status), JSON.stringify(dry.data));
    const made = await client.post_jobs(null, job);
    assert.equal(made.status, 201, JSON.stringify(made.data));
    const shown = await client.get_jobs_id({ id: made.data.id });
    assert.equal(shown.data.id, made.data.id);
    assert.equal(shown.data.by, 'referee');
    const known = (await client.get_jobs()).data;
    assert.ok((known.items ?? known).some((one) => one.id === made.data.id));
  },

  async 'a sink is paused and resumed'() {
    const sink = { namespace: 'default', name: 'hubspot' };
    const paused = await client.post_sinks_namespace_name_pause(sink, { seconds: 60 });
    assert.ok(paused.status < 300, JSON.stringify(paused.data));
    const resumed = await client.post_sinks_namespace_name_resume(sink);
    assert.ok(resumed.status < 300, JSON.stringify(resumed.data));
  },
};

(async () => {
  definition = await (await fetch(`${url}/api/v1/openapi.json`)).json();
  client = await new OpenAPIClientAxios({
    definition,
    axiosConfigDefaults: { baseURL: `${url}/api/v1`, headers: { 'Leadgate-User': 'referee' }, validateStatus: () => true },
  }).init();
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      console.error(`failed ${name}: ${error.stack}`);
      process.exit(1);
    }
  }
})();
