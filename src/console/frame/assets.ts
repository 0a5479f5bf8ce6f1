/** The files that pages load, all of them from this server. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Asset {
  /** Changes with the content, so that browsers may keep it. */
  url: string;
  type: string;
  content: string;
}

const STYLE = `
:root { --pico-font-size: 100%; }
.container { max-width: 76rem; padding-inline: 1rem; }
time { white-space: nowrap; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
nav ul { flex-wrap: wrap; }
nav a[aria-current="page"] { text-decoration: underline; }
main form { max-width: 40rem; }
form.inline { display: inline; }
form.inline button { width: auto; margin: 0; padding: 0.25rem 0.75rem; }
h2 { margin-top: 2rem; }
code { overflow-wrap: anywhere; }
a code { display: inline; color: inherit; overflow-wrap: break-word; }
dl > div { display: grid; grid-template-columns: minmax(8rem, 12rem) 1fr; gap: 0 1rem; padding: 0.25rem 0; }
dt { font-weight: 600; }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 0.75rem; }
mark { padding: 0 0.2em; }
.notice { border-left: 0.3rem solid var(--pico-primary); padding: 0.5rem 1rem; }
.problem { border-left: 0.3rem solid var(--pico-del-color); padding: 0.5rem 1rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; }
.actions { display: flex; flex-wrap: wrap; gap: 0.75rem; align-items: center; }
.actions [role="button"], .actions button { width: auto; margin: 0; }
@media (max-width: 36rem) { dl > div { grid-template-columns: 1fr; } }
@media print {
  header, .skip, .actions, form { display: none; }
  .overflow-auto { overflow: visible; }
  td { overflow-wrap: anywhere; }
}
`;

/** Pages work without it: it keeps a form from being sent twice, and shows times as the reader's clock does. */
const SCRIPT = `
document.addEventListener('submit', (event) => {
  const { target: form, submitter } = event;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = 'yes';
  submitter?.setAttribute('aria-busy', 'true');
});
window.addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[data-sent]')) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll('[aria-busy]')) button.removeAttribute('aria-busy');
  }
});
for (const time of document.querySelectorAll('time')) time.title = new Date(time.dateTime).toLocaleString();
`;

function asset(name: string, type: string, content: string): Asset {
  const version = createHash('sha256').update(content).digest('base64url').slice(0, 12);
  return { url: `/assets/${version}/${name}`, type: `${type}; charset=utf-8`, content };
}

export const ASSETS = {
  pico: asset('pico.css', 'text/css', readFileSync(require.resolve('@picocss/pico/css/pico.min.css'), 'utf8')),
  style: asset('console.css', 'text/css', STYLE),
  script: asset('console.js', 'text/javascript', SCRIPT),
};
