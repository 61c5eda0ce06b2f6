// The levels that a port should stay within, as dashed lines.

/**
 * limits draws those that are in sight.
 * @param {import('uplot')} u
 * @param {{limits: number[]}[]} ports
 * @param {string} color
 */
export function limits(u, ports, color) {
  const { min = 0, max = 0 } = u.scales.y;
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const v of new Set(ports.flatMap((p) => p.limits))) {
    if (v < min || v > max) continue;
    const y = Math.round(u.valToPos(v, 'y', true));
    ctx.beginPath();
    ctx.moveTo(u.bbox.left, y);
    ctx.lineTo(u.bbox.left + u.bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}
