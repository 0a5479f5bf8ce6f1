import { expect, test } from '@jest/globals';
import type { Contact } from '../../src/client';
import { picture } from '../../tools/demo/picture';

const contact = (id: string, account: string | null, addresses: string[], newsletters: Record<string, string>) =>
  ({
    contact_id: `01a21661-42a9-74aa-b797-dca3${id}`,
    account_id: account,
    basket_token: `${id}-8d97-4762-8f1e-6be84da218d0`,
    emails: addresses.map((address, i) => ({ address, primary: i === 0 })),
    newsletters: Object.fromEntries(Object.entries(newsletters).map(([name, state]) => [name, { state }])),
  }) as unknown as Contact;

const ADA = contact('aaaaaaaa', 'eeb45b90904fb7851d7aa66cd04e1fa4', ['ada@home.test'], {});
const READER = contact('bbbbbbbb', null, ['ada@work.test'], { 'privacy-weekly': 'subscribed' });
const BOTH = contact('aaaaaaaa', 'eeb45b90904fb7851d7aa66cd04e1fa4', ['ada@work.test', 'ada@home.test'], {
  'privacy-weekly': 'subscribed',
  offers: 'unsubscribed',
});

test('two records stand side by side, and lines lead from both to the one below', () => {
  expect(`\n${picture([ADA, READER], BOTH).join('\n')}\n`).toBe(`
┌ before: record 1 of 2 ───────────┐     ┌ before: record 2 of 2 ───────────┐
│ contact     …aaaaaaaa            │     │ contact     …bbbbbbbb            │
│ account     eeb45b90…            │     │ account     -                    │
│ address     ada@home.test        │     │ address     ada@work.test        │
│ also        -                    │     │ also        -                    │
│ newsletters -                    │     │ newsletters privacy-weekly       │
│ token       aaaaaaaa…            │     │ token       bbbbbbbb…            │
└─────────────────┬────────────────┘     └─────────────────┬────────────────┘
                  └───────────────────┬────────────────────┘
                                      ▼
                    ┌ after ───────────────────────────┐
                    │ contact     …aaaaaaaa            │
                    │ account     eeb45b90…            │
                    │ address     ada@work.test        │
                    │ also        ada@home.test        │
                    │ newsletters privacy-weekly       │
                    │             offers: unsubscribed │
                    │ token       aaaaaaaa…            │
                    └──────────────────────────────────┘
`);
});

test('one record before and after stand side by side, each field on the same line', () => {
  expect(`\n${picture([READER], BOTH).join('\n')}\n`).toBe(`
┌ before ──────────────────────────┐     ┌ after ───────────────────────────┐
│ contact     …bbbbbbbb            │     │ contact     …aaaaaaaa            │
│ account     -                    │     │ account     eeb45b90…            │
│ address     ada@work.test        │     │ address     ada@work.test        │
│ also        -                    │ ──▶ │ also        ada@home.test        │
│ newsletters privacy-weekly       │     │ newsletters privacy-weekly       │
│                                  │     │             offers: unsubscribed │
│ token       bbbbbbbb…            │     │ token       aaaaaaaa…            │
└──────────────────────────────────┘     └──────────────────────────────────┘
`);
});
