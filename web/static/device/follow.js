// The commands of a device, newest first, which follow what becomes of them
// for as long as one is open.
import { useEffect, useRef, useState } from 'preact/hooks';
import { usePages } from '../parts/query.js';
import { api } from '../core/session.js';
import { t } from '../core/words.js';
import { parseExact } from './json.js';
import { pathTo } from './settings.js';

/**
 * @typedef {'queued' | 'sent' | 'acknowledged' | 'done' | 'failed' | 'expired'} State
 * @typedef {{id: string, orgId: string, deviceId: string, name: string, params?: unknown, state: State, createdBy: string, createdAt: string,
 *   expiresAt: string, sentAt?: string, sent: number, acknowledgedAt?: string, endedAt?: string, result?: unknown, detail?: string}} DeviceCommand
 * @typedef {{items: DeviceCommand[], nextCursor?: string}} CommandPage
 */

/** states are all of them, in their order. */
export const states = /** @type {const} */ (['queued', 'sent', 'acknowledged', 'done', 'failed', 'expired']);

const PAGE = 20; // a result has up to 64 KiB
const FOLLOW_MS = 1_000;
const MOST_FOLLOWED = 500;

/** isOpen says whether a command may still change. @param {DeviceCommand} c */
export const isOpen = (c) => c.state === 'queued' || c.state === 'sent' || c.state === 'acknowledged';

/**
 * merged answers a list with its beginning as it is now; what has not changed
 * stays the same object.
 * @param {DeviceCommand[]} list newest first
 * @param {CommandPage} head the first of them, as they are now
 * @returns {DeviceCommand[]}
 */
export function merged(list, { items, nextCursor }) {
  const known = new Map(list.map((c) => [c.id, c]));
  const last = items.at(-1);
  const rest = nextCursor && last ? list.filter((c) => c.id < last.id) : []; // ids are in the order of making
  return [...items.map((c) => {
    const before = known.get(c.id);
    return before && same(before, c) ? before : c;
  }), ...rest];
}

/** @param {DeviceCommand} a @param {DeviceCommand} b */
const same = (a, b) => a.state === b.state && a.sent === b.sent && a.sentAt === b.sentAt && a.detail === b.detail && (a.result === undefined) === (b.result === undefined);

/**
 * ask calls the API for commands, whose numbers keep their digits.
 * @param {string} device
 * @param {string} below what of its commands; empty: all
 * @param {import('../core/api.js').Request} [o]
 */
export async function ask(device, below, o) {
  const answer = await api.raw(pathTo(device) + '/commands' + (below && '/' + encodeURIComponent(below)), o);
  return parseExact(await answer.text());
}

/**
 * useCommands answers them page by page. said is what has just become of one,
 * for who does not see it; put shows one as a change has answered it.
 * @param {string} device
 * @param {string} state empty: all
 */
export function useCommands(device, state) {
  const pages = usePages((cursor) => /** @type {Promise<CommandPage>} */ (ask(device, '', { query: { state, limit: PAGE, cursor } })), [device, state]);
  const items = useRef(/** @type {DeviceCommand[]} */ ([]));
  items.current = pages.items || [];
  const [said, setSaid] = useState('');
  const turn = useRef(0); // moves with each change that an answer on its way may not know
  const put = (/** @type {DeviceCommand} */ c) => {
    turn.current++;
    if (!pages.items) pages.reload(); // the answer on its way may not know it
    pages.change((list) => (list.some((o) => o.id === c.id) ? list.map((o) => (o.id === c.id ? c : o)) : state && state !== c.state ? list : [c, ...list]));
  };
  const follows = items.current.some(isOpen);
  useEffect(() => {
    if (!follows) return undefined;
    let ended = false;
    let timer = 0;
    const again = async () => {
      if (!document.hidden) await follow().catch(() => {}); // the top line says that nobody answers
      if (!ended) timer = setTimeout(again, FOLLOW_MS);
    };
    const follow = async () => {
      const mine = turn.current;
      const list = items.current;
      const limit = Math.min(MOST_FOLLOWED, Math.max(PAGE, list.findLastIndex(isOpen) + 1));
      const head = /** @type {CommandPage} */ (await ask(device, '', { query: { state, limit } }));
      if (ended || mine !== turn.current) return;
      pages.change((now) => merged(now, head));
      const moved = head.items.find((c) => list.some((o) => o.id === c.id && o.state !== c.state));
      if (moved) setSaid(`${moved.name}: ${t('device.commands.state.' + moved.state)}`);
    };
    timer = setTimeout(again, FOLLOW_MS);
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [device, state, follows]);
  return { ...pages, said, put };
}
