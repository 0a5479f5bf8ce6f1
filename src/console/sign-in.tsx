/** Signing in with an API key, and out. */
import type { FastifyInstance } from 'fastify';
import { type Access, beginSession, endSession, keyThatSignsIn } from './access';
import { Form, Hidden, Problem } from './frame/page';

interface SignIn {
  Body: { key?: unknown; to?: unknown };
  Querystring: { to?: unknown };
}

/** Guesses are useless against keys of decent length, and cheap to slow down. */
const PER_MINUTE = 10;

export async function signInRoutes(app: FastifyInstance, access: Access): Promise<void> {
  app.get<SignIn>('/sign-in', (request, reply) =>
    request.operator === null
      ? reply.page({ title: 'Sign in', children: <SignInForm to={ownPath(request.query.to)} /> })
      : reply.redirect(ownPath(request.query.to), 303),
  );

  app.post<SignIn>(
    '/sign-in',
    { config: { rateLimit: { max: PER_MINUTE, timeWindow: '1 minute' } } },
    (request, reply) => {
      const { key: sent, to } = request.body;
      const key = keyThatSignsIn(typeof sent === 'string' ? sent : '', access);
      if (typeof key === 'string') {
        return reply.page({
          status: key === 'unknown' ? 401 : 403,
          title: 'Sign in',
          children: <SignInForm to={ownPath(to)} problem={PROBLEMS[key]} />,
        });
      }
      beginSession(reply, key);
      return reply.redirect(ownPath(to), 303);
    },
  );

  app.post('/sign-out', (_request, reply) => {
    endSession(reply);
    return reply.redirect('/sign-in', 303);
  });
}

const PROBLEMS = {
  unknown: 'This key is not known. Ask an administrator of OneContact for a key of your own.',
  lacks_scope: 'This key may not use the console: it lacks the scope operate.',
};

/** A path of the console; anything else becomes its first page. */
const ownPath = (to: unknown): string => (typeof to === 'string' && /^\/(?![/\\])[\w/.?=&%-]*$/.test(to) ? to : '/');

const SignInForm = ({ to, problem }: { to: string; problem?: string }) => (
  <Form action="/sign-in">
    <Hidden values={{ to }} />
    {problem !== undefined && <Problem>{problem}</Problem>}
    <label>
      API key
      <input
        name="key"
        type="password"
        required
        autocomplete="current-password"
        aria-describedby="key-hint"
        aria-invalid={problem === undefined ? undefined : true}
      />
      <small id="key-hint">A key with the scope operate. What you change is recorded under the name of the key.</small>
    </label>
    <button type="submit">Sign in</button>
  </Form>
);
