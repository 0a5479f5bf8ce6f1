const SERVERS = {
  broker: { variable: 'AMQP_URL', port: 'its TLS port (5671, usually) or amqp://', ca: 'NODE_EXTRA_CA_CERTS' },
  database: {
    variable: 'DATABASE_URL',
    port: 'a server that has TLS switched on, or leave sslmode out',
    ca: 'sslrootcert in DATABASE_URL, or NODE_EXTRA_CA_CERTS,',
  },
} as const;

/**
 * One sentence that says what to do about a failed TLS handshake.
 *
 * @param problem Node's error code, or the text of the error if a library keeps only that; it is not shown
 */
export function tlsProblem(server: keyof typeof SERVERS, problem: string): string {
  const { variable, port, ca } = SERVERS[server];
  if (/altname|hostname.mismatch/i.test(problem)) {
    return `The ${server}'s certificate is not valid for the host in ${variable}: use a name that is in the certificate, or give the ${server} a certificate for this name.`;
  }
  if (/expired|not.yet.valid/i.test(problem)) {
    return `The ${server}'s certificate has expired or is not valid yet: renew it, and check the clocks.`;
  }
  if (/ERR_SSL|EPROTO|\bSSL connection/i.test(problem)) {
    return `The ${server} does not use TLS at the port in ${variable}: use ${port}.`;
  }
  return `The ${server}'s certificate is not signed by an authority that is trusted here: set ${ca} to a file with the authority's certificate.`;
}
