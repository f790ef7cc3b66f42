// One stream for all tabs of a browser: wishes of the visible tabs are joined, news go to those who wished for them.
import { Wire } from './wire.js';

const tabs = new Map();
const wire = new Wire((name, data) => { for (const port of tabs.keys()) port.postMessage({ name, data }); });

const joined = () => {
  const all = { parts: new Set(), topics: new Set(), jobs: new Set() };
  for (const wish of tabs.values()) for (const kind in all) for (const one of wish[kind] || []) all[kind].add(one);
  return all;
};

self.onconnect = event => {
  const port = event.ports[0];
  port.onmessage = ({ data }) => {
    if (data.bye) tabs.delete(port); else tabs.set(port, data);
    wire.wish(joined(), data.again);
  };
  port.start();
};
