// One job: brings regions of the page up to date as things happen, folds the tree, moves in it by arrows, logs.
import { swap } from './live.js';
import { $, $$, say } from './console.js';

const words = $('#job-words').dataset, id = document.body.dataset.jobs;
const WAIT_MS = 500, SLOW_MS = 5000, RESTS = 4;
const query = (more = {}) => {
  const q = new URLSearchParams(location.search);
  for (const [k, v] of Object.entries(more)) v === null || v === '' ? q.delete(k) : q.set(k, v);
  return q;
};

// ---- bringing regions up to date: together, at most twice a second, one request at a time
const wanted = new Set();
let timer = 0, busy = false, turn = 0, pause = WAIT_MS;
export function want(...regions) {
  for (const one of regions) wanted.add(one);
  timer ||= setTimeout(bring, pause);
}
async function bring(now) {
  clearTimeout(timer); timer = 0;
  if (busy || !wanted.size) return;
  const only = [...wanted].join(' '), mine = ++turn;
  wanted.clear();
  busy = true;
  const began = performance.now();
  try {
    const more = { only };
    if (only.includes('logs') && $('#log-older[data-has]')) more.upto = $('#log-new').dataset.last || null;
    const answer = await fetch(`/jobs/${id}/part?${query(more)}`, { headers: { 'HX-Request': 'true' } });
    if (!answer.ok) throw new Error(answer.statusText);
    const html = await answer.text();
    if (mine === turn) put(html); else want(...only.split(' '));
  } catch { if (now) say(words.failed); setTimeout(() => want(...only.split(' ')), SLOW_MS); }
  if (mine === turn) busy = false;
  pause = Math.min(SLOW_MS, Math.max(WAIT_MS, RESTS * (performance.now() - began)));   // a huge page is fetched less often
  if (wanted.size) timer ||= setTimeout(bring, pause);
}
function put(html) {
  swap(html);
  if (html.includes('id="job-tree"')) told = performance.now();
  if ($('#job-logs').dataset.again) { forget(); want('logs'); }
  after();
}
// Older lines that were fetched stay until other lines are asked for.
function forget() {
  const box = $('#log-older');
  delete box.dataset.has; delete box.dataset.mine; delete $('#log-new').dataset.last;
}
function after() { fold(); rove(); grow(); }

document.addEventListener('live:job', () => want('head', 'tree', 'side', 'record'));
document.addEventListener('live:block', () => want('head', 'tree', 'side'));
document.addEventListener('live:log', () => { fresh++; logs(); });
document.addEventListener('live:artifact', () => want('logs'));   // what a line speaks of has come
// What keeps a job waiting, and what its robot says, changes with robots; not all of that is told as it happens.
const robots = () => { if (!document.hidden && ended() === 'no' && document.body.dataset.state === 'ok') want('head', 'side'); };
document.addEventListener('live:robot', robots);
setTimeout(robots, WAIT_MS);                         // what was known of robots when this was opened was a moment old
setInterval(robots, SLOW_MS);
document.addEventListener('live:state', e => { if (!e.detail.lost) want('head', 'tree', 'side', 'logs', 'record'); });
document.addEventListener('said', () => want('head', 'tree', 'side', 'record'));
const ended = () => $('#job-head').dataset.ended;
let told = performance.now();

// ---- another place of the same page: the address says what is shown. A link was written when its region was, so it
// changes what it is about and leaves what the reader has chosen elsewhere since then.
const changed = (href, name) => `?${query({ [name]: new URLSearchParams(href.slice(1)).get(name) })}`;
function go(href, ...regions) {
  history.replaceState(null, '', href === '?' ? location.pathname : href);
  for (const one of regions) wanted.add(one);
  if (regions.includes('logs')) { forget(); fresh = 0; $('#log-fresh').hidden = true; }
  turn++; busy = false;
  return bring(true);
}
document.addEventListener('click', e => {
  const a = e.target.closest('a[data-go]');
  if (a && !e.ctrlKey && !e.metaKey && !e.shiftKey) {
    e.preventDefault();
    go(changed(a.getAttribute('href'), a.dataset.set), ...(a.dataset.go ? [a.dataset.go] : ['tree', 'logs']));
  }
});
document.addEventListener('change', e => {
  const to = e.target.value;
  if (e.target.id === 'log-type') go(changed(to, 'type'), 'logs');
  if (e.target.id !== 'log-attempt') return;
  if (to.startsWith('/jobs/')) location.href = `${to}#job-logs`;   // the same on another robot is another job
  else go(changed(to, 'attempt'), 'tree', 'logs');
});
let typing = 0;
document.addEventListener('input', e => {
  if (e.target.id !== 'log-text') return;
  clearTimeout(typing);
  typing = setTimeout(() => go(`?${query({ q: e.target.value.trim() })}`, 'logs'), 300);
});

// ---- copying the id
document.addEventListener('click', async e => {
  const b = e.target.closest('[data-copy]');
  if (!b) return;
  try { await navigator.clipboard.writeText(b.dataset.copy); } catch {
    getSelection().selectAllChildren($('#job-id'));          // without a secure address there is no clipboard
    document.execCommand('copy');
  }
  say(words.copied);
});

// ---- the tree: what the reader folded stays folded
const choice = new Map();
const rows = () => $$('#job-tree .tg [role=row][tabindex]');
const level = row => +row.getAttribute('aria-level');
function fold() {
  let shut = Infinity;
  for (const row of $$('#job-tree .tg [aria-level]')) {
    if (choice.has(row.id) && row.hasAttribute('aria-expanded')) row.setAttribute('aria-expanded', choice.get(row.id));
    row.hidden = level(row) > shut;
    if (!row.hidden) shut = row.getAttribute('aria-expanded') === 'false' ? level(row) : Infinity;
  }
}
const isOpen = row => row.getAttribute('aria-expanded') === 'true';
const inAddress = () => new Set((new URLSearchParams(location.search).get('open') || '').split(' ').filter(Boolean));
const below = row => { const next = row.nextElementSibling; return next && level(next) > level(row); };
function turnRow(row, open) {
  if (!row.hasAttribute('aria-expanded')) return;
  const key = row.dataset.pass;                     // what is in a pass may have to be asked for
  if (key && (open ? !below(row) : inAddress().has(key))) { choice.delete(row.id); opened(key, open); return; }
  choice.set(row.id, String(open));
  row.setAttribute('aria-expanded', open);
  fold();
}
function opened(key, open) {
  const set = inAddress();
  open ? set.add(key) : set.delete(key);
  return go(`?${query({ open: [...set].join(' ') })}`, 'tree');
}
document.addEventListener('click', e => {
  const more = e.target.closest('[data-open]');
  if (more) { opened(more.dataset.open, more.getAttribute('aria-expanded') !== 'true'); return; }
  const name = e.target.closest('#job-tree [aria-expanded] > .nm');
  if (name && !getSelection().toString()) { focus(name.parentElement); turnRow(name.parentElement, !isOpen(name.parentElement)); }
});

// ---- arrows in the tree; one row at a time is in the tab order
let current = '';
function rove() {
  const all = rows();
  const here = all.find(row => row.id === current && !row.hidden) || all.find(row => !row.hidden);
  for (const row of all) row.tabIndex = row === here ? 0 : -1;
}
function focus(row) { if (!row) return; current = row.id; rove(); row.focus({ preventScroll: true }); row.scrollIntoView({ block: 'nearest' }); }
document.addEventListener('focusin', e => { const row = e.target.closest?.('#job-tree [role=row][tabindex]'); if (row && row.id !== current) { current = row.id; rove(); } });
document.addEventListener('keydown', e => {
  const row = e.target.closest?.('#job-tree [role=row][tabindex]');
  if (!row || e.target !== row || e.ctrlKey || e.metaKey || e.altKey) return;
  const seen = rows().filter(one => !one.hidden), at = seen.indexOf(row);
  const parent = () => seen.slice(0, at).reverse().find(one => level(one) < level(row));
  const does = {
    ArrowDown: () => focus(seen[at + 1]),
    ArrowUp: () => focus(seen[at - 1]),
    Home: () => focus(seen[0]),
    End: () => focus(seen[seen.length - 1]),
    ArrowRight: () => { if (row.hasAttribute('aria-expanded') && !isOpen(row)) turnRow(row, true); else if (level(seen[at + 1] || row) > level(row)) focus(seen[at + 1]); },
    ArrowLeft: () => { if (row.hasAttribute('aria-expanded') && isOpen(row)) turnRow(row, false); else focus(parent()); },
    Enter: () => { if (row.hasAttribute('aria-expanded')) turnRow(row, !isOpen(row)); },
  }[e.key];
  if (does) { e.preventDefault(); does(); }
});

// A block's name in the logs leads to its row: that of its pass if it is shown, else that of the block.
function find(path) {
  const exact = document.getElementById(`b/${path}`);
  return exact || rows().find(row => row.dataset.place === path.replace(/#\d+/g, ''));
}
function show(row) {
  for (let at = row, need = level(row); at; at = at.previousElementSibling) {
    if (level(at) < need) { need = level(at); if (!isOpen(at)) { choice.set(at.id, 'true'); at.setAttribute('aria-expanded', true); } }
  }
  fold();
  focus(row);
  row.scrollIntoView({ block: 'center' });
}
document.addEventListener('click', e => {
  const a = e.target.closest('a[data-block]');
  const row = a && find(a.dataset.block);
  if (row) { e.preventDefault(); show(row); }
});

// ---- what runs grows between two looks of the server
function grow() {
  const tree = $('#job-tree'), line = $('[data-now]', tree), rate = +tree.dataset.rate;
  if (!line || document.body.dataset.state !== 'ok') return;
  const more = (performance.now() - told) / 1000 * rate;
  line.dataset.x ||= parseFloat(line.getAttribute('x'));
  const x = Math.min(+line.dataset.x + more, 100);
  line.setAttribute('x', `${x.toFixed(2)}%`);
  for (const bar of $$('[data-grow]', tree)) bar.setAttribute('width', `${Math.max(0.4, x - parseFloat(bar.getAttribute('x'))).toFixed(2)}%`);
}
setInterval(grow, 1000);

// ---- logs: new lines come in by themselves unless somebody reads there
let fresh = 0;
const reading = () => {
  const list = $('#log-new'), top = list.getBoundingClientRect().top;
  return list.matches(':hover,:focus-within') || top < 60;
};
function logs() {
  if (!reading()) { fresh = 0; want('logs'); return; }
  const box = $('#log-fresh'), b = $('button', box);
  b.textContent = b.dataset.many.replace('{n}', fresh);
  box.hidden = false;
}
document.addEventListener('click', async e => {
  if (e.target.closest('[data-fresh]')) { fresh = 0; $('#log-fresh').hidden = true; wanted.add('logs'); await bring(true); $('#h-log').scrollIntoView({ block: 'nearest' }); }
  const older = e.target.closest('[data-older]');
  if (!older) return;
  e.preventDefault();
  const box = $('#log-older'), last = $$('#log-new li').at(-1);
  $('#log-new').dataset.last ||= last ? last.id.slice(2) : '';
  box.setAttribute('aria-busy', 'true');
  const answer = await fetch(older.href);
  box.removeAttribute('aria-busy');
  if (!answer.ok) { say(words.failed); return; }
  older.closest('.older').remove();
  box.insertAdjacentHTML('beforeend', await answer.text());
  box.dataset.has = box.dataset.mine = 'yes';
});
after();
