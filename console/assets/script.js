// Times in the reader's zone, "select all", a question before what cannot be undone, and a page that stays fresh.
// Everything works without it.
'use strict';
const exact = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'medium' });

function dress(root) {
  for (const time of root.querySelectorAll('time')) {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) time.textContent = exact.format(at);
  }
  for (const all of root.querySelectorAll('[data-all]')) all.hidden = false;
}

document.addEventListener('change', (event) => {
  if (!event.target.matches('[data-all] input')) return;
  const form = event.target.form;
  for (const box of form.querySelectorAll('input[name=id]')) box.checked = event.target.checked;
});

document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-confirm]');
  if (!button) return;
  const all = button.form.querySelector('input[name=scope]');
  // What acts on a filter is counted first, on a page of its own.
  if (all && all.checked) return;
  if (!confirm(button.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  const sure = document.createElement('input');
  sure.type = 'hidden';
  sure.name = 'confirm';
  sure.value = 'yes';
  button.form.append(sure);
});

// Nobody's selection, typing or reading is disturbed.
function isBusy(main) {
  const active = document.activeElement;
  return document.hidden
    || (active && main.contains(active) && active.matches('input, select, textarea, summary, button, a'))
    || main.querySelector('input[name=id]:checked, details[open]')
    || String(getSelection()) !== '';
}

async function refresh() {
  const main = document.querySelector('main[data-live]');
  if (!main || paused || isBusy(main)) return;
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
    if (answer.status === 401) {
      location.reload();
      return;
    }
    document.body.classList.toggle('stale', !answer.ok);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
    if (!fresh || isBusy(main)) return;
    dress(fresh);
    main.replaceChildren(...fresh.childNodes);
  } catch {
    // What stands there is no longer true; it is tried again.
    document.body.classList.add('stale');
  }
}

let paused = false;
const live = document.getElementById('live');
if (live) {
  const label = () => {
    live.textContent = paused ? live.dataset.off : live.dataset.on;
  };
  live.hidden = false;
  live.addEventListener('click', () => {
    paused = !paused;
    label();
  });
  label();
  setInterval(refresh, 5000);
}
dress(document);
