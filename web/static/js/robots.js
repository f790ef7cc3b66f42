// The list of robots: opens what is below a row and keeps it live, goes to the robot that the address names.
import { $, $$ } from './console.js';
import { rewish, swap } from './live.js';

const MOST_OPEN = 6;
const row = id => document.getElementById(`robot-${id}`);
const lang = document.documentElement.lang.startsWith('zh') ? 'zh' : 'en';
const part = id => `robot.${lang}?${new URLSearchParams({ id })}`;
const opened = [];

// ---- opening
function wish() {
  const others = document.body.dataset.parts.split(' ').filter(one => !one.startsWith('robot.'));
  document.body.dataset.parts = [...others, ...opened.map(part)].join(' ');
  rewish();
}
function turn(id, open) {
  const body = row(id);
  body.toggleAttribute('data-open', open);
  $('[aria-expanded]', body).setAttribute('aria-expanded', open);
  $('.more', body).hidden = !open;
}
async function open(id) {
  if (opened.includes(id)) return;
  opened.push(id);
  while (opened.length > MOST_OPEN) turn(opened.shift(), false);
  const about = document.getElementById(`about-${id}`);
  if (!about.firstElementChild) about.replaceChildren($('#r-wait').content.cloneNode(true));
  turn(id, true);
  wish();
  try {
    const answer = await fetch(`/robots/${encodeURIComponent(id)}/about`, { headers: { 'Accept-Language': document.documentElement.lang } });
    if (!answer.ok) throw new Error(answer.status);
    swap(await answer.text());
  } catch {
    if ($('.about-wait', about)) about.replaceChildren($('#r-gone').content.cloneNode(true));
  }
}
function close(id) {
  opened.splice(opened.indexOf(id), 1);
  turn(id, false);
  wish();
}
document.addEventListener('click', async e => {
  const button = e.target.closest('[data-robot]');
  if (!button) return;
  const id = button.dataset.robot;
  if (opened.includes(id) && !('toActions' in button.dataset)) {
    close(id);
    history.replaceState(null, '', location.pathname + location.search);
    return;
  }
  history.replaceState(null, '', `#${encodeURIComponent(id)}`);
  mark(null);
  await open(id);
  if ('toActions' in button.dataset) $('.about-do .btn', row(id))?.focus();
});

// ---- the robot that the address names: on this page, else on the page that begins with it
function mark(id) {
  for (const body of $$('[data-marked]')) body.removeAttribute('data-marked');
  if (id) row(id).setAttribute('data-marked', '');
}
async function go() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id) return;
  const asked = new URLSearchParams(location.search), none = $('#r-none');
  none.hidden = true;
  if (row(id)) {
    mark(id);
    row(id).scrollIntoView({ block: 'center' });
    await open(id);
    row(id).scrollIntoView({ block: 'nearest' });
  } else if (!document.getElementById(id)) {
    if (asked.get('start') !== id) { location.replace(`/robots?${new URLSearchParams({ start: id })}#${encodeURIComponent(id)}`); return; }
    $('b', none).textContent = id;
    none.hidden = false;
  }
}
addEventListener('hashchange', go);
go();

// ---- filters: chosen at once, and only what is asked for stands in the address
const filters = $('#r-filters');
filters.addEventListener('change', e => { if (e.target.matches('select')) filters.requestSubmit(); });
filters.addEventListener('formdata', e => { for (const [name, value] of [...e.formData]) if (!value) e.formData.delete(name); });

// ---- rows stay where they are: one that does not fit any more is dimmed, one that would come is announced
function compare() {
  const fit = new Set($('#r-list').dataset.rows.split(' ').filter(Boolean));
  for (const body of $$('tbody[data-stays]')) body.classList.toggle('gone', !fit.has(body.id.slice('robot-'.length)));
  $('#r-new').hidden = [...fit].every(row);
}
document.addEventListener('live:swapped', compare);

// ---- keys
document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches('input,textarea,select') || $('dialog[open]')) return;
  const rows = $$('[data-robot][aria-expanded]'), at = rows.findIndex(one => one.closest('tbody').contains(document.activeElement));
  const to = { j: rows[at + 1], k: rows[Math.max(0, at - 1)] }[e.key];
  if (to) { e.preventDefault(); to.focus(); } else if (e.key === 'o' && rows[at]) { e.preventDefault(); rows[at].click(); }
});
