// Jobs per hour as stacked bars, read from the table beside them; colours are those of the page.
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const sums = rows => [0, 1, 2].map(k => rows.map(row => row.slice(1, k + 2).reduce((a, b) => a + b, 0)));

export class Chart {
  constructor(box, table, words) {
    this.box = box; this.table = table.id; this.words = words; this.rows = []; this.text = null;
    new ResizeObserver(() => this.fit()).observe(box);
  }

  read() {
    const table = document.getElementById(this.table), text = table.tBodies[0].innerHTML;
    if (text === this.text) return;
    this.text = text;
    this.names = [...table.tHead.rows[0].cells].slice(1).map(cell => cell.textContent);
    this.rows = [...table.tBodies[0].rows].map(row => [row.cells[0].textContent, ...[...row.cells].slice(1).map(cell => +cell.textContent)]);
    if (this.plot) { this.plot.setData(this.data()); this.say(); } else this.paint();
  }

  // Drawn one over the other: all of an hour first, then all but the failed, then the succeeded.
  data() {
    const [good, off, all] = sums(this.rows).map(one => one.map(n => n || null));
    return [this.rows.map((_, k) => k), all, off, good];
  }

  say() {
    const total = this.rows.reduce((n, row) => n + row[1] + row[2] + row[3], 0), canvas = this.box.querySelector('canvas');
    if (!canvas) return;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `${document.getElementById('h-hours').textContent}: ${total} ${this.words.sum}`);
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width < 40 || height < 40) return;
    if (this.plot) this.plot.setSize({ width, height }); else this.paint();
  }

  paint() {
    const { clientWidth: width, clientHeight: height } = this.box;
    this.plot?.destroy();
    this.plot = null;
    if (width < 40 || height < 40 || !this.rows.length) return;
    this.plot = new window.uPlot(this.options(width, height), this.data(), this.box);
    this.say();
  }

  options(width, height) {
    const em = parseFloat(getComputedStyle(document.documentElement).fontSize), font = `${em * .86}px ${css('--sans')}`;
    const bars = window.uPlot.paths.bars({ size: [.68, 40] }), axis = { stroke: css('--ink3'), font, ticks: { show: false } };
    const series = (fill, stroke = fill) => ({ fill, stroke, width: 1, paths: bars, points: { show: false } });
    return {
      width, height, padding: [em * 1.4, em * .3, 0, 0], legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, dataIdx: (u, _s, k) => k },
      scales: { x: { time: false, range: () => [-.5, this.rows.length - .5] }, y: { range: (u, low, high) => [0, Math.max(4, high * 1.08)] } },
      axes: [
        { ...axis, grid: { show: false }, size: em * 1.7, gap: 4, splits: () => this.rows.map((_, k) => k), values: (u, at) => this.labels(at) },
        { ...axis, grid: { stroke: css('--line2'), width: 1 }, size: em * 2.6, gap: 6, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000], space: em * 2.4 },
      ],
      series: [{}, series(css('--badf')), series(css('--panel'), css('--mute')), series(css('--mute'))],
      hooks: { draw: [u => this.mark(u, font)], setCursor: [u => this.tip(u)] },
    };
  }

  // Every other hour is named, the running one always.
  labels(at) {
    const last = this.rows.length - 1;
    return at.map(k => ((last - k) % 2 ? '' : this.rows[k][0].replace(/:00$/, this.box.clientWidth > 520 ? ':00' : '')));
  }

  // The number over the hour with most failures: what to look at. The running hour is not over yet, so it is paler.
  mark(u, font) {
    const worst = this.rows.reduce((best, row, k) => (row[3] > (this.rows[best]?.[3] || 0) ? k : best), -1), ctx = u.ctx, dpr = devicePixelRatio;
    const last = this.rows.length - 1, half = u.valToPos(.5, 'x', true) - u.valToPos(0, 'x', true);
    ctx.save();
    ctx.fillStyle = css('--panel');
    ctx.globalAlpha = .45;
    ctx.fillRect(u.valToPos(last, 'x', true) - half, u.bbox.top, 2 * half, u.bbox.height);
    ctx.globalAlpha = 1;
    if (worst >= 0) {
      ctx.fillStyle = css('--bad');
      ctx.font = `600 ${font.replace(/^[\d.]+/, size => size * dpr)}`;
      ctx.textAlign = 'center';
      ctx.fillText(this.rows[worst][3], u.valToPos(worst, 'x', true), u.valToPos(u.data[1][worst], 'y', true) - 5 * dpr);
    }
    ctx.restore();
  }

  tip(u) {
    const k = u.cursor.idx, row = u.cursor.left < 0 ? null : this.rows[k];
    this.note?.remove();
    if (!row) return;
    const note = this.note = document.createElement('div'), line = (tag, ...texts) => {
      const e = note.appendChild(document.createElement(tag));
      for (const text of texts) e.appendChild(document.createElement('span')).textContent = text;
    };
    note.className = 'ov-tip';
    line('b', row[0]);
    this.names.forEach((name, n) => line('i', name, row[n + 1]));
    this.box.append(note);
    const at = u.valToPos(k, 'x') + u.over.offsetLeft, right = at > this.box.clientWidth / 2;
    note.style.left = `${right ? Math.max(0, at - note.offsetWidth - 14) : at + 14}px`;
    note.style.top = '1rem';
  }
}
