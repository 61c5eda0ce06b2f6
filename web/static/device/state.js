// What a device is, in one word.

/** stateOf answers online, offline, retired or deleted. @param {{state: string, online: boolean}} d */
export const stateOf = (d) => (d.state === 'active' ? (d.online ? 'online' : 'offline') : d.state);
