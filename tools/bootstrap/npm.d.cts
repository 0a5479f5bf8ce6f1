/** The program and its first arguments. */
export function npmCommand(): [string, ...string[]];
/** For npm's environment. */
export const RETRY_SOON: Readonly<Record<string, string>>;
/** The sentence for npm's output if the registry was not reached. */
export function registryProblem(output: string): string | undefined;
