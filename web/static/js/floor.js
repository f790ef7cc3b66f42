// The floor plan with robots on it: the plan is scaled to its box, robots and names keep their size on the screen.
const NS = 'http://www.w3.org/2000/svg', HANDHELD = 760, WIDE_REM = 46;
const LOOK = { on_hold: 'hold' }, NEED = ['on_hold', 'offline', 'paused'], SIGNS = ['charging', 'disabled', 'draining', 'on_hold', 'paused'];
const SOFT_MS = [400, 2200], NAMED = 80, ASIDE = 1e6;
const svg = (name, more = {}, ...inner) => {
  const e = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(more)) e.setAttribute(key, value);
  e.append(...inner);
  return e;
};
const hits = (a, all) => all.some(b => a[0] < b[2] && a[2] > b[0] && a[1] < b[3] && a[3] > b[1]);

export class Floor {
  constructor(box, plan, words, left) {
    Object.assign(this, { box, plan, words, left, bots: new Map(), last: null, chosen: '' });
    this.ground = svg('svg', { class: 'ground', 'aria-hidden': 'true' });
    this.top = svg('svg', { role: 'group', 'aria-label': `${plan.name}. ${box.dataset.label}` });
    this.pen = document.createElement('canvas').getContext('2d');
    box.replaceChildren(this.ground, this.top);
    this.top.addEventListener('keydown', e => this.key(e));
    this.top.addEventListener('focusin', e => this.choose(e.target.closest('.bot')?.dataset.id));
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(box);
    this.fit();
  }

  end() { this.watch.disconnect(); this.box.replaceChildren(); }

  // ---- the plan
  fit() {
    const [x, y, w, h] = this.plan.box, rem = this.rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const pans = innerWidth <= HANDHELD, width = pans ? Math.max(this.box.clientWidth, WIDE_REM * rem * .8) : this.box.clientWidth, height = this.box.clientHeight;
    if (!width || !height) return;
    const k = this.k = Math.min(width / w, height / h);
    this.x0 = x - (width / k - w) / 2;
    this.y0 = y - (height / k - h) / 2;
    this.size = [width, height];
    for (const one of [this.ground, this.top]) { one.setAttribute('width', width); one.setAttribute('height', height); }
    this.font = `600 ${rem * .86}px ${getComputedStyle(this.box).fontFamily}`;
    this.lay();
    if (this.last) this.move(this.last, true);
  }
  X(x) { return (x - this.x0) * this.k; }
  Y(y) { return (y - this.y0) * this.k; }

  lay() {
    const { areas, ways, oneWay, stations, gap } = this.plan, k = this.k, road = Math.max(2, Math.min(.8 * this.rem, .5 * gap * k));
    const em = this.rem * .79, used = this.named = [], names = [];
    const base = svg('g', { transform: `scale(${k}) translate(${-this.x0} ${-this.y0})` });
    for (const [, x, y, w, h] of areas) base.append(svg('rect', { class: 'area', x, y, width: w, height: h, rx: 4 / k, 'stroke-width': 1 / k }));
    base.append(svg('path', { class: 'road', d: ways, 'stroke-width': road / k }));
    if (road < 4) base.append(svg('path', { class: 'way', d: ways, 'vector-effect': 'non-scaling-stroke' }));
    const arrows = oneWay.map(([x, y, turn]) => svg('path', { class: 'one', d: 'M-3-4L3 0L-3 4', transform: `translate(${this.X(x)} ${this.Y(y)}) rotate(${turn})` }));
    const half = Math.max(1.5, Math.min(.36 * this.rem, .3 * gap * k)), marks = svg('g');
    for (const [id, name, x, y, charge] of stations) {
      const at = svg('g', { transform: `translate(${this.X(x).toFixed(1)} ${this.Y(y).toFixed(1)})` }, svg('rect', { class: 'stn', x: -half, y: -half, width: 2 * half, height: 2 * half, rx: half / 3 }));
      if (charge && half > 4) at.append(svg('path', { class: 'chg', d: 'M1.2-4L-2.8.7H0L-.6 4 2.8-.4H.2z', transform: `scale(${half / 5.5})` }));
      if (name) at.append(svg('title', {}, document.createTextNode(`${id}: ${name}`)));
      marks.append(at);
      used.push([this.X(x) - half, this.Y(y) - half, this.X(x) + half, this.Y(y) + half]);
    }
    for (const [name, x, y, w, h] of areas) this.name(names, name, em, 'an', [[this.X(x) + 6, this.Y(y) + 4], [this.X(x) + 6, this.Y(y + h) - em - 6]], this.X(x + w) - 4, used);
    if (stations.length <= NAMED) for (const [id, , x, y] of stations) {
      const wide = this.wide(id, em), X = this.X(x), Y = this.Y(y), far = half + 3;
      this.name(names, id, em, '', [[X - wide / 2, Y + far], [X - wide / 2, Y - far - em], [X + far, Y - em / 2], [X - far - wide, Y - em / 2]], this.size[0], used);
    }
    this.ground.replaceChildren(base, ...arrows, marks, ...names);
  }
  // A name of a place where one of the spots is free; the others go without, their marks tell them on pointing.
  name(names, text, em, kind, spots, right, used) {
    const wide = this.wide(text, em), free = spots.find(([x, y]) => x >= 0 && y >= 0 && x + wide <= right && y + em <= this.size[1] && !hits([x, y, x + wide, y + em], used));
    if (!free) return;
    used.push([free[0], free[1], free[0] + wide, free[1] + em]);
    names.push(svg('text', { class: kind, x: free[0].toFixed(1), y: (free[1] + em * .82).toFixed(1) }, document.createTextNode(text)));
  }
  wide(text, em) { this.pen.font = this.font.replace(/[\d.]+px/, `${em}px`); return this.pen.measureText(text).width; }

  // ---- robots
  move(fleet, jump = false) {
    this.last = fleet;
    if (!fleet || !this.k) return;
    const [x, y, w, h] = this.plan.box, here = [];
    for (const [id, robot] of Object.entries(fleet.robots)) {
      const at = robot.position && { x: robot.position.x, y: -robot.position.y };
      if (at && at.x >= x && at.x <= x + w && at.y >= y && at.y <= y + h) here.push({ id, ...robot, ...at, state: robot.paused && robot.state === 'working' ? 'paused' : robot.state });
    }
    this.scale = (here.length <= 24 ? 1 : here.length <= 60 ? .8 : .66) * this.rem / 14 * (innerWidth <= HANDHELD ? 14 / 16 : 1);
    const gone = new Set(this.bots.keys()), cut = here.length > 24 ? prefix(here.map(r => r.id)) : 0;
    for (const robot of here) { gone.delete(robot.id); this.set(robot, jump); }
    for (const id of gone) { this.bots.get(id).e.remove(); this.bots.delete(id); }
    this.place(cut);
    if (this.bots.has(this.chosen)) return;
    this.choose(here.find(r => NEED.includes(r.state))?.id || here[0]?.id);
    const bot = this.bots.get(this.chosen);
    if (bot && this.box.scrollWidth > this.box.clientWidth) this.box.scrollLeft = bot.px[0] - this.box.clientWidth / 2;
  }

  set(robot, jump) {
    let bot = this.bots.get(robot.id);
    if (!bot) { bot = this.make(robot.id); jump = true; }
    const moved = !bot.at || Math.hypot(robot.x - bot.at.x, robot.y - bot.at.y) > .05, now = performance.now();
    if (moved) {
      const took = Math.max(SOFT_MS[0], Math.min(SOFT_MS[1], now - (bot.since || now - 1000)));
      bot.e.style.transitionDuration = `${Math.round(took)}ms`;
      const turn = heading(robot, bot.at);
      if (turn !== null) bot.turn += ((turn - bot.turn) % 360 + 540) % 360 - 180;
      bot.since = now;
    }
    bot.e.classList.toggle('jump', jump);
    bot.robot = robot;
    bot.at = { x: robot.x, y: robot.y };
    bot.px = [this.X(robot.x), this.Y(robot.y)];
    bot.e.style.transform = `translate(${bot.px[0].toFixed(1)}px,${bot.px[1].toFixed(1)}px)`;
    bot.b.style.transform = `rotate(${bot.turn}deg) scale(${(this.scale * .78).toFixed(2)})`;
    this.dress(bot, robot);
  }

  make(id) {
    const b = svg('g', { class: 'b' }), tag = svg('rect', { class: 'tg', rx: 4 }), text = svg('text'), ring = svg('circle', { class: 'ring' });
    const e = svg('a', { class: 'bot', href: `/robots#${encodeURIComponent(id)}`, 'data-id': id, tabindex: -1 }, svg('circle', { r: 14, fill: 'transparent' }), ring, b, tag, text);
    const bot = { e, b, tag, text, ring, turn: 0, worn: '' };
    this.top.append(e);
    this.bots.set(id, bot);
    return bot;
  }

  dress(bot, robot) {
    const state = this.words[`s${robot.state.split('_').map(part => part[0].toUpperCase() + part.slice(1)).join('')}`] || robot.state;
    bot.state = state;
    const worn = [robot.state, robot.loaded, robot.known, this.scale].join();
    if (worn === bot.worn) return;
    bot.worn = worn;
    bot.e.dataset.s = LOOK[robot.state] || robot.state;
    bot.e.classList.toggle('lost', !robot.known);
    bot.e.setAttribute('aria-label', [`${robot.id}: ${state}`, robot.loaded && this.words.loaded, !robot.known && robot.state !== 'offline' && this.words.unknown].filter(Boolean).join(', '));
    bot.ring.setAttribute('r', (17 * this.scale + 3).toFixed(1));
    const inner = [svg('path', { class: 'body', d: 'M-15-11H5L17 0 5 11h-20z' })];
    if (robot.loaded) inner.push(svg('rect', { class: 'ld', x: -11, y: -6.5, width: 13, height: 13, rx: 1.5 }));
    else if (!robot.known || SIGNS.includes(robot.state)) inner.push(svg('use', { class: 'sg', href: `#i-${robot.known ? LOOK[robot.state] || robot.state : 'offline'}`, x: -11, y: -7, width: 14, height: 14 }));
    bot.b.replaceChildren(...inner);
  }

  // ---- names: who needs a person first, then who carries, then the rest; one that finds no room is left out
  place(cut) {
    const em = this.rem * .86, [W, H] = this.size, far = 13 * this.scale + 3, used = [], all = [...this.bots.values()];
    for (const { px: [x, y] } of all) used.push([x - 11 * this.scale, y - 11 * this.scale, x + 11 * this.scale, y + 11 * this.scale]);
    let out = 0;
    for (const bot of all.sort((a, b) => rank(a.robot) - rank(b.robot) || (a.robot.id < b.robot.id ? -1 : 1))) {
      const need = rank(bot.robot) === 0, id = bot.robot.id.slice(cut), room = { em, W, H, far, used, bot, need };
      const found = need ? this.room(`${id} · ${bot.state}`, room) || this.room(id, room) || this.room(id, { ...room, used: [] }) : this.room(id, room);
      if (!found) { out++; bot.text.textContent = ''; bot.tag.removeAttribute('width'); continue; }
      const { text, spot, w, h } = found, [x, y] = bot.px;
      bot.text.textContent = text;
      used.push([x + spot[0] - 3, y + spot[1] - 1, x + spot[0] + w + 3, y + spot[1] + h + 1]);
      bot.text.setAttribute('x', (spot[0] + (need ? 7 : 1)).toFixed(1));
      bot.text.setAttribute('y', (spot[1] + h / 2 + em * .36).toFixed(1));
      if (need) for (const [key, value] of Object.entries({ x: spot[0], y: spot[1], width: w, height: h })) bot.tag.setAttribute(key, value.toFixed(1));
      else bot.tag.removeAttribute('width');
    }
    const said = out ? (out === 1 ? this.words.leftOne : this.words.left).replace('{n}', out) : '';
    if (this.left && this.left.textContent !== said) this.left.textContent = said;
  }

  // A spot for a name beside its robot. The one it has is kept while it is free, so that names do not hop; a place's
  // name is covered only if need be; who needs a person may also stand a little farther off.
  room(text, { em, W, H, far, used, bot, need }) {
    const w = this.wide(text, em) + (need ? 14 : 2), h = em * (need ? 1.7 : 1.1), [x, y] = bot.px, spots = [];
    for (const d of need ? [far, far + h + 2] : [far]) spots.push([-w / 2, -d - h], [d, -h / 2], [-w / 2, d], [-d - w, -h / 2], [d, -d - h], [d, d], [-d - w, -d - h], [-d - w, d]);
    const box = ([dx, dy]) => [x + dx, y + dy, x + dx + w, y + dy + h], free = spots.filter(one => {
      const [left, top, right, low] = box(one);
      return left > 1 && top > 1 && right < W - 1 && low < H - 1 && !hits([left, top, right, low], used);
    });
    const spot = free.find(one => spots.indexOf(one) === bot.spot) || free.find(one => !hits(box(one), this.named)) || free[0];
    bot.spot = spots.indexOf(spot);
    return spot && { text, spot, w, h };
  }

  // ---- keyboard: one stop for the Tab key, arrows go to the nearest robot that way
  choose(id) {
    if (!id || !this.bots.has(id)) return;
    this.bots.get(this.chosen)?.e.setAttribute('tabindex', -1);
    this.chosen = id;
    this.bots.get(id).e.setAttribute('tabindex', 0);
  }
  // Straight ahead before aside, so that every robot is reached; those at the very same place stand in the order of names.
  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key], me = this.bots.get(event.target.dataset?.id);
    if (!way || !me) return;
    event.preventDefault();
    const nth = new Map([...this.bots.keys()].sort().map((id, n) => [this.bots.get(id), n]));
    let best = null, least = Infinity;
    for (const bot of this.bots.values()) {
      const apart = .01 * (nth.get(bot) - nth.get(me)), x = bot.px[0] - me.px[0] + apart, y = bot.px[1] - me.px[1] + apart / 2;
      const along = x * way[0] + y * way[1], beside = Math.abs(x * way[1] - y * way[0]), ahead = beside <= along;
      const far = ahead ? Math.hypot(x, y) : ASIDE + along + 2 * beside;
      if (bot !== me && (ahead || along > .5) && far < least) { least = far; best = bot; }
    }
    best?.e.focus();
  }
}

const rank = robot => (NEED.includes(robot.state) ? 0 : robot.loaded ? 1 : 2);
// Angles of plans turn to the left from east, those of screens to the right. Who does not say it looks where it went.
function heading(robot, was) {
  const theta = robot.position.theta;
  if (Number.isFinite(theta)) return -theta * 180 / Math.PI;
  return was && Math.hypot(robot.x - was.x, robot.y - was.y) > .2 ? Math.atan2(robot.y - was.y, robot.x - was.x) * 180 / Math.PI : null;
}
// How many letters all names begin with, up to the last sign between words.
function prefix(ids) {
  let n = ids[0]?.length || 0;
  for (const id of ids) while (!id.startsWith(ids[0].slice(0, n))) n--;
  return ids[0].slice(0, n).search(/[-_.][^-_.]*$/) + 1;
}
