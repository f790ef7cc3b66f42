// The stream itself: opens it for a set of wishes, goes on after the last move it heard, says when it is lost.
const EVENTS = ['part', 'fleet', 'job', 'block', 'log', 'artifact', 'robot', 'queues', 'system', 'resync', 'still'];
const RETRY_MS = 2000, ANSWER_MS = 4000;
const QUIET_MS = 12000;                     // the box says something every 5 s: this long without a word is a dead line

export class Wire {
  constructor(tell) { Object.assign(this, { tell, source: null, wishes: '', last: '', state: null, heardAt: Date.now() }); }

  wish(all, again) {
    const given = Object.entries(all).filter(([, set]) => set.size).map(([kind, set]) => [kind, [...set].sort().join(' ')]);
    const wishes = new URLSearchParams(given).toString();
    if (wishes === this.wishes && !again) { if (wishes && this.state) this.say(this.state); return; }
    this.wishes = wishes;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = this.state = null;
    if (!this.wishes) { this.last = ''; return; }
    const source = this.source = new EventSource(`/live?${this.wishes}${this.last && `&after=${this.last}`}`);
    this.watch(source, ANSWER_MS);
    source.onopen = () => { this.watch(source, QUIET_MS); this.say('open'); };
    source.onerror = () => this.failed(source, false);
    for (const name of EVENTS) source.addEventListener(name, e => {
      this.watch(source, QUIET_MS);
      if (e.lastEventId) this.last = e.lastEventId;
      if (name !== 'still') this.tell(name, JSON.parse(e.data));
    });
  }

  // A line that was cut says nothing, not even that it is gone.
  watch(source, ms) {
    if (ms === QUIET_MS) this.heardAt = Date.now();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.failed(source, true), ms);
  }

  // A stream that was refused ends for good: ask why, then try again.
  async failed(source, silent) {
    if (source !== this.source) return;
    clearTimeout(this.timer);
    source.close();
    const why = await this.why();
    if (source !== this.source) return;
    if (why === 'out') { this.wishes = ''; this.source = null; this.tell('out'); return; }   // nobody is signed in any more
    this.say(why === 'gone' ? 'lost' : why, silent && why === 'gone');
    this.timer = setTimeout(() => this.open(), RETRY_MS + Math.random() * 1000);
  }

  async why() {
    const how = { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) };
    try { return { 401: 'out', 503: 'full' }[(await fetch('/live', how)).status] || 'lost'; } catch { return 'gone'; }
  }

  // `sure`: it was waited for in vain, which is no hiccup.
  say(state, sure = false) { this.state = state; this.tell(state, { at: this.heardAt, sure }); }
}
