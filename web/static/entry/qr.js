// A QR code, drawn as one path.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../parts/html.js';

/** @param {{text: string, label: string}} p */
export function QR({ text, label }) {
  const [drawn, setDrawn] = useState({ size: 0, path: '' });
  useEffect(() => {
    let gone = false;
    import('uqr').then(({ encode }) => {
      const { size, data } = encode(text, { ecc: 'M', border: 3 });
      const dots = data.flatMap((row, y) => row.map((ink, x) => (ink ? `M${x} ${y}h1v1h-1z` : '')));
      if (!gone) setDrawn({ size, path: dots.join('') });
    }, () => {}); // without it the text is there all the same
    return () => { gone = true; };
  }, [text]);
  if (!drawn.size) return null;
  return html`
    <svg class="qr" viewBox=${`0 0 ${drawn.size} ${drawn.size}`} role="img" aria-label=${label} shape-rendering="crispEdges">
      <rect class="paper" width=${drawn.size} height=${drawn.size} /><path class="ink" d=${drawn.path} />
    </svg>`;
}
