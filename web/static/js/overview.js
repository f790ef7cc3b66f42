// The overview: hands what comes to the floor and to the chart, and says of when the facts are.
import { $ } from './console.js';
import { Floor } from './floor.js';
import { Chart } from './chart.js';

const words = $('#ov-words').dataset;
const data = id => { const e = document.getElementById(id); return e ? JSON.parse(e.textContent) : null; };
let floor = null, plan = '', fleet = data('fleet'), chart = null;

// A plan may come, change or go while the page is open.
function lay() {
  const box = $('#map'), text = $('#plan')?.textContent || '';
  if (!box) { floor?.end(); floor = null; plan = ''; return; }
  if (text === plan && floor?.box === box) return;
  floor?.end();
  plan = text;
  floor = new Floor(box, JSON.parse(text), words, $('#floor-left'));
  floor.move(fleet);
}
function draw() {
  chart ??= new Chart($('#chart'), $('#hours'), words);
  chart.read();
}

document.addEventListener('live:fleet', e => { fleet = e.detail; floor?.move(fleet); });
document.addEventListener('live:swapped', () => { lay(); draw(); said(document.body.dataset.state); });
document.addEventListener('theme', () => chart?.paint());
matchMedia('(prefers-color-scheme:dark)').addEventListener('change', () => chart?.paint());

// What is shown while not live is of that moment.
let at = '';
function said(state, lost) {
  if (state === 'ok') at = '';
  else at ||= new Date((lost !== 'box' && $('#top').dataset.heard) || Date.now()).toLocaleTimeString('en-GB');
  const e = $('#o-at'), text = at && words.at.replace('{time}', at);
  if (e && e.textContent !== text) e.textContent = text;
}
document.addEventListener('live:state', e => said(document.body.dataset.state, e.detail.lost));

lay();
draw();
said(document.body.dataset.state);
