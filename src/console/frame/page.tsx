/** The frame of every page, and the parts that pages are made of. Text is escaped by the renderer. */
import { type ComponentChildren, createContext, type VNode } from 'preact';
import { useContext } from 'preact/hooks';
import { renderToString } from 'preact-render-to-string';
import { harmlessLines } from '../../operations/render';
import { ASSETS } from './assets';

/** What the frame needs to know of a request. */
export interface Visit {
  /** Who is signed in; null on the page that signs in. */
  operator: string | null;
  /** Whether a button signs out: a proxy has its own. */
  canSignOut: boolean;
  /** For forms: shows that they come from a page of the console. */
  csrfToken: string;
  /** The path of the page. */
  path: string;
}

const CurrentVisit = createContext<Visit>({ operator: null, canSignOut: false, csrfToken: '', path: '/' });

export interface PageProps {
  title: string;
  /** What was just done, shown at the top. */
  notice?: string | undefined;
  children: ComponentChildren;
}

/** Control characters and marks that reorder text become visible wherever they come from. */
export const renderPage = (visit: Visit, { title, notice, children }: PageProps): string =>
  harmlessLines(
    `<!DOCTYPE html>${renderToString(
      <CurrentVisit.Provider value={visit}>
        <Frame title={title} notice={notice}>
          {children}
        </Frame>
      </CurrentVisit.Provider>,
    )}`,
  );

const SECTIONS = [
  ['/', 'Find'],
  ['/merges', 'Merges'],
  ['/collisions', 'Collisions'],
  ['/dead-letters', 'Dead letters'],
  ['/health', 'Health'],
  ['/audit', 'Audit'],
] as const;

function Frame({ title, notice, children }: PageProps): VNode {
  const { operator, canSignOut, path } = useContext(CurrentVisit);
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${title} · OneContact`}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href={ASSETS.pico.url} />
        <link rel="stylesheet" href={ASSETS.style.url} />
        <script src={ASSETS.script.url} defer />
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        <header class="container">
          {operator !== null && (
            <nav aria-label="Sections">
              <ul>
                {SECTIONS.map(([href, name]) => (
                  <li key={href}>
                    <a href={href} aria-current={isAt(path, href) ? 'page' : undefined}>
                      {name}
                    </a>
                  </li>
                ))}
              </ul>
              <ul>
                <li>
                  Signed in as <strong>{operator}</strong>
                </li>
                {canSignOut && (
                  <li>
                    <Form action="/sign-out" class="inline">
                      <button type="submit" class="outline secondary">
                        Sign out
                      </button>
                    </Form>
                  </li>
                )}
              </ul>
            </nav>
          )}
        </header>
        <main id="main" class="container">
          {notice !== undefined && (
            <p role="status" class="notice">
              {notice}
            </p>
          )}
          <h1>{title}</h1>
          {children}
        </main>
      </body>
    </html>
  );
}

const isAt = (path: string, section: string): boolean =>
  section === '/' ? path === '/' || path.startsWith('/contacts/') : path === section || path.startsWith(`${section}/`);

interface FormProps {
  action: string;
  class?: string;
  children: ComponentChildren;
}

/** A form that changes something, or whose fields must not stand in an address. */
export function Form({ action, class: className, children }: FormProps): VNode {
  const { csrfToken } = useContext(CurrentVisit);
  return (
    <form method="post" action={action} class={className}>
      <input type="hidden" name="_csrf" value={csrfToken} />
      {children}
    </form>
  );
}

/** Fields that the reader of the page need not see. */
export const Hidden = ({ values }: { values: Readonly<Record<string, string>> }): VNode => (
  <>
    {Object.entries(values).map(([name, value]) => (
      <input key={name} type="hidden" name={name} value={value} />
    ))}
  </>
);

/** Required wherever something is changed: it goes to the audit. */
export const ReasonField = ({ hint }: { hint?: string }): VNode => (
  <label>
    Reason
    <input name="reason" required maxLength={500} autocomplete="off" aria-describedby="reason-hint" />
    <small id="reason-hint">{hint ?? 'Recorded in the audit with your name, such as the number of a ticket.'}</small>
  </label>
);

/** A time in UTC; the script adds the reader's own. */
export function Time({ at }: { at: Date | number | string | null }): VNode {
  if (at === null) return <>unknown</>;
  const iso = new Date(at).toISOString();
  return <time dateTime={iso}>{`${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`}</time>;
}

/** What is wrong, and what to do: a text, or paragraphs. */
export const Problem = ({ children }: { children: ComponentChildren }): VNode => (
  <div role="alert" class="problem">
    {children}
  </div>
);

/** Names and their values; rows whose value is null are left out. */
export const Facts = ({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }): VNode => (
  <dl>
    {rows
      .filter(([, value]) => value !== null && value !== undefined && value !== '')
      .map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
  </dl>
);

interface TableProps {
  /** For those who cannot see the heading above it. */
  label: string;
  head: readonly string[];
  rows: readonly (readonly ComponentChildren[])[];
  /** Shown in place of a table without rows. */
  empty: string;
  /** The first cell of a row is its heading. */
  rowHeads?: boolean;
}

/** Scrolls sideways by itself on a narrow screen, also by keyboard. */
export function Table({ label, head, rows, empty, rowHeads = false }: TableProps): VNode {
  if (rows.length === 0) return <p>{empty}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
    <section class="overflow-auto" aria-label={label} tabIndex={0}>
      <table class="striped">
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, i) => (
            <tr key={i}>
              {cells.map((cell, j) =>
                rowHeads && j === 0 ? (
                  <th key={j} scope="row">
                    {cell}
                  </th>
                ) : (
                  <td key={j}>{cell}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A link to the page of a contact. */
export const ContactLink = ({ id }: { id: string }): VNode => (
  <a href={`/contacts/${id}`}>
    <code>{id}</code>
  </a>
);

/** A link to the page of a merge. */
export const MergeLink = ({ id }: { id: string }): VNode => (
  <a href={`/merges/${id}`}>
    <code>{id}</code>
  </a>
);
