// Package web is the page: its files, embedded, and the handler that serves
// them.
//
// It guarantees:
//
//   - The page needs no network but this server's, and no build step: what is
//     in static/ is what the browser runs.
//   - Below /static/ the address of a file holds the fingerprint of all files,
//     so a browser keeps them for ever and never mixes two versions. index.html
//     is revalidated at each visit.
//   - Every answer carries a content security policy that allows scripts,
//     styles and connections of this origin only; the one inline script, the
//     import map, is allowed by its hash, computed at start.
//   - index.html names all modules that the page needs before it shows anything,
//     so that they are fetched at once; each place's own are fetched when it is
//     first shown.
//   - A path without a dot that names no file answers index.html (the page
//     finds its own way); one with a dot answers 404. Folders are not listed.
//   - Answers are the same bytes for the same ETag; gzip and identity have
//     different ones.
package web
