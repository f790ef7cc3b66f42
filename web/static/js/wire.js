// The stream itself: opens it for a set of wishes, goes on after the last move it heard, says when it is lost.
const EVENTS = ['part', 'fleet', 'job', 'block', 'log', 'robot', 'queues', 'system', 'resync'];
const RETRY_MS = 2000;

export class Wire {
  constructor(tell) { this.tell = tell; this.source = null; this.wishes = ''; this.last = ''; this.timer = 0; }

  wish(all, again) {
    const given = Object.entries(all).filter(([, set]) => set.size).map(([kind, set]) => [kind, [...set].sort().join(' ')]);
    const wishes = new URLSearchParams(given).toString();
    if (wishes === this.wishes && !again) { if (wishes) this.tell(this.state || 'lost', null); return; }
    this.wishes = wishes;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    if (!this.wishes) { this.last = ''; return; }
    const source = this.source = new EventSource(`/live?${this.wishes}${this.last && `&after=${this.last}`}`);
    source.onopen = () => this.say('open');
    source.onerror = () => this.failed(source);
    for (const name of EVENTS) source.addEventListener(name, e => {
      if (e.lastEventId) this.last = e.lastEventId;
      this.tell(name, JSON.parse(e.data));
    });
  }

  // A stream that was refused ends for good: ask why, then try again.
  async failed(source) {
    if (source !== this.source) return;
    source.close();
    this.say(await this.why());
    if (source === this.source) this.timer = setTimeout(() => this.open(), RETRY_MS + Math.random() * 1000);
  }

  async why() {
    try { return (await fetch('/live', { method: 'HEAD', cache: 'no-store' })).status === 503 ? 'full' : 'lost'; } catch { return 'lost'; }
  }

  say(state) { this.state = state; this.tell(state, null); }
}
