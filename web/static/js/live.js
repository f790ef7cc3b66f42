// Keeps this page true: says what it shows, takes news, swaps the parts that changed without touching anything else.
import { Wire } from './wire.js';

const body = document.body, words = document.getElementById('words').dataset;
const list = name => (body.dataset[name] || '').split(' ').filter(Boolean);
const wish = () => ({ parts: list('parts'), topics: list('topics'), jobs: list('jobs') });
export const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`live:${name}`, { detail }));

let send;
if (window.SharedWorker) {
  const { port } = new SharedWorker(body.dataset.worker, { type: 'module', name: 'live' });
  port.onmessage = ({ data }) => heard(data.name, data.data);
  port.start();
  send = what => port.postMessage(what);
} else {
  const wire = new Wire((name, data) => heard(name, data));
  const set = all => Object.fromEntries(Object.entries(all).map(([k, v]) => [k, new Set(v)]));
  send = what => wire.wish(what.bye ? {} : set(what), what.again);
}

// A hidden tab needs no stream; it catches up when it is looked at again.
const come = again => send({ ...wish(), again });
const go = () => send({ bye: true });
document.addEventListener('visibilitychange', () => { document.hidden ? go() : come(); });
window.addEventListener('pagehide', go);
window.addEventListener('pageshow', e => { if (e.persisted) come(true); });
if (body.dataset.parts && !document.hidden) come();
export const rewish = () => { if (!document.hidden) come(); };
export const again = () => come(true);

// ---- states: ok, or disconnected (from the controller, from the box, or no room)
let lost = null;
const time = at => (at ? new Date(at) : new Date()).toLocaleTimeString('en-GB');
function show(what, at) {
  if (what === lost) return;
  const was = lost;
  lost = what;
  body.dataset.live = what === 'box' || what === 'full' ? 'no' : 'yes';
  body.dataset.state = what ? 'disconnected' : 'ok';
  document.getElementById('lost').hidden = !what;
  if (what) {
    const key = what === 'controller' && !at ? 'lostNever' : `lost${what[0].toUpperCase()}${what.slice(1)}`;
    document.getElementById('lost-what').textContent = words[key].replace('{time}', time(at));
    for (const e of document.querySelectorAll('[data-lost]')) e.hidden = e.dataset.lost !== what;
  } else if (was) document.getElementById('say').textContent = words.back;
  settle();
  tell('state', { lost: what });
}
// What may be seen and pressed in this state; also after a part was swapped in.
export function settle(root = document) {
  const state = body.dataset.state;
  for (const e of root.querySelectorAll('[data-when]')) e.hidden = !e.dataset.when.split(' ').includes(state);
  for (const e of root.querySelectorAll('[data-act]')) e.disabled = state !== 'ok';
}
const controller = () => {
  const top = document.getElementById('top');
  show(top.dataset.up === 'false' ? 'controller' : null, top.dataset.heard);
};

let tries = 0, stale = document.hidden;
function open() {
  tries = 0;
  body.dataset.live = 'yes';
  controller();
  if (stale) tell('state', { lost });       // what lives on moves may have missed some: it reads anew
  stale = true;
}
function heard(name, data) {
  if (name === 'open') open();
  else if (name === 'full') show('full', data.at);
  else if (name === 'lost') { if (tries++ > 0 || data.sure) show('box', data.at); }   // one lost try is a hiccup
  else if (name === 'part') { if (list('parts').includes(data.part)) swap(data.html); if (data.part.startsWith('frame.')) controller(); }
  else if (name === 'resync') { location.reload(); }
  else if (name === 'out') location.href = `/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`;
  else tell(name, data);
}

// Elements with ids replace their namesakes. What belongs to the reader stays: attributes named in `data-keep` (open,
// hidden …), and all inside of `data-mine` (a field being filled in, an open list). Rows never move by themselves: one
// with `data-stays` is not taken away, one with `data-waits` does not come; the page says so instead. Running times
// (`data-since`) keep their text until they are counted again.
const has = (node, mark) => Boolean(node.dataset && mark in node.dataset);
const KEEP = { callbacks: {
  beforeAttributeUpdated: (name, node) => !node.dataset?.keep?.split(' ').includes(name),
  beforeNodeMorphed: node => !has(node, 'mine'),
  beforeNodeAdded: node => !has(node, 'waits'),
  beforeNodeRemoved: node => !has(node, 'stays') && !(node.nodeType === Node.TEXT_NODE && has(node.parentNode, 'since')),
} };
export function swap(html) {
  const box = document.createElement('template');
  box.innerHTML = html;
  for (const fresh of [...box.content.children]) {
    const here = document.getElementById(fresh.id);
    if (!here || fresh.outerHTML === here.dataset_last) continue;
    here.dataset_last = fresh.outerHTML;
    window.Idiomorph.morph(here, fresh, KEEP);
    window.htmx?.process(here);
    settle(here);
    mark(here);
  }
  tell('swapped', null);
}
// Which page this is does not come with the frame's part: it is the same for all pages.
function mark(root) {
  for (const a of root.querySelectorAll('[data-tab]')) a.toggleAttribute('aria-current', a.dataset.tab === body.dataset.page);
  for (const a of root.querySelectorAll('[aria-current=""]')) a.setAttribute('aria-current', 'page');
  for (const a of root.querySelectorAll('[data-lang]')) a.href = language(a.dataset.lang);
}
export const language = lang => { const to = new URL(location.href); to.searchParams.set('lang', lang); return to.pathname + to.search; };
mark(document);
settle();
