// The list of jobs: rows that change are read anew together and changed in place; ticks, attempts, keys.
import { $, $$, say } from './console.js';
import { swap } from './live.js';

const panel = $('#jobs'), bar = $('#jobs-batch');
const rows = () => $$('.j', panel), ticked = () => $$('.j .ck :checked', panel);
const here = () => document.activeElement?.closest?.('.j');

// ---- live: what changed is gathered, then read in one go; nothing is added, nothing moves
const LANGUAGE = document.documentElement.lang.startsWith('zh') ? 'zh' : 'en';
const WAIT_MS = 500, AT_ONCE = 50, AGAIN_MS = 2000;
const changed = new Set();
let timer = 0, asking = false;
function soon(ms = WAIT_MS) { timer ||= setTimeout(() => { timer = 0; refresh(); }, ms); }
document.addEventListener('live:job', e => {
  const { job } = e.detail;
  if (job && rowOf(job)) changed.add(job);
  soon();
});
const rowOf = id => rows().find(row => row.dataset.id === id);
const everything = () => { for (const row of rows()) changed.add(row.dataset.id); soon(0); };
document.addEventListener('visibilitychange', () => { if (!document.hidden) everything(); });
document.addEventListener('live:state', e => { if (!e.detail.lost) everything(); });

async function refresh() {
  if (asking) { soon(); return; }
  asking = true;
  const ids = [...changed].slice(0, AT_ONCE);
  for (const id of ids) changed.delete(id);
  try {
    await read(ids);
    if (changed.size) soon();
  } catch {
    for (const id of ids) changed.add(id);
    soon(AGAIN_MS);
  }
  asking = false;
}
async function read(ids) {
  const query = new URLSearchParams(location.search);
  for (const name of ['after', 'before', 'at', 'lang']) query.delete(name);
  for (const id of ids) query.append('id', id);
  if (panel.dataset.newest) query.set('newest', panel.dataset.newest);
  query.set('in', LANGUAGE);
  const answer = await fetch(`/jobs/rows?${query}`, { cache: 'no-store' });
  if (!answer.ok) throw new Error(String(answer.status));
  const { rows: fresh, around } = await answer.json();
  swap(fresh);
  swap(around);
  if (panel.dataset.place !== 'top') $('#jobs-new').dataset.none = '';
  await Promise.all(ids.map(rowOf).filter(row => row && $('.att', row)).map(attempts));
}
// The attempts that are open below a row, as they are now: the same lines, newer ones are offered.
async function attempts(row) {
  const lines = $$('[data-attempt]', row);
  if (!lines.length) { again(row); return; }
  const answer = await fetch(`/jobs/${row.dataset.id}/attempts?top=${lines[0].dataset.attempt}&count=${lines.length}&in=${LANGUAGE}`, { cache: 'no-store' });
  if (answer.ok) swap(await answer.text());
}

// ---- attempts: opened and closed in place
const opener = row => $('[data-attempts]', row);
function toggle(row) {
  if (!row) return;
  const open = !$('.att', row);
  opener(row).setAttribute('aria-expanded', String(open));
  if (open) load(row); else close(row);
}
const close = row => { for (const line of $$('.att', row)) line.remove(); };
function load(row) {
  const line = row.insertRow();
  line.className = 'att sk';
  line.innerHTML = '<td class="ck"></td><td class="c-st"><i></i></td><td class="c-job" colspan="9"><i></i></td><td class="c-end"></td>';
  window.htmx.trigger(opener(row), 'attempts');
}
function again(row) { close(row); load(row); }
document.addEventListener('htmx:beforeSwap', e => {
  const row = e.detail.target.closest?.('.j');
  if (!row) return;
  $('.att.sk', row)?.remove();
  if (e.detail.xhr.status >= 400) { e.detail.shouldSwap = false; failed(row); } else if (!e.detail.target.matches('tr')) close(row);
});
document.addEventListener('htmx:sendError', e => { const row = e.target.closest?.('.j'); if (row) failed(row); });
function failed(row) {
  close(row);
  row.append($('#jobs-failed').content.cloneNode(true));
}

// ---- ticks; when all rows are ticked and more jobs fit, all of those can be meant
let last = null;
function count() {
  const n = ticked().length, all = $('#jobs-all'), whole = n > 0 && n === rows().length;
  const scope = $('#jobs-scope'), every = $('#jobs-every');
  if (!whole) scope.disabled = true;
  bar.hidden = !n;
  every.hidden = !whole || !scope.disabled || Number(every.dataset.count) <= n;
  $('#jobs-ticked').textContent = scope.disabled ? String(n) : every.dataset.n;
  if (all) { all.checked = whole; all.indeterminate = n > 0 && !whole; }
}
function meanAll() { $('#jobs-scope').disabled = false; count(); }
document.addEventListener('live:swapped', count);
function tick(row, range) {
  const box = $('.ck input', row), all = rows();
  const from = range && last?.isConnected ? all.indexOf(last) : -1, to = all.indexOf(row);
  if (from >= 0) for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) $('.ck input', one).checked = box.checked;
  last = row;
  count();
}
function clear() { for (const box of ticked()) box.checked = false; count(); }

document.addEventListener('click', e => {
  const row = e.target.closest('.j');
  if (e.target.closest('[data-attempts]')) toggle(row);
  else if (e.target.closest('[data-attempts-again]')) again(row);
  else if (e.target.closest('#jobs-clear')) clear();
  else if (e.target.closest('#jobs-every')) meanAll();
  else if (e.target.id === 'jobs-all') { for (const box of $$('.j .ck input', panel)) box.checked = e.target.checked; count(); } else if (row && e.target.closest('.ck') && !e.target.closest('.att')) {
    const box = $('.ck input', row);
    if (e.target !== box) box.checked = !box.checked;
    tick(row, e.shiftKey);
  } else if (e.target.closest('[data-copy]')) copy(e.target.closest('[data-copy]'));
  else leaving(e);
});
panel.addEventListener('mousedown', e => { if (e.shiftKey && e.target.closest('.ck')) e.preventDefault(); }); // no text is marked
// A batch that was carried out unticks what was done; what was not stays ticked.
document.addEventListener('htmx:afterSettle', () => {
  const done = $('#br[data-done]');
  if (!done || done.dataset.seen) return;
  done.dataset.seen = 'yes';
  if (done.dataset.done === '*') { clear(); return; }
  const ids = new Set(done.dataset.done.split(' '));
  for (const box of ticked()) if (ids.has(box.value)) box.checked = false;
  count();
});
async function copy(button) {
  await navigator.clipboard?.writeText(location.origin + button.dataset.copy);
  say(button.dataset.copied);
}

// ---- keys
function go(step) {
  const all = rows(), at = all.indexOf(here());
  const to = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))];
  if (!to) return;
  $('.c-job a', to).focus({ preventScroll: true });
  to.scrollIntoView({ block: 'nearest' });
}
const KEYS = {
  j: () => go(1),
  k: () => go(-1),
  o: () => toggle(here()),
  x: () => { const row = here(); if (row) { const box = $('.ck input', row); box.checked = !box.checked; tick(row, false); } },
  Escape: clear,
};
document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || $('dialog[open]')) return;
  if (e.target.matches('input:not([type=checkbox]),textarea,select')) return;
  const act = KEYS[e.key];
  if (act) { act(); if (e.key !== 'Escape') e.preventDefault(); }
});

// A tab that is open is in sight, also where the tabs are wider than the screen.
{
  const tabs = $('#jobs-tabs'), open = $('[aria-current]', tabs);
  if (open) tabs.scrollLeft = open.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - open.offsetWidth) / 2;
}

// ---- forms leave out what is empty; a list that is slow to come shows its shape meanwhile
document.addEventListener('submit', e => {
  if (!e.target.matches('[data-lean]')) return;
  for (const field of e.target.elements) if (field.name && !field.value) field.disabled = true;
  loading();
});
function leaving(e) {
  const link = e.target.closest('main a[href^="/jobs"]:not([download])');
  if (link && !e.defaultPrevented && !e.ctrlKey && !e.metaKey && !e.shiftKey && e.button === 0 && !link.closest('.rows')) loading();
}
let slow = 0;
function loading() {
  slow = setTimeout(() => { panel.setAttribute('aria-busy', 'true'); $('#jobs-loading').hidden = false; }, 200);
}
window.addEventListener('pageshow', () => {
  clearTimeout(slow);
  panel.removeAttribute('aria-busy');
  $('#jobs-loading').hidden = true;
  for (const field of $$('[data-lean] :disabled')) field.disabled = false;
  count();
});
