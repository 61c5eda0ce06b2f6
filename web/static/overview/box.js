// What the server says of itself, in full.
import { computed } from '@preact/signals';
import { status } from '../shell/pulse.js';

/**
 * @typedef {{kind: string, name: string, hosts: string[], version: string, reachable: boolean, since: string, error?: string,
 *   writer?: string, mirrorBehind: number, refused: number}} Database
 * @typedef {{http: string, mqtt: string, selfSigned: boolean, subject: string, notAfter: string, daysLeft: number, fingerprint: string}} Certificate
 * @typedef {import('../core/api.js').Status & {startedAt: string, dataDir?: string, database?: Database, tls?: Certificate,
 *   diskFreeBytes?: number, diskUsedBytes?: number, diskBytesPerDay?: number, diskDaysLeft?: number,
 *   alarms?: {critical: number, warning: number, info: number, notificationsQueued: number}}} Box
 */

/** box is null before the first answer; who has not the whole of it is told little. */
export const box = computed(() => /** @type {Box | null} */ (status.value));
