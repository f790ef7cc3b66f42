// What every page does: theme, clock, running times, dialogs, what was said, finding, keys.
import { again, settle } from './live.js';

export const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
const root = document.documentElement;
export const say = text => { $('#say').textContent = text; };

document.addEventListener('click', e => {
  const b = e.target.closest('button,a');
  if (!b) return;
  if (b.matches('[data-theme-toggle]')) turn();
  else if (b.matches('[data-again]')) again();
  else if (b.matches('[data-find-open]')) { $('.find').classList.remove('hd'); $('#find').focus(); }
  else if (b.matches('[data-close]')) b.closest('dialog').close();
});
function turn() {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  document.cookie = `theme=${root.dataset.theme};path=/;max-age=31536000;samesite=lax`;
  document.dispatchEvent(new Event('theme'));
}

// ---- time: the clock, and how long things have been going on
const two = n => String(n).padStart(2, '0');
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds)), d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  const zh = root.lang.startsWith('zh');
  if (d) return zh ? `${d} 天 ${h} 小时` : `${d} d ${h} h`;
  if (!h && !m) return zh ? `${s} 秒` : `${s} s`;
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}
let known = Date.now();                     // up to when we know: what goes on stands still while we are not told
function tick() {
  const now = Date.now();
  for (const e of $$('[data-clock]')) e.textContent = new Date(now).toLocaleTimeString('en-GB');
  known = document.body.dataset.state === 'ok' ? now : Date.parse($('#top').dataset.heard) || known;
  for (const e of $$('[data-since]')) {
    const text = span((known - Date.parse(e.dataset.since)) / 1000);
    if (e.textContent !== text) e.textContent = text;
  }
}
tick();
setInterval(tick, 1000);
document.addEventListener('live:swapped', tick);

// ---- dialogs: asked for by a button, opened when they come, gone when they close; focus goes back to the button
let opener = null;
document.addEventListener('htmx:beforeRequest', e => { if (e.target.closest('[hx-target="#dialogs"]') && !e.target.closest('dialog')) opener = e.target.closest('button,a'); });
document.addEventListener('htmx:afterSwap', e => {
  if (e.target.id !== 'dialogs') return;
  const dialog = $('dialog', e.target);
  if (!dialog) { opener?.focus(); return; }
  dialog.addEventListener('close', () => { if (dialog.isConnected) dialog.remove(); opener?.isConnected && opener.focus(); });
  dialog.showModal();
  settle(dialog);
});
document.addEventListener('htmx:sendError', () => say($('#lost-what').textContent));
document.addEventListener('said', e => {
  const box = $('#said');
  box.textContent = e.detail.value;
  box.hidden = false;
  say(e.detail.value);
  clearTimeout(box.timer);
  box.timer = setTimeout(() => { box.hidden = true; }, 8000);
});

// ---- finding and keys
document.addEventListener('keydown', e => {
  if (e.key === 'Escape') { $('#found')?.replaceChildren(); }
  if (e.target.matches('input,textarea,select') || $('dialog[open]')) return;
  if (e.key === '/') { e.preventDefault(); $('.find').classList.remove('hd'); $('#find').focus(); }
});
$('#find')?.addEventListener('keydown', e => {
  const links = $$('#found a');
  if (e.key === 'Enter' && links[0]) { e.preventDefault(); location.href = links[0].href; }
  if (e.key === 'ArrowDown' && links[0]) { e.preventDefault(); links[0].focus(); }
});
$('#found')?.addEventListener('keydown', e => {
  const links = $$('#found a'), at = links.indexOf(document.activeElement);
  const to = { ArrowDown: links[at + 1], ArrowUp: links[at - 1] || $('#find') }[e.key];
  if (to) { e.preventDefault(); to.focus(); }
});
