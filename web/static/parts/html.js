// Markup in template literals.
import { h } from 'preact';
import htm from 'htm';
import '@preact/signals'; // makes components follow the signals they read

export const html = htm.bind(h);
