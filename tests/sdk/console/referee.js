// The console in a real Chromium: every page and some actions, with and without JavaScript, light and dark, on a phone.
// Arguments: the console's URL, the id of a dead lead, the id of a rejected one, the URL of a console that asks for a
// token, a folder for screenshots (or nothing).
// Prints a line with `ok` for each thing that is as it must be; ends with 1 if something is not.
'use strict';
const path = require('node:path');
const { createRequire } = require('node:module');
const installed = createRequire(path.join(process.env.SDK_FOLDER, 'package.json'));
const puppeteer = installed('puppeteer-core');
const axe = require('node:fs').readFileSync(installed.resolve('axe-core/axe.min.js'), 'utf8');
const [console_, dead, rejected, signIn, shots] = process.argv.slice(2);
const base = new URL(console_).origin;

const pages = [
  '/console', '/console/-/webhooks/default/web', '/console/-/sinks/default/hubspot', '/console/-/leads',
  `/console/-/leads/${dead}`, '/console/-/needs/dead', '/console/-/needs/rejected', '/console/-/needs/held',
  '/console/-/needs/unrouted', '/console/-/try', '/console/-/jobs', '/console/-/audit', '/console/-/privacy',
  '/console/-/nothing',
];
let failed = false;
function check(what, isGood, why = '') {
  process.stdout.write(`${isGood ? 'ok' : 'NOT OK'} ${what} ${isGood ? '' : why}\n`);
  failed ||= !isGood;
}

// Violations of the policy, foreign requests and errors of a page, from now on.
async function watched(browser, javascript) {
  const page = await browser.newPage();
  const seen = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(base)) seen.push(`request to ${request.url()}`);
  });
  page.on('console', (message) => {
    // A page that does not exist is asked for on purpose.
    if (['error', 'warn'].includes(message.type()) && !/404/.test(message.text())) seen.push(message.text());
  });
  page.on('pageerror', (error) => seen.push(String(error)));
  await page.setJavaScriptEnabled(javascript);
  return { page, seen };
}

async function accessible(page, what) {
  // In the debugger's world, which the page's policy does not concern.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  const told = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200)).slice(0, 2).join(' | ')}`);
  check(`axe ${what}`, violations.length === 0, told.join('\n'));
}

async function shoot(page, name) {
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

(async () => {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--lang=en'],
  });
  try {
    for (const scheme of ['light', 'dark']) {
      const { page, seen } = await watched(browser, true);
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await page.setViewport({ width: 1200, height: 800 });
      for (const at of pages) {
        await page.goto(base + at, { waitUntil: 'load' });
        await accessible(page, `${scheme} ${at.replace(dead, 'ID')}`);
        if (scheme === 'light' && at === '/console') await shoot(page, 'console-overview');
        if (scheme === 'light' && at === '/console/-/needs/dead') await shoot(page, 'console-needs');
      }
      await page.goto(`${base}/console/-/leads/${rejected}`, { waitUntil: 'load' });
      await Promise.all([page.waitForNavigation(), page.click('form[action$="/payload"] button')]);
      await accessible(page, `${scheme} payload`);
      await page.goto(`${base}/console/-/privacy`, { waitUntil: 'load' });
      await page.type('input[name=email]', 'ada@example.com');
      await Promise.all([page.waitForNavigation(), page.click('button[value=export]')]);
      await accessible(page, `${scheme} export`);
      check(`${scheme}: the export tells of the person`, /ada@example.com/.test(await page.$eval('pre', (pre) => pre.textContent)));
      check(`${scheme}: nothing violates the policy, nothing foreign is asked for`, seen.length === 0, seen.join('\n'));
      await page.close();
    }

    const phone = await watched(browser, true);
    await phone.page.setViewport({ width: 320, height: 640 });
    for (const at of pages) {
      await phone.page.goto(base + at, { waitUntil: 'load' });
      const wide = await phone.page.evaluate(() => document.documentElement.scrollWidth);
      check(`fits a phone ${at.replace(dead, 'ID')}`, wide <= 320, `${wide} px`);
    }

    // Signing in.
    for (const scheme of ['light', 'dark']) {
      const { page } = await watched(browser, true);
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await page.goto(signIn, { waitUntil: 'load' });
      await accessible(page, `${scheme} sign-in`);
      await page.type('input[name=token]', 'wrong');
      await Promise.all([page.waitForNavigation(), page.click('main button')]);
      await accessible(page, `${scheme} sign-in, refused`);
      await page.type('input[name=token]', 'right-token');
      await Promise.all([page.waitForNavigation(), page.click('main button')]);
      check(`${scheme}: the token opens the console`, page.url() === signIn && /sign-out/.test(await page.content()), page.url());
      await Promise.all([page.waitForNavigation(), page.click('form[action$="/sign-out"] button')]);
      check(`${scheme}: signing out ends it`, /type="password"/.test(await page.content()));
      await page.close();
    }

    // With the script: times are the reader's, "select this page" selects, and discarding asks.
    const { page } = await watched(browser, true);
    await page.goto(`${base}/console/-/needs/dead`, { waitUntil: 'load' });
    check('times are exact on hover', await page.$eval('main time', (time) => time.title === time.dateTime && !time.textContent.includes('UTC')));
    await page.click('[data-all] input');
    const boxes = await page.$$eval('input[name=id]', (all) => [all.length, all.filter((box) => box.checked).length]);
    check('all of the page are selected', boxes[0] > 0 && boxes[0] === boxes[1], String(boxes));
    let asked = '';
    page.once('dialog', async (dialog) => {
      asked = dialog.message();
      await dialog.dismiss();
    });
    await page.click('button[value=discard]');
    await new Promise((resolve) => setTimeout(resolve, 300));
    check('discarding asks', /Discard/.test(asked) && page.url().endsWith('/needs/dead'), asked);

    // Without it: the same forms.
    const plain = (await watched(browser, false)).page;
    await plain.goto(`${base}/console/-/needs/dead`, { waitUntil: 'load' });
    await plain.click('input[name=id]');
    await Promise.all([plain.waitForNavigation(), plain.click('button[value=discard]')]);
    check('without a script a page asks', /Discard these leads/.test(await plain.content()));
    await Promise.all([plain.waitForNavigation(), plain.click('main form button')]);
    check('and then it is done', /done=1/.test(plain.url()), plain.url());
    await plain.goto(`${base}/console/-/needs/dead`, { waitUntil: 'load' });
    await plain.click('input[name=scope]');
    await Promise.all([plain.waitForNavigation(), plain.click('button[value=discard]')]);
    await Promise.all([plain.waitForNavigation(), plain.click('main form button')]);
    check('all that fit become a job', /\/jobs\//.test(plain.url()), plain.url());
    await plain.goto(`${base}/console/-/sinks/default/hubspot`, { waitUntil: 'load' });
    await Promise.all([plain.waitForNavigation(), plain.click('button[value=pause]')]);
    check('a sink is paused', /PausedByPerson/.test(await plain.content()));
    await Promise.all([plain.waitForNavigation(), plain.click('button[value=resume]')]);
    check('and resumed', !/PausedByPerson/.test(await plain.content()));
    await plain.goto(`${base}/console/-/privacy`, { waitUntil: 'load' });
    await plain.type('input[name=email]', 'dora@example.com');
    await Promise.all([plain.waitForNavigation(), plain.click('button[value=erase]')]);
    check('erasing asks', /Erase everything/.test(await plain.content()));
    await Promise.all([plain.waitForNavigation(), plain.click('main form button')]);
    check('and then an erasure runs', /\/privacy\/[0-9A-Z]{26}$/.test(plain.url()), plain.url());
  } finally {
    await browser.close();
  }
  process.exit(failed ? 1 : 0);
})().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
